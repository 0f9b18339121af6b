"""Images that could not be used, and why."""

import collections
from collections.abc import Sequence

from pipeline.report import wording
from pipeline.report.facts import ReportFacts
from pipeline.report.markup import Html, element, given, joined, measure, table
from schemas.dataset import REJECTS_FILE

_MOST_ROWS = 200
_LONGEST_MESSAGE = 300  # characters


def rejects_section(facts: ReportFacts) -> Html:
    """Returns the rejects: how many for each reason, then one by one."""
    planned = sum(map(sum, facts.metadata["planned_images"].values()))
    if not facts.rejects:
        parts = [element("p", "Every image of the manifest could be used.")]
    else:
        share = wording.percent(len(facts.rejects) / max(1, planned))
        total = wording.count(len(facts.rejects), "image")
        text = f"{total} of {planned:,} ({share}) could not be used and gave no record."
        parts = [element("p", text), _reasons(facts.rejects), *_list(facts.rejects)]
    return element("section", element("h2", "Rejects"), *parts, id="rejects")


def _reasons(rejects: Sequence[tuple[str, ...]]) -> Html:
    reasons = collections.Counter(reject[4] for reject in rejects)
    ordered = sorted(reasons.items(), key=lambda entry: (-entry[1], entry[0]))
    rows = (
        (given(reason), measure(wording.count(images), images / len(rejects)))
        for reason, images in ordered
    )
    return element("div", table("Rejects by reason", ("Reason", "Images"), rows), class_="reasons")


def _list(rejects: Sequence[tuple[str, ...]]) -> list[Html]:
    shown = rejects[:_MOST_ROWS]
    head = ("Image and source", "Label and split", "Reason")
    listed = table("Rejects, one by one", head, map(_row, shown))
    parts = [element("div", listed, class_="listed")]
    if len(rejects) > len(shown):
        link = element("a", REJECTS_FILE, href=REJECTS_FILE)
        rest = wording.count(len(rejects) - len(shown))
        parts.append(element("p", joined([f"{rest} more in ", link, "."]), class_="note"))
    return parts


def _row(reject: tuple[str, ...]) -> tuple[Html, ...]:
    image_id, uri, label, split, reason, message = reject
    return (
        joined([given(image_id), element("small", given(uri))]),
        joined([given(label), element("small", given(split))]),
        joined([given(reason), element("small", given(message, _LONGEST_MESSAGE))]),
    )
