"""The paper's Tables 2 and 3 and its Figure 3 for these runs: every label on its own."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from trainer.report import paper
from trainer.report.accuracy import marks
from trainer.report.comparison import Comparison, NamedRun, group_name
from trainer.report.facts import Interval, View
from trainer.report.matrix import confusion_figure
from trainer.report.section import Block, Figures, Section, Text
from trainer.report.table import Column, Row, Table, Unit, Value

_AT_ONCE = 8  # columns of runs that stand side by side on a page
_BESIDE = 3  # columns of runs that leave room for the paper's beside them


def table_2_section(comparison: Comparison) -> Section:
    """Returns Table 2: the accuracy of each label, a column a run."""
    text = (
        "Of the records that the expert gave a label, the share that the network gives it too, "
        "in per cent, with 95 % intervals. ◆ marks crystal labels."
    )
    blocks: list[Block] = [Text(text)]
    files = []
    for number, (labels, runs) in enumerate(comparison.by_labels(), start=1):
        whole = _table_2(comparison, labels, runs, key=_numbered("table2", number))
        files.append(whole)
        blocks += _parts(whole)
    return Section(
        "table2", "Table 2: accuracy of each label", "Table 2", tuple(blocks), tuple(files)
    )


def table_3_section(comparison: Comparison) -> Section:
    """Returns Table 3: the area under the ROC curve of each label, a row a label."""
    text = (
        "Area under the ROC curve of each label against all others: 1 is perfect, 0.5 is chance. "
        "It does not depend on how common a label is, nor on a threshold. The paper gives it for "
        "its three best networks."
    )
    blocks: list[Block] = [Text(text)]
    files = []
    for number, (labels, runs) in enumerate(comparison.by_labels(), start=1):
        whole = _table_3(comparison, labels, runs, key=_numbered("table3", number))
        files.append(whole)
        blocks += _parts(whole)
    return Section(
        "table3", "Table 3: area under the curve", "Table 3", tuple(blocks), tuple(files)
    )


def figure_3_section(comparison: Comparison) -> Section:
    """Returns Figure 3: a confusion matrix a run."""
    text = (
        "Each column is a label by the expert and adds up to 100 %; each row is the label that "
        "the network gave. Right answers lie on the diagonal. Orange cells are crystals given no "
        "crystal label: missed crystals. Numbers below 0.5 % are left out. The paper has its "
        "Figure 3 for ResNet-56 only, as a picture; the diagonal of it is that network's column "
        "of Table 2."
    )
    figures, files = [], []
    for run in comparison.runs:
        view = run.evaluation.test.views["balanced"]
        caption = f"Figure 3. {run.name}: {comparison.data_phrase((run,))}, balanced records."
        figures.append(confusion_figure(run, view, caption=caption))
        files.append(_confusion_table(run, view, caption))
    blocks = (Text(text), Figures(tuple(figures)))
    return Section("figure3", "Figure 3: what is taken for what", "Figure 3", blocks, tuple(files))


def _numbered(key: str, number: int) -> str:
    return key if number == 1 else f"{key}-{number}"


def _table_2(
    comparison: Comparison, labels: Sequence[str], runs: Sequence[NamedRun], *, key: str
) -> Table:
    where = f"{comparison.data_phrase(runs)}, balanced records"
    rows = _label_rows(labels, runs, lambda view: view.per_label, paper.TABLE_2)
    foot: list[Value] = [run.evaluation.test.views["balanced"].macro_recall for run in runs]
    foot += [paper.TABLE_2_AVERAGE[run.evaluation.arch] for run in _in_paper(runs, paper.TABLE_2)]
    return Table(
        key,
        f"Table 2. Accuracy of each label in per cent, {where}",
        "Label",
        _columns(runs, paper.TABLE_2, Unit.SHARE, digits=1),
        (*rows, Row("Mean over labels", tuple(foot), foot=True)),
        wide=True,
    )


def _table_3(
    comparison: Comparison, labels: Sequence[str], runs: Sequence[NamedRun], *, key: str
) -> Table:
    where = f"{comparison.data_phrase(runs)}, balanced records"
    return Table(
        key,
        f"Table 3. Area under the ROC curve of each label, {where}",
        "Label",
        _columns(runs, paper.TABLE_3, Unit.RATIO, digits=3),
        tuple(_label_rows(labels, runs, lambda view: view.auc, paper.TABLE_3)),
        wide=True,
    )


def _label_rows(
    labels: Sequence[str],
    runs: Sequence[NamedRun],
    what: Callable[[View], Sequence[Interval | None]],
    of_paper: Mapping[str, Sequence[float]],
) -> list[Row]:
    crystals = runs[0].evaluation.crystal_labels
    own = [what(run.evaluation.test.views["balanced"]) for run in runs]
    theirs = [of_paper[run.evaluation.arch] for run in _in_paper(runs, of_paper)]
    return [
        Row(
            label,
            (*(values[number] for values in own), *(values[number] for values in theirs)),
            crystal=label in crystals,
        )
        for number, label in enumerate(labels)
    ]


def _columns(
    runs: Sequence[NamedRun], of_paper: Mapping[str, object], unit: Unit, *, digits: int
) -> tuple[Column, ...]:
    own = [
        Column(
            run.name + (f" ({run.mark})" if run.mark else ""),
            run.key,
            unit,
            digits,
            group=group_name(runs),
            short=run.name,
        )
        for run in runs
    ]
    theirs = [
        Column(
            run.evaluation.title,
            f"paper_{run.evaluation.arch}",
            unit,
            digits,
            group="Paper",
            paper=True,
        )
        for run in _in_paper(runs, of_paper)
    ]
    return (*own, *theirs)


def _in_paper(runs: Sequence[NamedRun], of_paper: Mapping[str, object]) -> list[NamedRun]:
    """Returns a run of each network that the paper has numbers of."""
    firsts: dict[str, NamedRun] = {}
    for run in runs:
        if run.has_paper and run.evaluation.arch in of_paper:
            firsts.setdefault(run.evaluation.arch, run)
    return list(firsts.values())


def _parts(whole: Table) -> list[Table]:
    """Returns a table as the page shows it: some runs at a time, the paper's numbers apart."""
    own = [column.key for column in whole.columns if not column.paper]
    if len(own) <= _BESIDE:
        caption = (
            f"{whole.caption}; beside it: {paper.APART}" if len(whole.groups) > 1 else whole.caption
        )
        return [dataclasses.replace(whole, caption=caption)]
    parts = []
    for start in range(0, len(own), _AT_ONCE):
        keys = set(own[start : start + _AT_ONCE])
        key = whole.key if not start else f"{whole.key}-part-{start // _AT_ONCE + 1}"
        parts.append(whole.where(_is_one_of(keys), key=key, caption=whole.caption))
    if len(own) < len(whole.columns):
        title = whole.caption.partition(",")[0]
        parts.append(
            whole.where(
                lambda column: column.paper,
                key=f"{whole.key}-paper",
                caption=f"{title}: {paper.APART}",
            )
        )
    return parts


def _is_one_of(keys: set[str]) -> Callable[[Column], bool]:
    return lambda column: column.key in keys


def _confusion_table(run: NamedRun, view: View, caption: str) -> Table:
    labels, crystals = run.evaluation.labels, run.evaluation.crystal_labels
    columns = tuple(
        Column(label, label, Unit.PERCENT, crystal=label in crystals) for label in labels
    )
    rows = tuple(
        Row(label, tuple(shares), marks(run), crystal=label in crystals)
        for label, shares in zip(labels, view.confusion, strict=True)
    )
    return Table(f"figure3-{run.key}", caption, "Given", columns, rows, wide=True)
