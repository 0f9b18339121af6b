"""A table as a value; the page, the Markdown and the CSV files show the same one."""

import csv
import dataclasses
import enum
import io
from collections.abc import Callable, Sequence

from trainer.report import wording
from trainer.report.facts import Interval

Value = Interval | float | str | None
_LONGEST = 300  # characters of a cell or a caption in Markdown
_MARKUP = frozenset("\\`*_[]|<>#~$&")  # what Markdown would take for its own
_SHORT = 10  # characters of a heading of which four find room on a telephone


class Unit(enum.Enum):
    """How the values of a column read."""

    SHARE = "percent"  # 0 to 1, shown in per cent
    PERCENT = "percent as it is"
    RATIO = "ratio"  # 0 to 1, shown as it is
    NUMBER = "number"
    COUNT = "count"
    TEXT = "text"


@dataclasses.dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: its heading.
        key: its name in CSV files.
        unit: how its values read.
        digits: behind the point.
        group: what it belongs to; columns of one group stand together.
        paper: whether its numbers are the paper's.
        crystal: whether it is of a crystal label.
        short: its heading where there is no room for its group's; "" for both together.
    """

    name: str
    key: str
    unit: Unit = Unit.SHARE
    digits: int = 1
    group: str = ""
    paper: bool = False
    crystal: bool = False
    short: str = ""

    @property
    def card(self) -> str:
        """Its heading where there is no room for one of its group."""
        return self.short or f"{self.group.removesuffix(', %')} {self.name}".strip()


@dataclasses.dataclass(frozen=True)
class Row:
    """A row: its heading, what marks it, and a value a column.

    Attributes:
        name: its heading.
        values: one a column.
        marks: short remarks on it, such as "reconstruction".
        crystal: whether it is of a crystal label.
        paper: whether its numbers are the paper's.
        foot: whether it sums up the others.
    """

    name: str
    values: tuple[Value, ...]
    marks: tuple[str, ...] = ()
    crystal: bool = False
    paper: bool = False
    foot: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        key: its name, as in names of files.
        caption: what it shows, on which data.
        corner: heading of the column of row headings.
        columns: the others.
        rows: from top to bottom.
        wide: whether it may need more width than a page has.
    """

    key: str
    caption: str
    corner: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    wide: bool = False

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.values) != len(self.columns):
                raise ValueError(
                    f"table {self.key}: {len(row.values)} values in a row "
                    f"of {len(self.columns)} columns"
                )

    @property
    def groups(self) -> list[tuple[str, int, bool]]:
        """Name, number of columns and paper's or not of each group, from left to right."""
        runs: list[tuple[str, int, bool]] = []
        for column in self.columns:
            if runs and runs[-1][0] == column.group:
                runs[-1] = (column.group, runs[-1][1] + 1, column.paper)
            else:
                runs.append((column.group, 1, column.paper))
        return runs

    @property
    def across(self) -> int:
        """How many values stand side by side where there is room for a few."""
        if len(self.columns) <= 3:
            return max(1, len(self.columns))
        if self.down:
            return len(self.groups)
        longest = max(len(column.name) for column in self.columns)
        return 4 if longest <= _SHORT else 2

    @property
    def down(self) -> int:
        """How many values of a group stand one below the other there; 0: they do not."""
        sizes = {size for _, size, _ in self.groups}
        paper = any(column.paper for column in self.columns)
        return 0 if paper or len(self.groups) == 1 or len(sizes) > 1 else sizes.pop()

    def where(self, wanted: Callable[[Column], bool], *, key: str, caption: str) -> "Table":
        """Returns a table of some of the columns."""
        chosen = [number for number, column in enumerate(self.columns) if wanted(column)]
        return dataclasses.replace(
            self,
            key=key,
            caption=caption,
            columns=tuple(self.columns[number] for number in chosen),
            rows=tuple(
                dataclasses.replace(row, values=tuple(row.values[number] for number in chosen))
                for row in self.rows
            ),
        )


def shown(value: Value, column: Column) -> tuple[str, str]:
    """Returns a value as a person reads it, and its interval, which may be ""."""
    if value is None:
        return wording.NOTHING, ""
    if isinstance(value, str):
        return value, ""
    if not isinstance(value, Interval):
        return _number(value, column), ""
    if value.low is None or value.high is None:
        return _number(value.value, column), ""
    ends = wording.span(_number(value.low, column), _number(value.high, column))
    return _number(value.value, column), ends


def _number(value: float, column: Column) -> str:
    if column.unit is Unit.SHARE:
        return wording.percent(value, column.digits)
    if column.unit is Unit.RATIO:
        return wording.ratio(value, column.digits)
    if column.unit is Unit.COUNT:
        return wording.count(value)
    return f"{value:.{column.digits}f}"


def markdown(table: Table) -> str:
    """Returns a table in GitHub's Markdown."""
    heads = [
        f"{column.name} (paper)" if column.paper else column.name if column.short else column.card
        for column in table.columns
    ]
    lines = [
        f"**{escaped(wording.cut(table.caption, _LONGEST))}**",
        "",
        _line([table.corner, *heads]),
        "|---|" + "---:|" * len(heads),
    ]
    for row in table.rows:
        name = row.name + (f" ({', '.join(row.marks)})" if row.marks else "")
        cells = []
        for value, column in zip(row.values, table.columns, strict=True):
            number, ends = shown(value, column)
            cells.append(f"{number} ({ends})" if ends else number)
        lines.append(_line([name, *cells]))
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(escaped(wording.cut(cell, _LONGEST)) for cell in cells)} |"


def escaped(text: str) -> str:
    """Returns a text as Markdown shows it: nothing in it is markup, links or HTML."""
    return "".join(
        f"\\{character}" if character in _MARKUP else character
        for character in wording.visible(text)
    )


def comma_separated(table: Table, facts: Sequence[tuple[str, str]]) -> str:
    """Returns a table as CSV, shares as numbers from 0 to 1.

    Args:
        table: the table; a value with an interval takes three columns.
        facts: name and value of columns that every row begins with, so that no row can be
            taken from its context.
    """
    widths = [_has_interval(table, number) for number in range(len(table.columns))]
    head = [key for key, _ in facts] + [table.corner.casefold().replace(" ", "_"), "remarks"]
    for column, wide in zip(table.columns, widths, strict=True):
        head += [column.key, f"{column.key}_low", f"{column.key}_high"] if wide else [column.key]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    for row in table.rows:
        cells: list[str] = [value for _, value in facts] + [row.name, "; ".join(row.marks)]
        for value, wide in zip(row.values, widths, strict=True):
            cells += _cells(value, wide)
        writer.writerow(cells)
    return text.getvalue()


def _has_interval(table: Table, number: int) -> bool:
    return any(isinstance(row.values[number], Interval) for row in table.rows)


def _cells(value: Value, wide: bool) -> list[str]:
    if isinstance(value, Interval):
        return [_exact(value.value), _exact(value.low), _exact(value.high)]
    return [value if isinstance(value, str) else _exact(value), *([""] * 2 if wide else [])]


def _exact(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
