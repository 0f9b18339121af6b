"""What a report is made of: sections of blocks, which the page and the Markdown both show."""

import dataclasses
from collections.abc import Iterator

from trainer.report.table import Table


@dataclasses.dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclasses.dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Check:
    """Something to know before reading on: fine ("good"), or to be looked at ("look")."""

    good: bool
    text: str


@dataclasses.dataclass(frozen=True)
class Checks:
    """A list of checks."""

    items: tuple[Check, ...]


@dataclasses.dataclass(frozen=True)
class Figure:
    """A picture.

    Attributes:
        key: its name, as in names of files.
        caption: what it shows, on which data.
        alt: what it shows, for those who cannot see it.
        svg: the picture as an SVG document of its own.
    """

    key: str
    caption: str
    alt: str
    svg: str


@dataclasses.dataclass(frozen=True)
class Figures:
    """Pictures side by side, where there is room."""

    items: tuple[Figure, ...]


Block = Text | Bullets | Checks | Table | Figures


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes:
        key: its name in links.
        title: its heading.
        short: its name in the list of contents.
        blocks: what it shows, from top to bottom.
        files: tables to write as CSV, each whole, where the page shows it in parts.
    """

    key: str
    title: str
    short: str
    blocks: tuple[Block, ...]
    files: tuple[Table, ...] = ()

    def figures(self) -> Iterator[Figure]:
        """Gives every picture."""
        for block in self.blocks:
            if isinstance(block, Figures):
                yield from block.items
