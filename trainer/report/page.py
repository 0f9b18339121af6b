"""The page: one file, no script, no network; it reads in light, in the dark and on paper."""

from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from trainer.report import wording
from trainer.report.document import Document
from trainer.report.section import Block, Bullets, Checks, Figure, Figures, Text
from trainer.report.svg import inline
from trainer.report.table import shown

_FOLDER = Path(__file__).parent
# No script, no font, no link is followed: the page is what it holds.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
_KINDS = {Text: "text", Bullets: "bullets", Checks: "checks", Figures: "figures"}


def page_html(document: Document) -> str:
    """Returns the page of a report. Whatever the report holds is shown as text."""
    page = (
        _environment()
        .get_template("page.html")
        .render(
            document=document,
            policy=_POLICY,
            style=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),  # noqa: S704 - ours
        )
    )
    return page + "\n"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.globals.update(kind=_kind, shown=shown, picture=_picture)
    environment.filters["cut"] = wording.cut
    return environment


def _printable(value: Any) -> Any:
    """Returns what an expression prints: no character of a text acts on those beside it."""
    return value if isinstance(value, Markup) else wording.visible(str(value))


def _kind(block: Block) -> str:
    return _KINDS.get(type(block), "table")


def _picture(figure: Figure) -> Markup:
    return Markup(inline(figure.svg, figure.key, figure.alt))  # noqa: S704 - to_svg wrote it
