"""The whole of a report, before it is a page, a Markdown file or CSV files."""

import dataclasses

from trainer.report import accuracy, by_label, checks, crystals, made_by, training
from trainer.report.comparison import Comparison, NamedRun, chance
from trainer.report.facts import Interval
from trainer.report.section import Section
from trainer.report.wording import NOTHING, count, listed, percent, span


@dataclasses.dataclass(frozen=True)
class Headline:
    """One of the few large numbers of a report.

    Attributes:
        number: as a person reads it.
        meaning: what it is.
    """

    number: str
    meaning: str


@dataclasses.dataclass(frozen=True)
class Document:
    """A report.

    Attributes:
        networks: what its runs are, such as "ResNet-56" or "8 networks".
        data: title of each dataset.
        drawn: whether any number comes of drawn plates.
        warning: what is then said on top of everything; "" otherwise.
        lead: what the headlines are of.
        headlines: the large numbers.
        sections: the parts.
    """

    networks: str
    data: tuple[str, ...]
    drawn: bool
    warning: str
    lead: str
    headlines: tuple[Headline, ...]
    sections: tuple[Section, ...]

    @property
    def title(self) -> str:
        """What the report is called."""
        return f"{self.networks} on {listed(list(self.data))}"


WARNING = (
    "These plates were drawn by a program. Nothing on this page is a result on crystals: "
    "it shows that training and evaluation work, and no more."
)


def make_document(comparison: Comparison) -> Document:
    """Returns the report of runs. Equal runs give equal reports."""
    sections = (
        checks.data_section(comparison),
        accuracy.accuracy_section(comparison),
        accuracy.views_section(comparison),
        crystals.missed_section(comparison),
        crystals.ranking_section(comparison),
        by_label.table_2_section(comparison),
        by_label.table_3_section(comparison),
        by_label.figure_3_section(comparison),
        training.calibration_section(comparison),
        training.training_section(comparison),
        made_by.made_by_section(comparison),
        made_by.paper_section(),
    )
    best = comparison.best
    return Document(
        networks=_networks(comparison),
        data=tuple(dict.fromkeys(data.title for data in comparison.datasets)),
        drawn=comparison.drawn,
        warning=WARNING if comparison.drawn else "",
        lead=_lead(comparison, best),
        headlines=tuple(_headlines(best)),
        sections=sections,
    )


def _networks(comparison: Comparison) -> str:
    runs = comparison.runs
    archs = {run.evaluation.arch for run in runs}
    if len(runs) == 1:
        return runs[0].name
    if len(archs) == len(runs):
        return f"{len(runs)} networks"
    titles = "1 network" if len(archs) == 1 else f"{len(archs)} networks"
    return f"{len(runs)} runs of {titles}"


def _lead(comparison: Comparison, best: NamedRun) -> str:
    of_which = "" if len(comparison.runs) == 1 else ", the best on the validation split"
    plates = "drawn plates" if best.evaluation.drawn else "test images"
    return f"{best.name}{of_which}, on {plates}:"


def _headlines(run: NamedRun) -> list[Headline]:
    of = run.evaluation
    balanced, natural = of.test.views["balanced"], of.view("natural")
    top1 = f"top-1 on balanced records{_ends(balanced.top1)}; chance {percent(chance(of))} %"
    found = [Headline(_share(balanced.top1), top1)]
    if natural and natural.missed:
        missed = natural.missed[0]
        both = f"{_share(missed.missed)} | {_share(missed.false_alarms)}"
        found.append(
            Headline(both, "crystals missed | other images flagged, at natural prevalence")
        )
    crystal = of.test.crystal
    wanted = [w for w in crystal.workload if w.recall == 0.99] if crystal else []
    if crystal and wanted and wanted[0].images_per_1000:
        images = count(round(wanted[0].images_per_1000.value))
        have = percent(crystal.prevalence)
        meaning = f"of 1,000 images to look at for 99 % of the crystals; {have} % have some"
        found.append(Headline(images, meaning))
    return found


def _share(value: Interval | None) -> str:
    return NOTHING if value is None else f"{percent(value.value)}\N{NO-BREAK SPACE}%"


def _ends(value: Interval | None) -> str:
    if value is None or value.low is None or value.high is None:
        return ""
    return f" ({span(percent(value.low), percent(value.high))} %)"
