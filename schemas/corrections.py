"""Corrections: labels that experts changed, on top of a manifest."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import BinaryIO

from schemas.labels import LabelSet
from schemas.manifest import Fault, ManifestError, ManifestRow
from schemas.tables import BadTable, Cells, read_table, short

COLUMNS = ("image_id", "label")


def read_corrections(stream: BinaryIO, *, labels: LabelSet, name: str) -> dict[str, int]:
    """Returns label indices by image id.

    Args:
        stream: CSV or Parquet file, seekable, with the columns image_id and label.
        labels: the labels that may occur.
        name: what messages call the file.

    Raises:
        ManifestError: with every fault of the file, each with its line.
    """
    found: dict[str, int] = {}
    lines: dict[str, int] = {}
    faults: list[Fault] = []
    try:
        for line, cells in read_table(stream, columns=COLUMNS, required=COLUMNS):
            checked = _check(cells, labels)
            if isinstance(checked, str):
                faults.append(Fault(line, checked))
                continue
            image_id, label = checked
            if found.setdefault(image_id, label) != label:
                message = f"image {short(image_id)} has another label on line {lines[image_id]}"
                faults.append(Fault(line, message))
            lines.setdefault(image_id, line)
    except BadTable as error:
        faults.append(Fault(error.line, error.message))
    if faults:
        raise ManifestError(f"corrections {name}", faults)
    return found


def _check(cells: Cells, labels: LabelSet) -> tuple[str, int] | str:
    """Returns the image id and the label index of a line, or what is wrong with it."""
    if isinstance(cells, str):
        return cells
    image_id, text = cells["image_id"], cells["label"].strip()
    if not image_id:
        return "column image_id is empty"
    try:
        return image_id, labels.index(text)
    except KeyError:
        return f"unknown label {short(text)}; the nearest known one is {labels.nearest(text)!r}"


def apply_corrections(
    rows: Sequence[ManifestRow], corrections: Mapping[str, int], *, name: str
) -> list[ManifestRow]:
    """Returns the rows with the corrected labels.

    Raises:
        ValueError: if a correction is of an image that no row has.
    """
    unknown = sorted(corrections.keys() - {row.image_id for row in rows})
    if unknown:
        named = ", ".join(map(short, unknown[:5]))
        raise ValueError(
            f"{name} corrects {len(unknown)} images that the manifest does not have: {named}"
            f"{', ...' if len(unknown) > 5 else ''}"
        )
    return [
        dataclasses.replace(row, label=label)
        if (label := corrections.get(row.image_id, row.label)) != row.label
        else row
        for row in rows
    ]
