"""Class balance: the images of each label, and the records made of them."""

from collections.abc import Sequence

from pipeline.report import wording
from pipeline.report.facts import (
    Label,
    ReportFacts,
    SplitNumbers,
    crystal_share,
    labels_of,
    splits_of,
)
from pipeline.report.markup import Html, element, given, joined, measure, table


def balance_section(facts: ReportFacts) -> Html:
    """Returns a table of images, copies and records by label for each split."""
    labels, splits = labels_of(facts.metadata), splits_of(facts.metadata)
    crystal = element("span", class_="diamond", aria_hidden="true")
    note = joined(
        [
            "Images as labelled, expected copies of each, and records after augmentation. "
            "The longest bar of a column is its largest label; ",
            crystal,
            element("span", "a diamond ", class_="spoken"),
            "marks crystal labels.",
        ]
    )
    return element(
        "section",
        element("h2", "Class balance"),
        _overview(splits, labels),
        element("p", note, class_="note"),
        element("div", *(_split(split, labels) for split in splits), class_="by-label"),
        id="balance",
    )


def label_name(label: Label) -> Html:
    """Returns the name of a label, marked if it means that there is a crystal."""
    if not label.crystal:
        return given(label.name)
    mark = element("span", class_="diamond", aria_hidden="true")
    spoken = element("span", " (crystal label)", class_="spoken")
    return joined([mark, given(label.name), spoken])


def _split(split: SplitNumbers, labels: Sequence[Label]) -> Html:
    rows = [_row(split, labels, index) for index in range(len(labels))]
    foot = (
        "all labels",
        wording.count(sum(split.images)),
        "",
        wording.count(sum(split.records)),
    )
    head = ("Label", "Images", "Copies", "Records")
    return element(
        "div",
        element("h3", split.name),
        table(f"Images and records of {split.name}, by label", head, rows, foot=foot),
        class_="split",
    )


def _overview(splits: Sequence[SplitNumbers], labels: Sequence[Label]) -> Html:
    """Returns a table with a column for each split, and images before records."""
    rows: list[tuple[str, ...]] = []
    for name, numbers in (
        ("images", [split.images for split in splits]),
        ("records", [split.records for split in splits]),
    ):
        shares = (wording.percent(crystal_share(of, labels)) for of in numbers)
        rows.append((name.capitalize(), *(wording.count(sum(of)) for of in numbers)))
        rows.append((f"Crystals among {name}", *shares))
        rows.append((f"Largest over smallest label, {name}", *map(_ratio, numbers)))
    rows.append(("Balanced by the recipe", *("yes" if s.balanced else "no" for s in splits)))
    rows.append(("Shards", *(wording.count(split.shards) for split in splits)))
    rows.append(("Size", *(wording.size(split.bytes) for split in splits)))
    head = ("Split", *(split.name for split in splits))
    return element("div", table("Splits", head, rows), class_="overview")


def _ratio(numbers: Sequence[int]) -> str:
    have = [number for number in numbers if number]
    return f"{max(have) / min(have):,.2f}" if have else "–"


def _row(split: SplitNumbers, labels: Sequence[Label], index: int) -> tuple[Html, ...]:
    label = labels[index]
    flags = []
    if index in split.capped:
        flags.append("capped")
    if not split.planned[index]:
        flags.append("no image")
    elif not split.images[index]:
        flags.append("all rejected")
    marks = (element("span", flag, class_="flag") for flag in flags)
    images, records = (
        measure(
            wording.count(numbers[index]),
            numbers[index] / max(1, *numbers),
            crystal=label.crystal,
        )
        for numbers in (split.images, split.records)
    )
    copies = wording.copies(split.quotas[index]) if split.planned[index] else "–"
    return joined([label_name(label), *marks]), images, joined([copies]), records
