"""Crystals missed and false alarms, and what P(any crystal) is good for."""

from collections.abc import Iterator

from trainer.report import paper
from trainer.report.accuracy import marks
from trainer.report.comparison import Comparison, NamedRun
from trainer.report.curves import precision_recall_figure, roc_figure
from trainer.report.facts import Interval, Missed
from trainer.report.plots import missed_figure
from trainer.report.section import Block, Figures, Section, Text
from trainer.report.table import Column, Row, Table, Unit, Value
from trainer.report.wording import count, percent

_RANKING = "Looking at the likeliest crystals first"
# Not per image: averaging over variants flatters crystals, of which balance made more variants.
_VIEWS = (("balanced", "balanced records"), ("natural", "every image counted once"))


def missed_section(comparison: Comparison) -> Section:
    """Returns missed crystals with false alarms and random ranking beside them."""
    texts = [
        "An image is flagged if one of its n likeliest labels is a crystal label. More labels "
        "miss fewer crystals, and flag more of everything else: a share of missed crystals means "
        "nothing without the false alarms beside it. Random is what labels in random order would "
        "give."
    ]
    if any(run.evaluation.arch in paper.MISSED and run.has_paper for run in comparison.runs):
        ends = " / ".join(paper.MISSED["resnet56"])
        texts.append(
            f"The paper gives {ends} % missed at top-1 / 2 / 3 for ResNet-56, on its own images, "
            "and no false alarms."
        )
    figures = tuple(
        missed_figure(
            comparison.runs, view, caption=f"Top-1, 2 and 3: {comparison.data_phrase()}, {title}."
        )
        for view, title in _VIEWS
    )
    tables = tuple(_missed_table(comparison, view, title) for view, title in _VIEWS)
    blocks: tuple[Block, ...] = (*map(Text, texts), Figures(figures), *tables)
    return Section("missed", "Missed crystals and false alarms", "Missed crystals", blocks, tables)


def ranking_section(comparison: Comparison) -> Section:
    """Returns the curves of P(any crystal) and the images to look at."""
    crystals = [run.evaluation.test.crystal for run in comparison.runs]
    if not any(crystals):
        text = "The test split has no crystals, or nothing else: there is nothing to rank."
        return Section("ranking", _RANKING, "P(crystal)", (Text(text),))
    shares = sorted({of.prevalence for of in crystals if of})
    prevalence = " to ".join(dict.fromkeys(percent(share) for share in (shares[0], shares[-1])))
    few = min(of.crystals for of in crystals if of)
    text = (
        "P(any crystal) is the sum of the probabilities of all crystal labels, of one view of an "
        f"image. {prevalence} % of the test images have crystals; every image counts once. A "
        "person who looks at images from the likeliest down, to a threshold chosen on the "
        "validation split, looks at so many of 1,000 images to find so many of the crystals. "
        f"With {count(few, 'crystal image')} in the test split, one found or missed is "
        f"{percent(1 / few)} % of recall."
    )
    where = f"{comparison.data_phrase()}, every image counted once"
    figures = Figures(
        (
            roc_figure(comparison.runs, caption=f"ROC curve of P(any crystal), {where}."),
            precision_recall_figure(
                comparison.runs, caption=f"Precision and recall of P(any crystal), {where}."
            ),
        )
    )
    tables = (_area_table(comparison, where), _workload_table(comparison, where))
    blocks = (Text(text), figures, *tables)
    return Section("ranking", _RANKING, "P(crystal)", blocks, tables)


def _missed_table(comparison: Comparison, view: str, title: str) -> Table:
    columns = tuple(
        Column(name, f"top{n}_{key}", group=f"top-{n}, %")
        for n in (1, 2, 3)
        for name, key in (("missed", "missed"), ("false alarms", "false_alarms"))
    )
    rows = [
        Row(run.name, _pairs(found.missed), marks(run))
        for run in comparison.runs
        if (found := run.evaluation.view(view)) and found.missed
    ]
    rows += _random_rows(comparison, view)
    caption = f"Missed crystals and false alarms, {comparison.data_phrase()}, {title}"
    return Table(f"missed-{view.replace('_', '-')}", caption, "Network", columns, tuple(rows))


def _pairs(missed: tuple[Missed, ...]) -> tuple[Value, ...]:
    values = [value for of in missed for value in (of.missed, of.false_alarms)]
    return tuple((values + [None] * 6)[:6])


def _random_rows(comparison: Comparison, view: str) -> Iterator[Row]:
    """Gives what random ranking would do, once for each label set."""
    several = len(list(comparison.by_labels())) > 1
    for labels, runs in comparison.by_labels():
        found = runs[0].evaluation.view(view)
        if found and found.missed:
            values = [
                value for of in found.missed for value in (of.random_missed, of.random_false_alarms)
            ]
            name = f"Random ranking of {len(labels)} labels" if several else "Random ranking"
            yield Row(name, tuple((values + [None] * 6)[:6]), foot=True)


def _area_table(comparison: Comparison, where: str) -> Table:
    columns = (
        Column("Area under ROC", "roc_auc", Unit.RATIO, 3),
        Column("Average precision", "average_precision", Unit.RATIO, 3),
        Column("Average precision at random", "random_average_precision", Unit.RATIO, 3),
    )
    rows = tuple(
        Row(run.name, (of.auc, of.average_precision, of.prevalence), marks(run))
        for run in comparison.runs
        if (of := run.evaluation.test.crystal)
    )
    return Table("ranking", f"P(any crystal), {where}", "Network", columns, rows)


def _workload_table(comparison: Comparison, where: str) -> Table:
    recalls = sorted(
        {
            work.recall
            for run in comparison.runs
            if (of := run.evaluation.test.crystal)
            for work in of.workload
        }
    )
    columns = tuple(
        column
        for recall in recalls
        for column in (
            Column(
                "images of 1,000",
                f"images_at_{recall:g}",
                Unit.COUNT,
                group=f"{100 * recall:g} % wanted",
            ),
            Column("found, %", f"found_at_{recall:g}", group=f"{100 * recall:g} % wanted"),
        )
    )
    rows = tuple(
        Row(run.name, _workloads(run, recalls), marks(run))
        for run in comparison.runs
        if run.evaluation.test.crystal
    )
    caption = f"Images to look at of 1,000, and crystals found by that, {where}"
    return Table("workload", caption, "Network", columns, rows)


def _workloads(run: NamedRun, recalls: list[float]) -> tuple[Value, ...]:
    of = run.evaluation.test.crystal
    found = {work.recall: work for work in of.workload} if of else {}
    values: list[Interval | None] = []
    for recall in recalls:
        work = found.get(recall)
        values += [work.images_per_1000, work.achieved] if work else [None, None]
    return tuple(values)
