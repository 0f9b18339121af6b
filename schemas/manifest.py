"""Manifests: which plates there are, and what experts say is on them.

A manifest is a CSV file (or a Parquet file with the same columns); DESIGN section 5.1.
"""

import csv
import dataclasses
import posixpath
from collections.abc import Iterable
from typing import BinaryIO, TextIO

from schemas.labels import LabelSet
from schemas.recipe import SPLITS
from schemas.tables import BadTable, Cells, read_table, short

COLUMNS = ("uri", "label", "image_id", "group", "split", "checksum", "origin")
DRAWN = "drawn"  # the origin of plates that a program drew: no micrographs
REQUIRED = ("uri", "label")
_SPLIT_SPELLINGS = {name: name for name in SPLITS} | {"val": "validation", "valid": "validation"}
_UNKNOWN_LABEL, _UNKNOWN_SPLIT = -1, "?"  # stand in for what is at fault while rows are checked
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
        origin: where the plate comes from, or None; decides no byte, and is counted in
            `metadata.json`, so that results on drawn plates are not taken for others.
    """

    image_id: str
    uri: str
    label: int
    group: str
    split: str | None = None
    checksum: str | None = None
    origin: str | None = None


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
    """A manifest, or corrections of one, that cannot be used; carries all faults.

    Attributes:
        faults: every fault, in the order of the lines.
    """

    def __init__(self, name: str, faults: list[Fault]):
        self.faults = sorted(faults, key=lambda fault: fault.line)
        lines = [f"{name}, line {f.line}: {f.message}" for f in self.faults[:_MOST_SHOWN]]
        if len(faults) > _MOST_SHOWN:
            lines.append(f"... and {len(faults) - _MOST_SHOWN} more faults")
        super().__init__("\n".join(lines))


def default_image_id(uri: str) -> str:
    """Returns the uri without the extension of its file name.

    >>> default_image_id("plates/90j8.v2/01A_1.jpg")
    'plates/90j8.v2/01A_1'
    """
    return posixpath.splitext(uri)[0]


def read_manifest(stream: BinaryIO, *, labels: LabelSet, name: str) -> list[ManifestRow]:
    """Returns the rows of a manifest, checked.

    Args:
        stream: the file, seekable; Parquet is told by its first four bytes.
        labels: the labels that may occur.
        name: what messages call the manifest.

    Raises:
        ManifestError: with every fault of the manifest, each with its line.
    """
    checker = _Checker(labels)
    try:
        for line, cells in read_table(stream, columns=COLUMNS, required=REQUIRED):
            checker.add(line, cells)
    except BadTable as error:
        faults = [*checker.finish(), Fault(error.line, error.message)]
        raise ManifestError(f"manifest {name}", faults) from error
    if not checker.rows and not checker.faults:
        raise ManifestError(
            f"manifest {name}", [Fault(1, "there is a header but no image below it")]
        )
    if checker.finish():
        raise ManifestError(f"manifest {name}", checker.faults)
    return checker.rows


class _Checker:
    """Collects the rows of a manifest and all its faults.

    A row with a fault is kept too, so that the others it has to do with are checked;
    the rows are of use only if there is no fault.
    """

    def __init__(self, labels: LabelSet):
        self.rows: list[ManifestRow] = []
        self.faults: list[Fault] = []
        self._labels = labels
        self._lines: list[int] = []  # of each row
        self._by_id: dict[str, int] = {}  # place in `rows`
        self._indices: dict[str, int] = {}  # label as written -> index
        self._unknown: dict[str, list[int]] = {}  # label as written -> lines
        self._origins: dict[str, str] = {}  # one text for all rows of an origin

    def add(self, line: int, cells: Cells) -> None:
        """Takes one line of the table."""
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

    def finish(self) -> list[Fault]:
        """Adds the faults that only show once all lines are known, and returns all faults."""
        for number, (text, lines) in enumerate(self._unknown.items()):
            message = f"unknown label {short(text)}"
            if number < _MOST_SHOWN:  # finding it costs a millisecond
                message += f"; the nearest known one is {self._labels.nearest(text)!r}"
            if len(lines) > 1:
                message += f" ({len(lines)} lines in all)"
            self._fault(lines[0], message)
        if any(row.split for row in self.rows):
            self._check_pins()
        return self.faults

    def _row(self, line: int, cells: dict[str, str]) -> ManifestRow | None:
        """Returns the row of a line, or None if it cannot be told which image it is."""
        texts: list[str | None] = [cells.get(column, "") for column in COLUMNS]
        if _bad_text("".join(filter(None, texts))):  # one check where all is well
            texts = [self._sound(line, column, cells.get(column, "")) for column in COLUMNS]
        uri, label, image_id, group, split, checksum, origin = texts
        index = _UNKNOWN_LABEL if label is None else self._label(line, label.strip())
        pin = _UNKNOWN_SPLIT if split is None else self._split(line, split.strip())
        if uri is not None and not uri.strip():
            self._fault(line, "column uri is empty")
            uri = None
        if uri is None or image_id is None or group is None:
            return None
        image_id = image_id or default_image_id(uri)
        checksum = checksum.strip() if checksum else None
        origin = self._origins.setdefault(origin.strip(), origin.strip()) if origin else None
        return ManifestRow(
            image_id, uri, index, group or image_id, pin, checksum or None, origin or None
        )

    def _sound(self, line: int, column: str, text: str) -> str | None:
        """Returns a cell's text, or None if it cannot be used."""
        problem = _bad_text(text)
        if problem is None:
            return text
        self._fault(line, f"column {column} {problem}")
        return None

    def _split(self, line: int, text: str) -> str | None:
        if not text:
            return None
        split = _SPLIT_SPELLINGS.get(text.lower())
        if split is None:
            wanted = ", ".join(SPLITS)
            self._fault(line, f"unknown split {short(text)}; wanted {wanted} or nothing")
        return split or _UNKNOWN_SPLIT

    def _label(self, line: int, text: str) -> int:
        """Returns the index of a label as written; an unknown one is noted."""
        if text in self._indices:
            return self._indices[text]
        if not text:
            self._fault(line, "column label is empty")
            return _UNKNOWN_LABEL
        if text not in self._unknown:
            try:
                self._indices[text] = self._labels.index(text)
            except KeyError:
                self._unknown[text] = []
            else:
                return self._indices[text]
        self._unknown[text].append(line)
        return _UNKNOWN_LABEL

    def _twice(self, line: int, row: ManifestRow, earlier: int) -> None:
        first, first_line = self.rows[earlier], self._lines[earlier]
        if first.label == row.label or _UNKNOWN_LABEL in (first.label, row.label):
            message = f"image {short(row.image_id)} stands on line {first_line} already"
        else:
            names = self._labels.names
            message = (
                f"image {short(row.image_id)} is labelled {names[row.label]!r} here "
                f"and {names[first.label]!r} on line {first_line}"
            )
        self._fault(line, message)

    def _check_pins(self) -> None:
        pins: dict[str, tuple[str | None, int]] = {}
        for row, line in zip(self.rows, self._lines, strict=True):
            if row.split == _UNKNOWN_SPLIT:
                continue
            split, first_line = pins.setdefault(row.group, (row.split, line))
            if split != row.split:
                self._fault(
                    line,
                    f"group {short(row.group)} has split {row.split or 'none'} here and "
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
        return f"is not UTF-8: {short(text)}; save the manifest as UTF-8"
    return "holds a NUL byte" if "\0" in text else None


def write_manifest(rows: Iterable[tuple[str, str, str, str]], stream: TextIO) -> None:
    """Writes a manifest.

    Args:
        rows: (uri, label, image id, group) of each image.
        stream: text file, opened with `newline=""` and UTF-8.
    """
    writer = csv.writer(stream, lineterminator="\n")
    quoting = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS[:4])
    for row in rows:
        # the csv module quotes a carriage return only if it ends its lines
        (quoting if "\r" in "".join(row) else writer).writerow(row)
