"""The paper's Table 1 for these runs, and the same accuracies counted in other ways."""

from collections.abc import Iterator

from trainer.report import paper
from trainer.report.comparison import Comparison, NamedRun, chance, group_name
from trainer.report.facts import Split
from trainer.report.plots import tops_figure, views_figure
from trainer.report.section import Figures, Section, Text
from trainer.report.table import Column, Row, Table, Unit, Value

VIEWS = (
    ("balanced", "balanced records"),
    ("natural", "natural prevalence"),
    ("per_image", "per image"),
    ("per_group", "per group"),
)
_TOPS = ("top1", "top2", "top3")
_FINE = 10_000  # records from which a second digit is no noise


def accuracy_section(comparison: Comparison) -> Section:
    """Returns Table 1."""
    table = table_1(comparison)
    notes = [
        "The share of records whose label by the expert is the likeliest one, or among the two "
        "or three likeliest. Below each number: its 95 % interval, from resampling whole groups. "
        "Validation is of the epoch whose weights were kept."
    ]
    if any(run.has_paper for run in comparison.runs):
        notes.append(
            "Beside them stand the paper's own numbers, as printed, of other images: they say what "
            "its networks did on its micrographs, not what these should reach."
        )
    if any(run.evaluation.reconstruction for run in comparison.runs):
        notes.append(
            "Reconstruction: no source gives the layers' widths of CrystalNet and LCN; these are "
            "ours, so even the same data would not give the paper's numbers."
        )
    return Section("table1", "Table 1: accuracy", "Table 1", (*map(Text, notes), table), (table,))


def table_1(comparison: Comparison) -> Table:
    """Returns Table 1, a row a run, with the paper's row beside it."""
    records = min(run.evaluation.test.records for run in comparison.runs)
    digits = 2 if records >= _FINE else 1
    ours = group_name(comparison.runs)
    heads = ("Validation", "top-1", "top-2", "top-3")
    keys = ("validation", *(f"test_{top}" for top in _TOPS))
    columns = [
        Column(head, key, digits=digits, group=ours, short=head)
        for head, key in zip(heads, keys, strict=True)
    ]
    beside = any(run.has_paper for run in comparison.runs)
    if beside:
        columns += [
            Column(head, f"paper_{key}", digits=2, group="Paper", paper=True, short="paper")
            for head, key in zip(heads, keys, strict=True)
        ]
    rows = tuple(
        Row(run.name, (*_own(run), *(_paper(run) if beside else ())), marks(run))
        for run in comparison.runs
    )
    apart = f"; beside it: {paper.APART}" if beside else ""
    caption = f"Table 1. Accuracy in per cent, {comparison.data_phrase()}, balanced records{apart}"
    return Table("table1", caption, "Network", tuple(columns), rows)


def views_section(comparison: Comparison) -> Section:
    """Returns the accuracies at natural prevalence, per image and per group."""
    table, whole = _views_table(comparison), _whole_table(comparison)
    runs, where = comparison.runs, comparison.data_phrase()
    figures = Figures(
        (
            tops_figure(runs, caption=f"Top-1, 2 and 3 of Table 1: {where}, balanced records."),
            views_figure(runs, VIEWS[:3], caption=f"Top-1, counted in three ways: {where}."),
        )
    )
    text = (
        "Table 1 counts balanced records: every label weighs the same, and a rare image counts "
        "many times. A day's plates are not like that. At natural prevalence every image counts "
        "once, however many variants it has. Per image is the same, but the probabilities of an "
        "image's variants are averaged before a label is taken, which flatters rare labels: they "
        "have more variants to average. Per group counts every drop once. "
        "The mean over labels is that of their own accuracies: a network that never names a rare "
        "label cannot hide in it."
    )
    return Section(
        "views",
        "The same networks, counted otherwise",
        "Natural prevalence",
        (Text(text), figures, table),
        (whole,),
    )


def _views_table(comparison: Comparison) -> Table:
    """Returns top-1 in each view that any run has, a row a run."""
    runs = comparison.runs
    views = [view for view in VIEWS if any(run.evaluation.view(view[0]) for run in runs)]
    columns = (
        *(Column(title, name, group="top-1, %") for name, title in views),
        Column("balanced records", "mean_balanced", group="mean over labels, %"),
        Column("per image", "mean_per_image", group="mean over labels, %"),
    )
    rows = []
    for run in comparison.runs:
        found = [run.evaluation.view(name) for name, _ in views]
        means = [run.evaluation.view(name) for name in ("balanced", "per_image")]
        values: list[Value] = [view.top1 if view else None for view in found]
        values += [view.macro_recall if view else None for view in means]
        rows.append(Row(run.name, tuple(values), marks(run)))
    caption = f"Accuracy in per cent, {comparison.data_phrase()}"
    return Table("views", caption, "Network", columns, tuple(rows))


def _whole_table(comparison: Comparison) -> Table:
    """Returns all accuracies in each view, a row a run and view."""
    columns = (
        Column("Counts", "view", Unit.TEXT),
        Column("Weight", "weight", Unit.COUNT),
        *(Column(f"top-{n}", f"top{n}") for n in (1, 2, 3)),
        Column("Mean over labels", "macro_recall"),
        Column("Chance", "chance"),
    )
    rows = tuple(
        Row(run.name, values, marks(run)) for run in comparison.runs for values in _view_rows(run)
    )
    caption = f"Accuracy, {comparison.data_phrase()}"
    return Table("accuracies", caption, "Network", columns, rows)


def marks(run: NamedRun) -> tuple[str, ...]:
    """Returns the remarks that a run has wherever its name stands."""
    evaluation = run.evaluation
    found = []
    if evaluation.reconstruction:
        found.append("reconstruction")
    if evaluation.width != 1:
        found.append(f"width {evaluation.width:g}")
    if not run.facts.finished:
        found.append("not finished")
    if run.mark:
        found.append(f"data {run.mark}")
    return tuple(found)


def _view_rows(run: NamedRun) -> Iterator[tuple[Value, ...]]:
    for name, title in VIEWS:
        if view := run.evaluation.view(name):
            tops = (*view.top, None, None, None)[:3]
            yield title, view.weight, *tops, view.macro_recall, chance(run.evaluation)


def _own(run: NamedRun) -> tuple[Value, ...]:
    splits = run.evaluation.splits
    validation: Split | None = splits.get("validation")
    top1 = validation.views["balanced"].top1 if validation else None
    tops = splits["test"].views["balanced"].top
    return top1, *(*tops, None, None, None)[:3]


def _paper(run: NamedRun) -> tuple[Value, ...]:
    return paper.TABLE_1[run.evaluation.arch] if run.has_paper else (None,) * 4
