"""The table of predictions that all numbers come from: as arrays, and as a Parquet file."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.atomic import atomic_path
from trainer.errors import DataError, DivergedError
from trainer.evaluation.calibration import Ints, calibrated_probabilities

Logits = npt.NDArray[np.float32]

_FORMAT = 1
# our keys of the Parquet schema's metadata
_SOURCE = b"crystal_plates.source"
_PARAMETERS = b"crystal_plates.parameters"


@dataclasses.dataclass(frozen=True)
class Source:
    """What a table of predictions was computed from; the same source gives the same table.

    Attributes:
        weights: SHA-256 of the file of the weights, hexadecimal.
        dataset: digest of the version that the records are of.
        split: name of the split.
        labels: names of the labels, in the order of the logits.
    """

    weights: str
    dataset: str
    split: str
    labels: tuple[str, ...]

    def to_bytes(self) -> bytes:
        """Returns the source as it stands in a file's metadata."""
        return json.dumps({"format": _FORMAT, **dataclasses.asdict(self)}).encode()


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """Every record of a split, with what a network makes of it.

    Attributes:
        image_id: names of images, shape [records].
        group: names of their groups, shape [records].
        variant: numbers of variants from 0, int32 of shape [records].
        copies: how many variants the image has, int32 of shape [records].
        label: the expert's labels, int32 of shape [records].
        logits: float32 of shape [records, labels], finite.
        parameters: how many the network has.
        image: number of each record's image, 0 to images - 1, by name.
        of_group: number of each record's group, 0 to groups - 1, by name.
        images: how many images there are.
        groups: how many groups there are.

    Raises:
        DivergedError: if a logit is no finite number.
        DataError: if a label is none of the logits', an image's records are not as many as its
            copies, or they have not one label and one group.
    """

    image_id: npt.NDArray[np.object_]
    group: npt.NDArray[np.object_]
    variant: npt.NDArray[np.int32]
    copies: npt.NDArray[np.int32]
    label: npt.NDArray[np.int32]
    logits: Logits
    parameters: int
    image: Ints = dataclasses.field(init=False, repr=False)
    of_group: Ints = dataclasses.field(init=False, repr=False)
    images: int = dataclasses.field(init=False)
    groups: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        columns = (self.image_id, self.group, self.variant, self.copies, self.label)
        shapes = {column.shape for column in columns}
        if self.logits.ndim != 2 or shapes != {self.logits.shape[:1]} or not len(self.logits):
            raise ValueError(
                f"wanted columns of one length above 0, got {shapes}, {self.logits.shape}"
            )
        image, images = _numbered(self.image_id)
        group, groups = _numbered(self.group)
        for name, value in (("image", image), ("of_group", group)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "groups", groups)
        self._check_logits()
        self._check_images()

    def __len__(self) -> int:
        return len(self.logits)

    def first_of_images(self) -> Ints:
        """Returns the row of the first record of each image, shape [images]."""
        return np.unique(self.image, return_index=True)[1]

    def by_name(self) -> "Predictions":
        """Returns the same in order of images and variants, whatever the order of the shards."""
        order = np.lexsort((self.variant, self.image))
        columns = ("image_id", "group", "variant", "copies", "label", "logits")
        return dataclasses.replace(self, **{name: getattr(self, name)[order] for name in columns})

    def _check_logits(self) -> None:
        bad = np.flatnonzero(~np.isfinite(self.logits).all(axis=1))
        if len(bad):
            raise DivergedError(
                f"wanted finite numbers from the network, got {self.logits[bad[0]].tolist()} for "
                f"{self.image_id[bad[0]]!r} and {len(bad) - 1:,} records more; its weights are "
                "spoilt: train it again, with a lower --learning-rate"
            )

    def _check_images(self) -> None:
        first = self.first_of_images()[self.image]
        counted = np.bincount(self.image)[self.image]
        labels = self.logits.shape[1]
        for fault, wrong in (
            (f"a label of 0 to {labels - 1}", (self.label < 0) | (self.label >= labels)),
            ("as many records as its copies", counted != self.copies),
            ("one label for all its records", self.label != self.label[first]),
            ("one group for all its records", self.of_group != self.of_group[first]),
        ):
            rows = np.flatnonzero(wrong)
            if len(rows):
                row = rows[0]
                raise DataError(
                    f"wanted {fault} of image {self.image_id[row]!r}, got label "
                    f"{self.label[row]}, {counted[row]} records of {self.copies[row]}, group "
                    f"{self.group[row]!r}; `python -m pipeline verify` checks the dataset"
                )


def _numbered(names: npt.NDArray[np.object_]) -> tuple[Ints, int]:
    """Returns the number of each name in their sorted order, and how many there are."""
    known, numbers = np.unique(names.astype(np.str_), return_inverse=True)
    return numbers, len(known)


def write_predictions(path: Path, predictions: Predictions, source: Source) -> None:
    """Writes a table of predictions; the file appears whole or not at all."""
    probabilities = calibrated_probabilities(predictions.logits).astype(np.float32)
    labels = predictions.logits.shape[1]
    table = pa.table(
        {
            "image_id": pa.array(predictions.image_id, pa.string()),
            "group": pa.array(predictions.group, pa.string()),
            "variant": pa.array(predictions.variant, pa.int32()),
            "copies": pa.array(predictions.copies, pa.int32()),
            "label": pa.array(predictions.label, pa.int32()),
            "logits": _lists(predictions.logits, labels),
            "probabilities": _lists(probabilities, labels),
        }
    )
    metadata = {_SOURCE: source.to_bytes(), _PARAMETERS: b"%d" % predictions.parameters}
    with atomic_path(path) as partial:
        pq.write_table(table.replace_schema_metadata(metadata), partial)


def read_predictions(path: Path, source: Source) -> Predictions | None:
    """Returns the table of a file, or None if it is not there or of another source.

    A file that cannot be read is as good as none: it can be computed again.
    """
    try:
        with pq.ParquetFile(path) as file:
            metadata = file.schema_arrow.metadata or {}
            if metadata.get(_SOURCE) != source.to_bytes():
                return None
            table = file.read()
    except (FileNotFoundError, pa.ArrowInvalid):
        return None
    labels = len(source.labels)
    logits = table["logits"].combine_chunks().flatten().to_numpy().reshape(-1, labels)
    columns: dict[str, Any] = {
        name: table[name].to_numpy() for name in ("image_id", "group", "variant", "copies", "label")
    }
    return Predictions(**columns, logits=logits, parameters=int(metadata[_PARAMETERS]))


def join_batches(
    batches: Sequence[dict[str, Any]], logits: Sequence[Logits], *, parameters: int
) -> Predictions:
    """Returns batches of records, as readers give them, and their logits as one table.

    Args:
        batches: at least `image_id`, `group` (UTF-8 bytes), `variant`, `copies`, `label` each.
        logits: of each batch, shape [batch, labels].
        parameters: how many the network has.
    """
    joined = {
        key: np.concatenate([batch[key] for batch in batches])
        for key in ("image_id", "group", "variant", "copies", "label")
    }
    texts = {
        key: np.array([name.decode() for name in joined[key]], object)
        for key in ("image_id", "group")
    }
    return Predictions(**{**joined, **texts}, logits=np.concatenate(logits), parameters=parameters)


def _lists(values: Logits, length: int) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), length)
