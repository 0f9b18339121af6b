"""Tables: the lines of a CSV file or the rows of a Parquet file, as cells by column."""

import collections
import csv
import io
from collections.abc import Collection, Iterator, Sequence
from typing import BinaryIO

PARQUET_MAGIC = b"PAR1"

Cells = dict[str, str] | str  # cells by column, or what is wrong with the line


class BadTable(Exception):
    """A table that cannot be read at all.

    Attributes:
        line: where that shows, from 1.
        message: what is wrong and what was wanted.
    """

    def __init__(self, line: int, message: str):
        super().__init__(message)
        self.line = line
        self.message = message


def read_table(
    stream: BinaryIO, *, columns: Collection[str], required: Sequence[str]
) -> Iterator[tuple[int, Cells]]:
    """Gives (line, cells) of each line below the header that is not blank.

    A row's line is the one where it begins, though quoted cells may go over many. In
    Parquet files it is the number of the row, from 1. Bytes that are no UTF-8 come as
    lone surrogates, so that they can be reported where they stand.

    Args:
        stream: the file, seekable; Parquet is told by its first four bytes.
        columns: columns of interest; others may be left out of the cells.
        required: those that must be there.

    Raises:
        BadTable: if there is no table, or a required column is missing.
    """
    start = stream.read(len(PARQUET_MAGIC))
    stream.seek(0)
    if start == PARQUET_MAGIC:
        return _read_parquet(stream, columns, required)
    return _read_csv(stream, columns, required)


def short(text: str, most: int = 60) -> str:
    """Returns a text from a file, quoted, cut, and safe to print."""
    cut = text if len(text) <= most else text[: most - 3] + "..."
    return repr(cut)


def _read_csv(
    stream: BinaryIO, columns: Collection[str], required: Sequence[str]
) -> Iterator[tuple[int, Cells]]:
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(text, strict=True)
    header: list[str] | None = None
    try:
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                if header is None:
                    raise BadTable(line, f"the header is {_csv_fault(error)}") from error
                yield line, _csv_fault(error)
                continue
            if cells is None:
                break
            if not any(cell.strip() for cell in cells):
                continue  # blank, or what spreadsheets leave below a table: commas alone
            if header is None:
                header = _header(cells, line, columns, required)
            elif len(cells) != len(header):
                yield line, f"{len(cells)} cells, but the header has {len(header)} columns"
            else:
                yield line, dict(zip(header, cells, strict=True))
    finally:
        text.detach()  # else it would close the stream
    if header is None:
        raise BadTable(1, f"the file is empty; wanted a header with {' and '.join(required)}")


def _csv_fault(error: csv.Error) -> str:
    """Returns what is wrong with a line that is no CSV."""
    message = str(error)
    if message == "unexpected end of data":
        message = "a quoted cell begins here and never ends"
    elif message.startswith("field larger"):
        most = csv.field_size_limit()
        message = f"a cell has more than {most} characters; perhaps its quote is not closed"
    return f"no sound CSV: {message}"


def _header(
    cells: Sequence[str], line: int, columns: Collection[str], required: Sequence[str]
) -> list[str]:
    """Returns the names of the columns.

    Raises:
        BadTable: if a required one is missing, or one of interest stands there twice.
    """
    header = [cell.strip().lower() for cell in cells]
    missing = [column for column in required if column not in header]
    if missing:
        got = ", ".join(header)
        hint = "; columns are parted by commas" if len(header) == 1 else ""
        if any("\udc80" <= letter <= "\udcff" for letter in got):
            hint = "; it is not UTF-8, save it as UTF-8"
        raise BadTable(
            line, f"no column {' and no column '.join(missing)}; got: {short(got, 200)}{hint}"
        )
    twice = [c for c, count in collections.Counter(header).items() if c in columns and count > 1]
    if twice:
        raise BadTable(line, f"column {' and column '.join(twice)} stands there twice")
    return header


def _read_parquet(
    stream: BinaryIO, columns: Collection[str], required: Sequence[str]
) -> Iterator[tuple[int, Cells]]:
    import pyarrow  # noqa: PLC0415 - costs 0.2 CPU-s, and CSV is the rule
    import pyarrow.parquet  # noqa: PLC0415

    try:
        file = pyarrow.parquet.ParquetFile(stream)
        names = file.schema_arrow.names
        header = _header(names, 1, columns, required)
        wanted = [place for place, name in enumerate(header) if name in columns]
        row = 0
        for batch in file.iter_batches(8192, columns=[names[place] for place in wanted]):
            table = [_texts(batch.column(names[place])) for place in wanted]
            for cells in zip(*table, strict=True):
                row += 1
                yield row, dict(zip((header[place] for place in wanted), cells, strict=True))
    except OSError as error:
        if error.errno is not None:
            raise  # the system's word, not the file's
        raise BadTable(1, f"no sound Parquet file: {short(str(error), 200)}") from error
    except (pyarrow.ArrowException, ValueError, OverflowError) as error:
        raise BadTable(1, f"no sound Parquet file: {short(str(error), 200)}") from error


def _texts(column: "pyarrow.Array") -> list[str]:  # type: ignore[name-defined] # noqa: F821
    """Returns the values of a column as texts; a null is an empty one."""
    import pyarrow  # noqa: PLC0415

    if pyarrow.types.is_string(column.type) or pyarrow.types.is_large_string(column.type):
        column = column.cast(pyarrow.large_binary())  # so that bad UTF-8 comes through
    return [_text(value) for value in column.to_pylist()]


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    return str(value)
