"""Writes a report: the page, the Markdown, the pictures and the CSV files."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from schemas.atomic import write_atomic
from trainer.report.comparison import Comparison, compare
from trainer.report.document import Document, make_document
from trainer.report.facts import RunFacts
from trainer.report.page import page_html
from trainer.report.section import Block, Bullets, Checks, Figure, Figures, Text
from trainer.report.table import Table, comma_separated, escaped, markdown

PAGE, TEXT, PICTURES = "report.html", "report.md", "figures"
LISTING = "files.txt"  # what a report wrote, for the next one into its folder


def write_report(runs: Sequence[RunFacts], out: Path) -> list[Path]:
    """Writes the report of runs into a folder and returns its files, the page first.

    An earlier report there is replaced, whole; other files in the folder stay.

    Raises:
        UsageError: if there is no run, or one twice.
        OSError: if a file cannot be written.
    """
    comparison = compare(runs)
    document = make_document(comparison)
    contents = {
        PAGE: page_html(document),
        TEXT: report_markdown(document),
        **_tables(document, comparison),
        **{f"{PICTURES}/{figure.key}.svg": figure.svg for figure in _pictures(document)},
    }
    (out / PICTURES).mkdir(parents=True, exist_ok=True)
    for old in _listed(out) - contents.keys():
        (out / old).unlink(missing_ok=True)
    contents[LISTING] = "".join(f"{name}\n" for name in contents)
    for name, content in contents.items():
        write_atomic(out / name, content, durable=False)
    return [out / name for name in contents]


def _listed(out: Path) -> set[str]:
    """Returns the files of an earlier report in a folder, relative to it."""
    listing = out / LISTING
    if not listing.is_file():
        return set()
    names = listing.read_text(encoding="utf-8").splitlines()
    known = re.compile(rf"[\w.-]+|{PICTURES}/[\w.-]+")  # whatever the list says, no other folder
    return {name for name in names if known.fullmatch(name)}


def report_markdown(document: Document) -> str:
    """Returns a report as Markdown; pictures are links to the folder `figures`."""
    parts = [f"# {escaped(document.title)}\n"]
    if document.warning:
        parts.append(f"> **Drawn plates.** {escaped(document.warning)}\n")
    headlines = "\n".join(
        f"- **{escaped(of.number)}** {escaped(of.meaning)}" for of in document.headlines
    )
    parts.append(f"{escaped(document.lead)}\n\n{headlines}\n")
    for section in document.sections:
        parts.append(f"## {section.title}\n")
        parts += [_block(block) for block in section.blocks]
    return "\n".join(parts)


def _block(block: Block) -> str:
    if isinstance(block, Text):
        return f"{escaped(block.text)}\n"
    if isinstance(block, Bullets):
        return "".join(f"- {escaped(item)}\n" for item in block.items)
    if isinstance(block, Checks):
        return "".join(
            f"- **{'good' if check.good else 'look'}**: {escaped(check.text)}\n"
            for check in block.items
        )
    if isinstance(block, Figures):
        return "\n".join(
            f"![{escaped(figure.caption)}]({PICTURES}/{figure.key}.svg)\n" for figure in block.items
        )
    return markdown(block)


def _pictures(document: Document) -> Iterator[Figure]:
    for section in document.sections:
        yield from section.figures()


def _tables(document: Document, comparison: Comparison) -> dict[str, str]:
    """Returns the CSV files by name; every row says of which data it is."""
    facts = [
        ("plates", "drawn" if comparison.drawn else "not drawn"),
        ("data", "; ".join(data.title for data in comparison.datasets)),
    ]
    tables: list[Table] = [table for section in document.sections for table in section.files]
    return {f"{table.key}.csv": comma_separated(table, facts) for table in tables}
