"""What a person should look at first: each promise of a version, and whether it holds."""

import collections
import dataclasses
from collections.abc import Iterator, Sequence

from pipeline.leaks import EXACT, NEAR
from pipeline.report import wording
from pipeline.report.facts import SNAP_RATIO, Label, ReportFacts, SplitNumbers, labels_of, splits_of
from pipeline.report.leaks import conflicts, parted
from pipeline.report.markup import Html, element, given, joined


@dataclasses.dataclass(frozen=True)
class Check:
    """Something that was checked.

    Attributes:
        good: whether all is as it should be; if not, a person has to judge.
        text: what was found.
    """

    good: bool
    text: Html


def find_checks(facts: ReportFacts) -> list[Check]:
    """Returns what was checked, in the order of the page."""
    labels, splits = labels_of(facts.metadata), splits_of(facts.metadata)
    return [
        _conservation(facts, labels, splits),
        *_rejects(facts, splits),
        *_leaks(facts),
        *(check for split in splits for check in _balance(split, labels)),
        *_labels(labels, splits),
    ]


def checks_section(facts: ReportFacts) -> Html:
    """Returns the list of what was checked, what needs a look first."""
    checks = sorted(find_checks(facts), key=lambda check: check.good)
    items = (
        element(
            "li",
            element("span", "good" if check.good else "look", class_="badge"),
            element("span", check.text),
            class_="good" if check.good else "look",
        )
        for check in checks
    )
    heading = element("h2", "Is it right?")
    return element("section", heading, element("ul", *items, class_="checks"), id="checks")


def _conservation(
    facts: ReportFacts, labels: Sequence[Label], splits: Sequence[SplitNumbers]
) -> Check:
    rejects = collections.Counter((split, label) for _, _, label, split, *_ in facts.rejects)
    lost = [
        (split.name, label.name)
        for split in splits
        for label, planned, images in zip(labels, split.planned, split.images, strict=True)
        if planned != images + rejects[split.name, label.name]
    ]
    planned = wording.count(sum(sum(split.planned) for split in splits), "image")
    used = wording.count(sum(sum(split.images) for split in splits))
    sum_text = f"{planned} in the manifest = {used} with records + {len(facts.rejects):,} rejects"
    if not lost:
        return Check(True, joined([f"{sum_text}, in every split and label."]))
    (split_name, label_name), *more = lost
    others = f" and {len(more)} more" if more else ""
    where = joined([": it fails for ", given(label_name), f" of {split_name}{others}."])
    return Check(False, joined([f"Wanted {sum_text}", where]))


def _rejects(facts: ReportFacts, splits: Sequence[SplitNumbers]) -> Iterator[Check]:
    if facts.rejects:
        planned = sum(sum(split.planned) for split in splits)
        share = wording.percent(len(facts.rejects) / max(1, planned))
        rejects = wording.count(len(facts.rejects), "image")
        link = element("a", "listed below", href="#rejects")
        yield Check(False, joined([f"{rejects} ({share}) could not be used: ", link, "."]))


def _leaks(facts: ReportFacts) -> Iterator[Check]:
    link = element("a", "listed below", href="#leaks")
    exact, near = parted(facts.leaks, EXACT), parted(facts.leaks, NEAR)
    if exact or near:
        found = (
            f"{wording.count(exact, 'exact duplicate')} and {wording.count(near, 'near-duplicate')}"
        )
        yield Check(False, joined([f"{found} stand in two splits: ", link, "."]))
    else:
        yield Check(True, joined(["No image has a duplicate in another split that was found."]))
    if conflicting := conflicts(facts.leaks):
        pairs = wording.count(conflicting, "exact duplicate")
        yield Check(False, joined([f"{pairs} with different labels: ", link, "."]))


def _balance(split: SplitNumbers, labels: Sequence[Label]) -> Iterator[Check]:
    if not split.balanced:
        yield Check(True, joined([f"{split.name}: not balanced, as the recipe says."]))
    elif split.extremes is not None and split.ratio is not None:
        most, fewest = (labels[label].name for label in split.extremes)
        if split.ratio <= split.expected_ratio:
            how = "balanced" if split.ratio <= SNAP_RATIO else "as balanced as so few images can be"
            found = f"{split.name}: {how}, largest over smallest label {split.ratio:.3f}."
            yield Check(True, joined([found]))
        else:
            parts = [
                f"{split.name}: ",
                given(most),
                f" has {split.ratio:.2f} times the records of ",
                given(fewest),
                f"; up to {split.expected_ratio:.2f} times would be balanced.",
            ]
            yield Check(False, joined(parts))


def _labels(labels: Sequence[Label], splits: Sequence[SplitNumbers]) -> Iterator[Check]:
    kinds = (
        ("No usable image of ", [(split.name, split.without_images) for split in splits]),
        ("--max-copies keeps from balance: ", [(split.name, split.capped) for split in splits]),
    )
    for said, found in kinds:
        where = {
            label.name: [split for split, indices in found if index in indices]
            for index, label in enumerate(labels)
        }
        names = [
            joined([given(name), f" ({', '.join(split_names)})"])
            for name, split_names in where.items()
            if split_names
        ]
        if names:
            yield Check(False, joined([said, joined(names, ", "), "."]))
