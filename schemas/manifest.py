"""Manifests: which plates there are, and what experts say is on them.

A manifest is a CSV file (or a Parquet file with the same columns); DESIGN section 5.1.
"""

import collections
import csv
import dataclasses
import io
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import BinaryIO, TextIO

from schemas.labels import LabelSet
from schemas.recipe import SPLITS

COLUMNS = ("uri", "label", "image_id", "group", "split", "checksum")
REQUIRED = ("uri", "label")
_SPLIT_SPELLINGS = {name: name for name in SPLITS} | {"val": "validation", "valid": "validation"}
_PARQUET_MAGIC = b"PAR1"
_MOST_SHOWN = 20


@dataclasses.dataclass(frozen=True, slots=True)
class ManifestRow:
    """One image of a manifest.

    Attributes:
        image_id: its name, unique in the manifest.
        uri: where it lies, as the manifest says it.
        label: index in the label set.
        group: images of one group stay in one split.
        split: the split it is pinned to, or None.
        checksum: the manifest's word for the source's content, or None.
    """

    image_id: str
    uri: str
    label: int
    group: str
    split: str | None = None
    checksum: str | None = None


@dataclasses.dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a manifest.

    Attributes:
        line: its line, from 1 (of a Parquet file: its row, from 1).
        message: what is wrong and what was wanted.
    """

    line: int
    message: str


class ManifestError(ValueError):
    """A manifest that cannot be used; carries all its faults.

    Attributes:
        faults: every fault, in the order of the lines.
    """

    def __init__(self, name: str, faults: list[Fault]):
        self.faults = sorted(faults, key=lambda fault: fault.line)
        lines = [f"manifest {name}, line {f.line}: {f.message}" for f in self.faults[:_MOST_SHOWN]]
        if len(faults) > _MOST_SHOWN:
            lines.append(f"... and {len(faults) - _MOST_SHOWN} more faults")
        super().__init__("\n".join(lines))


def default_image_id(uri: str) -> str:
    """Returns the uri without the extension of its file name.

    >>> default_image_id("plates/90j8.v2/01A_1.jpg")
    'plates/90j8.v2/01A_1'
    """
    suffix = PurePosixPath(uri).suffix
    return uri[: -len(suffix)] if suffix else uri


def read_manifest(stream: BinaryIO, *, labels: LabelSet, name: str) -> list[ManifestRow]:
    """Returns the rows of a manifest, checked.

    Args:
        stream: the file, seekable; Parquet is told by its first four bytes.
        labels: the labels that may occur.
        name: what messages call the manifest.

    Raises:
        ManifestError: with every fault of the manifest, each with its line.
    """
    start = stream.read(len(_PARQUET_MAGIC))
    stream.seek(0)
    table = _parquet_table(stream) if start == _PARQUET_MAGIC else _csv_table(stream)
    checker = _Checker(labels)
    try:
        for line, cells in table:
            checker.add(line, cells)
    except _BadTable as error:
        raise ManifestError(name, [error.fault]) from error
    checker.finish()
    if checker.faults:
        raise ManifestError(name, checker.faults)
    return checker.rows


class _BadTable(Exception):
    """A table that cannot be read at all."""

    def __init__(self, line: int, message: str):
        super().__init__(message)
        self.fault = Fault(line, message)


_Cells = dict[str, str] | str  # cells by column, or what is wrong with the line


def _csv_table(stream: BinaryIO) -> Iterator[tuple[int, _Cells]]:
    """Gives (line, cells) of each line below the header that is not blank."""
    # surrogateescape lets a stray byte through to its own line, where it is reported
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(text, strict=True)
    header: list[str] | None = None
    line = 1
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            if header is None:
                raise _BadTable(line, f"the header is no CSV: {error}") from error
            yield line, f"no sound CSV: {error}"
            continue
        if cells is None:
            break
        if not cells:
            continue
        if header is None:
            header = [cell.strip().lower() for cell in cells]
            _check_header(header)
        elif len(cells) != len(header):
            yield line, f"{len(cells)} cells, but the header has {len(header)} columns"
        else:
            yield line, dict(zip(header, cells, strict=True))
    text.detach()
    if header is None:
        raise _BadTable(1, f"the file is empty; wanted a header with {' and '.join(REQUIRED)}")


def _check_header(header: list[str]) -> None:
    missing = [column for column in REQUIRED if column not in header]
    if missing:
        got = ", ".join(header)[:200]
        hint = "; columns are parted by commas" if len(header) == 1 else ""
        raise _BadTable(1, f"no column {' and no column '.join(missing)}; got: {got}{hint}")
    twice = [c for c, count in collections.Counter(header).items() if c in COLUMNS and count > 1]
    if twice:
        raise _BadTable(1, f"column {twice[0]} stands there twice")


def _parquet_table(stream: BinaryIO) -> Iterator[tuple[int, _Cells]]:
    """Gives (row, cells) of each row; a null is an empty cell."""
    import pyarrow  # noqa: PLC0415 - costs 0.2 CPU-s, and CSV is the rule
    import pyarrow.parquet  # noqa: PLC0415

    try:
        file = pyarrow.parquet.ParquetFile(stream)
        header = [column.strip().lower() for column in file.schema_arrow.names]
        _check_header(header)
        row = 0
        for batch in file.iter_batches(batch_size=8192):
            columns = [
                [("" if value is None else str(value)) for value in column.to_pylist()]
                for column in batch.columns
            ]
            for cells in zip(*columns, strict=True):
                row += 1
                yield row, dict(zip(header, cells, strict=True))
    except pyarrow.ArrowException as error:
        raise _BadTable(1, f"no sound Parquet file: {error}") from error


class _Checker:
    """Collects the rows of a manifest and all its faults."""

    def __init__(self, labels: LabelSet):
        self.rows: list[ManifestRow] = []
        self.faults: list[Fault] = []
        self._labels = labels
        self._lines: list[int] = []  # of each row
        self._by_id: dict[str, int] = {}  # place in `rows`
        self._indices: dict[str, int] = {}  # label as written -> index
        self._unknown: dict[str, list[int]] = {}  # label as written -> lines
        self._seen_any = False

    def add(self, line: int, cells: _Cells) -> None:
        """Takes one line of the table."""
        self._seen_any = True
        if isinstance(cells, str):
            self._fault(line, cells)
            return
        row = self._row(line, cells)
        if row is None:
            return
        earlier = self._by_id.setdefault(row.image_id, len(self.rows))
        if earlier < len(self.rows):
            self._twice(line, row, earlier)
            return
        self.rows.append(row)
        self._lines.append(line)

    def finish(self) -> None:
        """Adds the faults that only show once all lines are known."""
        for text, lines in self._unknown.items():
            nearest = self._labels.nearest(text)
            more = f" ({len(lines)} lines in all)" if len(lines) > 1 else ""
            message = f"unknown label {_short(text)}; the nearest known one is {nearest!r}{more}"
            self._fault(lines[0], message)
        if not self._seen_any:
            self._fault(1, "there is a header but no image below it")
        if any(row.split for row in self.rows):
            self._check_pins()

    def _row(self, line: int, cells: dict[str, str]) -> ManifestRow | None:
        for column in COLUMNS:
            problem = _bad_text(cells.get(column, ""))
            if problem:
                self._fault(line, f"column {column} {problem}")
                return None
        uri, label_text = cells["uri"], cells["label"].strip()
        split_text = cells.get("split", "").strip()
        split = _SPLIT_SPELLINGS.get(split_text.lower()) if split_text else None
        label = self._label(line, label_text)
        if not uri.strip():
            self._fault(line, "column uri is empty")
        elif split_text and split is None:
            wanted = ", ".join(SPLITS)
            self._fault(line, f"unknown split {_short(split_text)}; wanted {wanted} or nothing")
        elif label is not None:
            image_id = cells.get("image_id", "") or default_image_id(uri)
            group = cells.get("group", "") or image_id
            return ManifestRow(
                image_id, uri, label, group, split, cells.get("checksum", "").strip() or None
            )
        return None

    def _label(self, line: int, text: str) -> int | None:
        """Returns the index of a label as written; an unknown one is noted."""
        if text not in self._indices:
            if not text:
                self._fault(line, "column label is empty")
                return None
            try:
                self._indices[text] = self._labels.index(text)
            except KeyError:
                self._unknown.setdefault(text, []).append(line)
                return None
        return self._indices[text]

    def _twice(self, line: int, row: ManifestRow, earlier: int) -> None:
        first, first_line = self.rows[earlier], self._lines[earlier]
        if first.label == row.label:
            message = f"image {_short(row.image_id)} stands on line {first_line} already"
        else:
            names = self._labels.names
            message = (
                f"image {_short(row.image_id)} is labelled {names[row.label]!r} here "
                f"and {names[first.label]!r} on line {first_line}"
            )
        self._fault(line, message)

    def _check_pins(self) -> None:
        pins: dict[str, tuple[str | None, int]] = {}
        for row, line in zip(self.rows, self._lines, strict=True):
            split, first_line = pins.setdefault(row.group, (row.split, line))
            if split != row.split:
                self._fault(
                    line,
                    f"group {_short(row.group)} has split {row.split or 'none'} here and "
                    f"{split or 'none'} on line {first_line}; a group is pinned as a whole",
                )

    def _fault(self, line: int, message: str) -> None:
        self.faults.append(Fault(line, message))


def _bad_text(text: str) -> str | None:
    """Returns what is wrong with a text, or None."""
    if text.isascii():
        return "holds a NUL byte" if "\0" in text else None
    try:
        text.encode()
    except UnicodeEncodeError:
        return f"is not UTF-8: {_short(text)}; save the manifest as UTF-8"
    return "holds a NUL byte" if "\0" in text else None


def _short(text: str) -> str:
    """Returns a text from a manifest, quoted, cut, and safe to print."""
    cut = text if len(text) <= 60 else text[:57] + "..."  # a line may have a million characters
    return repr(cut.encode(errors="backslashreplace").decode())


def write_manifest(rows: Iterable[tuple[str, str, str, str]], stream: TextIO) -> None:
    """Writes a manifest.

    Args:
        rows: (uri, label, image id, group) of each image.
        stream: text file, opened with `newline=""` and UTF-8.
    """
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS[:4])
    writer.writerows(rows)
