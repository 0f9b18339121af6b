"""What commands tell a person: plans and summaries as text."""

import collections
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.change import Change
from pipeline.difference import Difference
from pipeline.plan import DatasetPlan
from pipeline.progress import duration
from schemas.dataset import LEAKS_FILE, REJECTS_FILE, REPORT_FILE, version_text

_MOST_RELABELLED = 10  # kinds of correction shown


def size_text(size: float) -> str:
    """Returns a size for a person.

    >>> size_text(22_400_000_000), size_text(512)
    ('22.4 GB', '0.5 kB')
    """
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size / 1e3:.1f} kB"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table: first column left, others right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def plan_text(change: Change, *, cores: int) -> str:
    """Returns what a build would do."""
    plan = change.plan
    parts = [_label_table(plan)]
    parts += [f"note: {note}" for note in _notes(plan)]
    if change.latest and change.difference and not change.nothing:
        parts += _difference_lines(change, change.difference)
    parts.append(_shards_line(change, cores))
    return "\n".join(parts)


def _difference_lines(change: Change, difference: Difference) -> list[str]:
    lines = [f"since version {change.latest_metadata['version']}:"]
    if difference.relabelled:
        lines.append(f"  {sum(difference.relabelled.values()):,} images relabelled")
    shown = list(difference.relabelled.items())[:_MOST_RELABELLED]
    lines += [f"    {before} -> {now}: {count:,}" for (before, now), count in shown]
    for count, what in (
        (difference.added, "images added"),
        (difference.removed, "images removed"),
        (difference.touched, "images whose file changed or was touched"),
        (difference.copies_gained, "copies gained"),
        (difference.copies_lost, "copies lost"),
    ):
        if count:
            lines.append(f"  {count:,} {what}")
    if change.latest_metadata["recipe_digest"] != change.plan.recipe.digest():
        lines.append("  another recipe")
    return lines if len(lines) > 1 else [*lines, "  nothing, but shards are gone or damaged"]


def _label_table(plan: DatasetPlan) -> str:
    records = plan.records()
    header = ["label"]
    for split in plan.counts:
        header += [f"{split} images", "copies", "records"]
    rows = []
    for index, name in enumerate(plan.recipe.labels.names):
        row = [name + (" *" if name in plan.recipe.labels.crystal_names else "")]
        for split, counts in plan.counts.items():
            quota = plan.quotas.by_split[split][index]
            row += [f"{counts[index]:,}", f"{quota:.2f}", f"{records[split][index]:,}"]
        rows.append(row)
    total = ["all (* crystals)"]
    for split, counts in plan.counts.items():
        total += [f"{sum(counts):,}", "", f"{sum(records[split]):,}"]
    return _table(header, [*rows, total])


def _notes(plan: DatasetPlan) -> list[str]:
    """Returns what a person should know of the balance."""
    names = plan.recipe.labels.names
    notes = [
        f"{names[label]!r} is kept from balance in {split} by --max-copies"
        for split, label in plan.quotas.capped
    ]
    for split, counts in plan.counts.items():
        absent = [name for name, count in zip(names, counts, strict=True) if not count]
        if absent:
            notes.append(f"{split} has no image of {', '.join(map(repr, absent))}")
    missing = [split for split in ("train", "validation", "test") if split not in plan.counts]
    if missing:
        notes.append(f"no image falls into {' or '.join(missing)}")
    return notes


def _shards_line(change: Change, cores: int) -> str:
    total, work = len(change.plan.shards), change.work
    if change.latest and change.nothing:
        return f"up to date: {total} shards, as in version {version_text(change.latest)}"
    return (
        f"shards: {len(change.missing)} to write, {total - len(change.missing)} to keep; "
        f"records: {work.records_to_render:,} to render of {work.sources:,} images, "
        f"{work.records_to_reuse:,} to take over; {size_text(change.bytes)}, "
        f"about {duration(max(1.0, change.seconds(cores)))} on {cores} cores"
    )


def build_text(metadata: Mapping[str, Any], folder: Path, reject_reasons: Iterable[str]) -> str:
    """Returns the summary that closes a build."""
    labels = metadata["recipe"]["labels"]["names"]
    header = ["records", *metadata["records"]]
    rows = [
        [name, *(f"{numbers[index]:,}" for numbers in metadata["records"].values())]
        for index, name in enumerate(labels)
    ]
    rows.append(["all", *(f"{sum(numbers):,}" for numbers in metadata["records"].values())])
    images = sum(map(sum, metadata["images"].values()))
    records = sum(map(sum, metadata["records"].values()))
    build = metadata["build"]
    reasons = collections.Counter(reject_reasons)
    rejects = "no rejects"
    if reasons:
        found = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        rejects = f"{reasons.total()} rejects ({found}; see {folder / REJECTS_FILE})"
    return "\n".join(
        (
            _table(header, rows),
            f"version {metadata['version']}: {images:,} images, {records:,} records, "
            f"{size_text(metadata['bytes'])}, {rejects}",
            f"{build['images_opened']:,} images opened, {build['records_rendered']:,} records "
            f"rendered, {build['shards_written']} shards written, {build['shards_kept']} kept, "
            f"in {duration(build['seconds'])}",
            _leaks_line(metadata["leaks"], folder),
            f"report: {folder / REPORT_FILE}",
            f'load it: tensorflow_datasets.builder_from_directory("{folder}").as_dataset()',
        )
    )


def _leaks_line(counts: Mapping[str, int], folder: Path) -> str:
    leaks, conflicts = counts["exact"] + counts["near"], counts["label_conflicts"]
    if not leaks + conflicts:
        return "no leaks between splits, no label conflicts"
    return (
        f"{leaks:,} leak{'s' if leaks != 1 else ''} ({counts['exact']:,} exact, "
        f"{counts['near']:,} near), {conflicts:,} label conflict{'s' if conflicts != 1 else ''}: "
        f"see {folder / LEAKS_FILE}"
    )
