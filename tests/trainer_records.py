"""Versions of made-up records: small, quick to write, and each record known."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from schemas.index import INDEX_DIRECTORY, index_file_name, index_text
from schemas.labels import PAPER10
from schemas.recipe import RenderConfig
from schemas.records import IMAGE_BYTES, Record, encode_record
from schemas.tfrecord import frame
from trainer.dataset import DatasetVersion, Shard

SPLIT = "train"


def made_up(count: int, *, first: int = 0, copies: int = 3) -> list[Record]:
    """Returns records whose first four pixels are their number, little-endian."""
    found = []
    for number in range(first, first + count):
        noise = np.random.Philox(key=number).random_raw(IMAGE_BYTES // 8).tobytes()
        image, variant = divmod(number, copies)
        found.append(
            Record(
                image=number.to_bytes(4, "little") + noise[4:],
                label=image % len(PAPER10.names),
                image_id=f"plate-{image}" + "x" * (image % 7),
                group=f"drop-{image // 2}" * (1 + image % 3),
                variant=variant,
                copies=copies,
                render_key="0" * 32,
            )
        )
    return found


def write_shard(path: Path, records: Sequence[Record]) -> Shard:
    """Writes a shard and its index, as a build does."""
    frames = [frame(encode_record(record)) for record in records]
    path.write_bytes(b"".join(frames))
    index = path.parent / INDEX_DIRECTORY / index_file_name(path.name)
    index.parent.mkdir(exist_ok=True)
    index.write_text(index_text(map(len, frames)), encoding="utf-8")
    return Shard(path, len(records), path.stat().st_size)


def write_version(folder: Path, shards: Sequence[Sequence[Record]]) -> DatasetVersion:
    """Writes shards of one split and returns them as a version."""
    folder.mkdir(parents=True, exist_ok=True)
    written = tuple(
        write_shard(folder / f"made-up-{SPLIT}.tfrecord-{number:05d}-of-{len(shards):05d}", records)
        for number, records in enumerate(shards)
    )
    labels = [record.label for records in shards for record in records]
    return DatasetVersion(
        folder=folder,
        name="made-up",
        version="1.0.0",
        digest="0" * 32,
        labels=PAPER10,
        render=RenderConfig(),
        splits={SPLIT: written},
        records={SPLIT: tuple(np.bincount(labels, minlength=len(PAPER10.names)).tolist())},
        origins={},
    )


def numbers_of(images: np.ndarray) -> np.ndarray:
    """Returns the numbers of made-up records by their images, int array of shape [images]."""
    first = np.ascontiguousarray(np.asarray(images).reshape(len(images), -1)[:, :4])
    return first.view("<u4")[:, 0].astype(np.int64)
