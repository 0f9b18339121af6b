"""Pictures that stand in two splits, and what would mend that."""

from collections.abc import Sequence

from pipeline.leaks import EXACT, LABEL_CONFLICT, NEAR, Leak
from pipeline.report import wording
from pipeline.report.facts import ReportFacts
from pipeline.report.markup import Html, element, given, joined, table
from schemas.dataset import LEAKS_FILE

_MOST_ROWS = 200
_SHOWN = {EXACT: "exact duplicate", NEAR: "near-duplicate", LABEL_CONFLICT: "label conflict"}


def leaks_section(facts: ReportFacts) -> Html:
    """Returns the leaks and the label conflicts, one by one."""
    parts = [element("p", _summary(facts.leaks))]
    if facts.leaks:
        parts += [element("p", _to_do(), class_="note"), *_list(facts.leaks)]
    copies = facts.metadata.get("leaks", {}).get("copies_within_splits", 0)
    if copies:
        text = f"{wording.count(copies, 'image')} of a split and label are exact copies of another."
        parts.append(element("p", text))
    return element("section", element("h2", "Leaks"), *parts, id="leaks")


def parted(leaks: Sequence[Leak], kind: str) -> int:
    """Returns how many of a kind of leak stand in two splits."""
    return sum(leak.kind == kind and leak.split != leak.other_split for leak in leaks)


def conflicts(leaks: Sequence[Leak]) -> int:
    """Returns how many exact duplicates have different labels."""
    return sum(leak.kind == LABEL_CONFLICT for leak in leaks)


def _summary(leaks: Sequence[Leak]) -> str:
    if not leaks:
        return "No image has a duplicate in another split, and no duplicate has another label."
    found = (
        (parted(leaks, EXACT), "exact duplicate", "across splits"),
        (parted(leaks, NEAR), "near-duplicate", "across splits"),
        (conflicts(leaks), "exact duplicate", "with different labels"),
    )
    return "; ".join(f"{wording.count(count, name)} {where}" for count, name, where in found) + "."


def _to_do() -> str:
    return (
        "An image that is trained on and tested on makes the test look better than it is. "
        "Where a group is named under Mend, give it to all images of both groups in the "
        "manifest and build again. Near-duplicates are alike, but need not be the same drop: "
        "look before you mend."
    )


def _list(leaks: Sequence[Leak]) -> list[Html]:
    shown = leaks[:_MOST_ROWS]
    head = ("Image", "Other image", "What", "Mend")
    parts = [
        element("div", table("Leaks, one by one", head, map(_row, shown)), class_="listed"),
    ]
    link = element("a", LEAKS_FILE, href=LEAKS_FILE)
    rest = wording.count(len(leaks) - len(shown))
    said = [f"{rest} more in ", link, "."] if len(leaks) > len(shown) else ["Also in ", link, "."]
    parts.append(element("p", joined(said), class_="note"))
    return parts


def _row(leak: Leak) -> tuple[Html, ...]:
    bits = f"{wording.count(leak.distance, 'bit')} of 256" if leak.kind == NEAR else ""
    return (
        _image(leak.image_id, leak.split, leak.label, leak.group),
        _image(leak.other_image_id, leak.other_split, leak.other_label, leak.other_group),
        joined([_SHOWN[leak.kind], element("small", bits)]),
        given(leak.mend) if leak.mend else joined(["–"]),
    )


def _image(image_id: str, split: str, label: str, group: str) -> Html:
    where = [f"{split}, ", given(label), ", group ", given(group)]
    return joined([given(image_id), element("small", *where)])
