"""What to know before a number of a report is believed."""

from collections.abc import Iterator

from trainer.report.comparison import Comparison, NamedRun, chance, is_balanced, named, size_phrase
from trainer.report.section import Check, Checks, Section, Text
from trainer.report.table import Column, Row, Table, Unit
from trainer.report.wording import cut, listed, percent

FEW = 20  # images of a label below which its numbers are anecdotes
ALMOST_NONE = 50  # crystals in validation below which 99.9 % means all of them


def data_section(comparison: Comparison) -> Section:
    """Returns what the numbers were taken on, and what is to be said about it."""
    checks = Checks(tuple(_checks(comparison)))
    text = (
        "The test split had no part in training, nor in choosing weights, temperature or "
        "thresholds: those come from the validation split."
    )
    table = _data_table(comparison)
    return Section(
        "data", "What the numbers are taken on", "Data", (checks, Text(text), table), (table,)
    )


def _checks(comparison: Comparison) -> Iterator[Check]:
    yield from _data_checks(comparison)
    yield from _run_checks(comparison)


def _data_checks(comparison: Comparison) -> Iterator[Check]:
    runs = comparison.runs
    if comparison.drawn:
        yield Check(False, _drawn(comparison))
    else:
        yield Check(True, "No plate is said to be drawn by a program.")
    if len(comparison.datasets) > 1:
        titles = listed([data.title for data in comparison.datasets])
        yield Check(
            False,
            f"The runs were evaluated on different data, {titles}: marked with letters, "
            "and not to be compared with each other.",
        )
    elif len(runs) > 1:
        yield Check(True, "All runs were evaluated on the same records.")
    moved = [run for run in runs if _elsewhere(run)]
    if moved:
        yield Check(
            False,
            f"Trained on one version and evaluated on another: {named(comparison, moved)}. "
            "Images of the test split may have been seen in training.",
        )
    uneven = [run for run in runs if not is_balanced(run.evaluation.test.views["balanced"])]
    if uneven:
        yield Check(
            False,
            f"The test records of {named(comparison, uneven)} are not balanced: top-1 leans to "
            "the common labels. Look at the mean over labels.",
        )
    few = _scarce(comparison)
    if few:
        yield Check(
            False,
            f"Fewer than {FEW} test images: {listed(few)}. Read the intervals, not the numbers.",
        )


def _run_checks(comparison: Comparison) -> Iterator[Check]:
    runs = comparison.runs
    unfinished = [run for run in runs if not run.facts.finished]
    if unfinished:
        yield Check(False, f"Not trained to the end yet: {named(comparison, unfinished)}.")
    elif len(runs) > 1:
        yield Check(True, "All runs were trained to the end.")
    rebuilt = [run for run in runs if run.evaluation.reconstruction]
    if rebuilt:
        yield Check(
            False,
            f"Reconstructed, since no source gives their widths: {named(comparison, rebuilt)}.",
        )
    narrow = [run for run in runs if run.evaluation.width != 1]
    if narrow:
        yield Check(False, f"Not of the paper's width: {named(comparison, narrow)}.")
    guessing = [run for run in runs if not _beats_chance(run)]
    if guessing:
        yield Check(False, f"Not clearly better than a guess: {named(comparison, guessing)}.")
    else:
        least = min(runs, key=_lead)
        who = "Every network" if len(runs) > 1 else least.name
        yield Check(
            True,
            f"{who} beats a guess: {'the least, ' + least.name + ', has ' if len(runs) > 1 else ''}"
            f"{_score(least)} % mean accuracy over labels where chance has "
            f"{percent(chance(least.evaluation))} %.",
        )
    coarse = [
        run
        for run in runs
        if (of := run.evaluation.test.crystal)
        and any(0 < (work.chosen_on or ALMOST_NONE) < ALMOST_NONE for work in of.workload)
    ]
    if coarse:
        yield Check(
            False,
            f"Fewer than {ALMOST_NONE} crystals in validation: {named(comparison, coarse)}. "
            "Thresholds for 99 % and 99.9 % of the crystals mean nearly all of these few.",
        )


def _drawn(comparison: Comparison) -> str:
    drawn, images = 0, 0
    for data in comparison.datasets:
        drawn += data.origins.get("drawn", 0)
        images += sum(data.origins.values())
    if not drawn:
        return (
            "A network learnt from plates that a program drew. The numbers say what that is worth "
            "on these images, and nothing of a network that learnt from micrographs."
        )
    share = f" ({drawn:,} of {images:,} images)" if 0 < drawn < images else ""
    return (
        f"The plates were drawn by a program{share}. The numbers show that the software works; "
        "they say nothing about micrographs."
    )


def _elsewhere(run: NamedRun) -> bool:
    return run.evaluation.trained_on.digest != run.evaluation.evaluated_on.digest


def _scarce(comparison: Comparison) -> list[str]:
    """Returns labels with few test images, each with how many; without any is not among them."""
    found: dict[str, int] = {}
    for run in comparison.runs:
        of = run.evaluation
        for label, images in zip(of.labels, of.test.images_per_label, strict=True):
            if images < FEW:
                found[label] = min(images, found.get(label, images))
    return [f"{cut(label, 40)} ({images})" for label, images in found.items()]


def _beats_chance(run: NamedRun) -> bool:
    mean = run.evaluation.test.views["balanced"].macro_recall
    if mean is None:
        return False
    return (mean.value if mean.low is None else mean.low) > chance(run.evaluation)


def _lead(run: NamedRun) -> float:
    mean = run.evaluation.test.views["balanced"].macro_recall
    return (mean.value if mean else 0.0) - chance(run.evaluation)


def _score(run: NamedRun) -> str:
    mean = run.evaluation.test.views["balanced"].macro_recall
    return percent(mean.value) if mean else "no"


def _data_table(comparison: Comparison) -> Table:
    columns = (
        Column("Evaluated on", "evaluated_on", Unit.TEXT),
        Column("Plates", "plates", Unit.TEXT),
        Column("Test split", "test", Unit.TEXT),
        Column("Trained on", "trained_on", Unit.TEXT),
        Column("Digest of the records", "digest", Unit.TEXT),
    )
    rows = []
    for run in comparison.runs:
        of = run.evaluation
        same = not _elsewhere(run)
        values = (
            of.evaluated_on.title,
            "drawn" if of.drawn else plates(run),
            size_phrase(of),
            "the same" if same else of.trained_on.title,
            of.evaluated_on.digest[:12],
        )
        rows.append(Row(run.name, values, (f"data {run.mark}",) if run.mark else ()))
    shown = _merged(rows)
    return Table("data", "Data of each run", "Run", columns, shown)


def plates(run: NamedRun) -> str:
    """Returns where a run's images are from, as far as its dataset says."""
    return ", ".join(run.evaluation.evaluated_on.origins) or "not stated"


def _merged(rows: list[Row]) -> tuple[Row, ...]:
    """Returns one row for all runs if they say the same."""
    if len(rows) > 1 and len({row.values for row in rows}) == 1:
        return (Row(f"All {len(rows)} runs", rows[0].values),)
    return tuple(rows)
