"""Runs side by side: in the paper's order, each with a name of its own and the data it is of."""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from trainer.errors import UsageError
from trainer.networks import NETWORKS
from trainer.report import paper
from trainer.report.facts import Data, Evaluation, RunFacts, View
from trainer.report.wording import count, listed

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclasses.dataclass(frozen=True)
class NamedRun:
    """A run as the report names it.

    Attributes:
        facts: what is known of it.
        name: title of its network, and of its folder where several runs have that network.
        key: the same for names of files; no two runs of a report share it.
        mark: letter of the data it was evaluated on; "" where all runs share them.
        number: its place in the report, from 0; it gives the colour in figures.
    """

    facts: RunFacts
    name: str
    key: str
    mark: str
    number: int

    @property
    def evaluation(self) -> Evaluation:
        """Its numbers."""
        return self.facts.evaluation

    @property
    def has_paper(self) -> bool:
        """Whether the paper has numbers of this network on the same labels."""
        evaluation = self.evaluation
        return evaluation.arch in paper.TABLE_1 and paper.applies_to(evaluation.labels)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The runs of a report.

    Attributes:
        runs: in the order of the paper's Table 1, those of one network as they were given.
        datasets: what they were evaluated on, each once; the first has the mark A.
    """

    runs: tuple[NamedRun, ...]
    datasets: tuple[Data, ...]

    @property
    def drawn(self) -> bool:
        """Whether any number of the report was taken on, or learnt from, drawn plates."""
        return any(run.evaluation.drawn for run in self.runs)

    @property
    def best(self) -> NamedRun:
        """The run of the highest validation accuracy: test numbers choose nothing."""
        return max(self.runs, key=lambda run: (_validated(run.evaluation), -run.number))

    def by_labels(self) -> Iterator[tuple[tuple[str, ...], tuple[NamedRun, ...]]]:
        """Gives each label set of the runs, with the runs that have it."""
        for labels in dict.fromkeys(run.evaluation.labels for run in self.runs):
            yield labels, tuple(run for run in self.runs if run.evaluation.labels == labels)

    def data_phrase(self, runs: Sequence[NamedRun] = ()) -> str:
        """Returns what a caption says of the data of some runs, by default of all."""
        shown = runs or self.runs
        titles = dict.fromkeys(
            run.evaluation.evaluated_on.title + (f" ({run.mark})" if run.mark else "")
            for run in shown
        )
        phrase = f"test split of {listed(list(titles))}"
        return f"drawn plates, {phrase}" if any(r.evaluation.drawn for r in shown) else phrase


def compare(runs: Sequence[RunFacts]) -> Comparison:
    """Returns runs side by side.

    Raises:
        UsageError: if there is none, or one folder twice.
    """
    if not runs:
        raise UsageError("wanted a run or more to report on, got none")
    twice = [folder for folder, times in Counter(run.folder for run in runs).items() if times > 1]
    if twice:
        raise UsageError(f"wanted every run once, got {twice[0]} several times; give it once")
    order = list(NETWORKS)
    ordered = sorted(runs, key=lambda run: _rank(order, run.evaluation.arch))
    datasets: dict[tuple[str, str], Data] = {}
    for run in ordered:
        datasets.setdefault(_identity(run), run.evaluation.evaluated_on)
    marks = {key: _mark(number) for number, key in enumerate(datasets)}
    if len(marks) == 1:
        marks = dict.fromkeys(marks, "")
    names, keys = _names(ordered), _keys(ordered)
    named = (
        NamedRun(run, names[number], keys[number], marks[_identity(run)], number)
        for number, run in enumerate(ordered)
    )
    return Comparison(tuple(named), tuple(datasets.values()))


def named(comparison: Comparison, runs: Sequence[NamedRun]) -> str:
    """Returns the names of some runs as a sentence lists them; of all of many, that."""
    if len(runs) == len(comparison.runs) > 2:
        return "all runs"
    return listed([run.name for run in runs])


def group_name(runs: Sequence[NamedRun]) -> str:
    """Returns what stands above the columns of these runs, beside the paper's."""
    whose = "This run" if len(runs) == 1 else "These runs"
    return f"{whose}, drawn plates" if any(run.evaluation.drawn for run in runs) else whose


def size_phrase(evaluation: Evaluation) -> str:
    """Returns how much the test numbers of a run were taken on."""
    test = evaluation.test
    return (
        f"{count(test.records, 'record')} of {count(test.images, 'image')} "
        f"in {count(test.groups, 'group')}"
    )


def chance(evaluation: Evaluation) -> float:
    """Returns the accuracy of a guess among the labels."""
    return 1 / len(evaluation.labels)


def is_balanced(view: View) -> bool:
    """Returns whether the labels that are there weigh about the same.

    The bound is far above the noise of a build that balances (largest over smallest 1.03).
    """
    weights = [weight for weight in view.label_weights if weight]
    return not weights or max(weights) <= 1.5 * min(weights)


def _validated(evaluation: Evaluation) -> float:
    view = evaluation.view("balanced", "validation")
    return view.top1.value if view and view.top1 else -1.0


def _rank(order: list[str], arch: str) -> int:
    return order.index(arch) if arch in order else len(order)


def _identity(run: RunFacts) -> tuple[str, str]:
    data = run.evaluation.evaluated_on
    return data.title, data.digest


def _mark(number: int) -> str:
    """Returns A, B, ... Z, A2, B2, ..."""
    turn, letter = divmod(number, len(_LETTERS))
    return _LETTERS[letter] + (str(turn + 1) if turn else "")


def _names(runs: Sequence[RunFacts]) -> list[str]:
    """Returns the title of each run's network, with as much of its folder as tells it apart."""
    titles = [run.evaluation.title for run in runs]
    parts = [PurePath(run.folder).parts for run in runs]
    names = []
    for title, own in zip(titles, parts, strict=True):
        rivals = [
            other
            for other_title, other in zip(titles, parts, strict=True)
            if other_title == title and other is not own
        ]
        depth = 1
        while depth < len(own) and any(rival[-depth:] == own[-depth:] for rival in rivals):
            depth += 1
        names.append(f"{title} · {'/'.join(own[-depth:])}" if rivals else title)
    return names


def _keys(runs: Sequence[RunFacts]) -> list[str]:
    """Returns a name for the files of each run: the network, numbered from its second run on."""
    seen: Counter[str] = Counter()
    keys = []
    for run in runs:
        key = re.sub(r"[^a-z0-9_]+", "_", run.evaluation.arch.casefold()).strip("_") or "network"
        seen[key] += 1
        keys.append(key if seen[key] == 1 else f"{key}-{seen[key]}")
    return keys
