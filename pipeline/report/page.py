"""The page: a head that lets nothing in or out, then the sections."""

import importlib.resources

from pipeline.report import wording
from pipeline.report.balance import balance_section
from pipeline.report.checks import checks_section
from pipeline.report.facts import ReportFacts, labels_of, splits_of
from pipeline.report.leaks import leaks_section
from pipeline.report.markup import Html, element, given
from pipeline.report.origin import loading_section, origin_section, timing_section
from pipeline.report.pictures import pictures_section
from pipeline.report.rejects import rejects_section

# No script, no font, no link is followed: the page is what it holds.
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)

_CONTENTS = (
    ("checks", "Is it right?"),
    ("balance", "Class balance"),
    ("pictures", "Contact sheet"),
    ("rejects", "Rejects"),
    ("leaks", "Leaks"),
    ("load", "Load it"),
    ("origin", "What it was built from"),
    ("timing", "Timing"),
)


def report_html(facts: ReportFacts) -> str:
    """Returns the page of a version, whole in itself: one file, no script, no network.

    Equal facts give equal pages. Whatever the facts hold is shown as text.
    """
    sections = (
        checks_section(facts),
        balance_section(facts),
        pictures_section(facts),
        rejects_section(facts),
        leaks_section(facts),
        loading_section(facts),
        origin_section(facts),
        timing_section(facts),
    )
    body = element("body", _header(facts), _contents(), element("main", *sections))
    return "<!doctype html>\n" + element("html", _head(facts), body, lang="en") + "\n"


def _head(facts: ReportFacts) -> Html:
    title = f"{facts.metadata['name']} {facts.metadata['version']}: dataset report"
    style = importlib.resources.files("pipeline.report").joinpath("page.css")
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("link", rel="icon", href="data:,"),  # or a browser asks a server for one
        element("title", title),
        element("style", Html(style.read_text(encoding="utf-8"))),
    )


def _contents() -> Html:
    links = (element("li", element("a", name, href=f"#{key}")) for key, name in _CONTENTS)
    return element("nav", element("ul", *links), aria_label="Contents")


def _header(facts: ReportFacts) -> Html:
    metadata = facts.metadata
    parent = metadata["parent"]
    made = [
        "Made ",
        given(wording.moment(metadata["created"])),
        *((" from ", given(parent)) if parent else (", the first version",)),
        ", by release ",
        given(metadata["tool_version"]),
        " of the pipeline.",
    ]
    return element(
        "header",
        element("p", "Dataset report", class_="kind"),
        element(
            "h1",
            given(metadata["name"]),
            " ",
            element("span", given(metadata["version"]), class_="version"),
        ),
        element("p", *made, class_="note"),
        _headline(facts),
    )


def _headline(facts: ReportFacts) -> Html:
    splits = splits_of(facts.metadata)
    images = sum(sum(split.images) for split in splits)
    records = sum(sum(split.records) for split in splits)
    shards = wording.count(len(facts.metadata["shards"]), "shard")
    numbers = (
        (wording.count(images), f"images in {wording.count(len(splits), 'split')}"),
        (wording.count(records), "records"),
        (wording.count(len(labels_of(facts.metadata))), "labels"),
        (wording.count(len(facts.rejects)), "rejects"),
        (wording.size(facts.metadata["bytes"]), f"in {shards}"),
    )
    pairs = (element("div", element("dt", name), element("dd", number)) for number, name in numbers)
    return element("dl", *pairs, class_="headline")
