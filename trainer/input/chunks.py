"""Chunks: runs of neighbouring records of a shard, read at once and checked."""

import dataclasses
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from schemas.index import INDEX_DIRECTORY, index_file_name
from schemas.records import IMAGE_BYTES, MalformedRecord, decode_record
from schemas.tfrecord import (
    FOOTER_BYTES,
    HEADER_BYTES,
    CorruptShard,
    read_frames,
)
from trainer.dataset import Shard
from trainer.errors import DataError, TemporaryError
from trainer.input.checksums import are_sound
from trainer.input.fields import Fields, locate

CHUNK_RECORDS = 128  # about 2 MB: few calls, and near enough to a core while it is worked on
_kept = threading.local()  # memory to read into; fresh memory costs more than filling it
_MEND = "`python -m pipeline verify` says what is damaged, `build --repair` mends it"


@dataclasses.dataclass(frozen=True)
class Chunk:
    """A run of records of one shard.

    Attributes:
        path: file of the shard.
        first: number of its first record in the shard.
        offsets: where each record's frame begins in the file, and where the last one ends;
            int64 array of shape [records + 1].
    """

    path: Path
    first: int
    offsets: np.ndarray

    @property
    def records(self) -> int:
        """How many records it has."""
        return len(self.offsets) - 1


@dataclasses.dataclass(frozen=True)
class ReadChunk:
    """The bytes of a chunk, sound, and where the features lie in them.

    The thread that read it may read the next one into the same memory.

    Attributes:
        raw: all bytes, uint8 array.
        fields: places of the wanted features.
        labels: int32 array of shape [records].
    """

    raw: np.ndarray
    fields: Fields
    labels: np.ndarray

    def copy_images(self, images: np.ndarray, places: np.ndarray) -> None:
        """Copies the pixels of each record to its place.

        Args:
            images: contiguous uint8 array of shape [images, 16384].
            places: an index of `images` for each record, int array of shape [records].
        """
        # Slices of memory are copied in one go each. NumPy would first gather them in memory of
        # its own, or, one by one, let go of the interpreter and queue up for it each time.
        target, source = images.data.cast("B"), self.raw.data
        begins = self.fields.starts["image"].tolist()
        for place, begin in zip((places * IMAGE_BYTES).tolist(), begins, strict=True):
            target[place : place + IMAGE_BYTES] = source[begin : begin + IMAGE_BYTES]


def chunks_of(shards: Sequence[Shard]) -> list[Chunk]:
    """Returns the chunks of shards, in file order, as the version's index has them.

    Raises:
        DataError: if a shard's index is missing or is not about this shard.
    """
    chunks = []
    for shard in shards:
        offsets = _offsets(shard)
        for first in range(0, shard.records, CHUNK_RECORDS):
            part = offsets[first : first + CHUNK_RECORDS + 1]
            chunks.append(Chunk(shard.path, first, part))
    return chunks


def _offsets(shard: Shard) -> np.ndarray:
    path = shard.path.parent / INDEX_DIRECTORY / index_file_name(shard.path.name)
    try:
        numbers = np.array(path.read_bytes().split(), dtype=np.int64).reshape(-1, 2)
    except (OSError, ValueError, OverflowError) as error:
        raise DataError(f"wanted the index of a shard in {path}, got: {error}; {_MEND}") from error
    offsets = np.concatenate([numbers[:, 0], [shard.bytes]])
    if len(numbers) != shard.records or not np.array_equal(np.diff(offsets), numbers[:, 1]):
        raise DataError(
            f"wanted the index of {shard.records} records that fill {shard.bytes} bytes "
            f"in {path}, got {len(numbers)} others; {_MEND}"
        )
    return offsets


def read_chunk(chunk: Chunk, *, wanted: Sequence[str], labels: int) -> ReadChunk:
    """Returns a chunk, every checksum verified.

    Args:
        chunk: which.
        wanted: names of features beside image and label.
        labels: how many labels there are.

    Raises:
        DataError: if a record is damaged, or is no record of ours; with shard, number, offset.
        TemporaryError: if the file cannot be read.
    """
    raw = _read(chunk)
    starts = chunk.offsets - chunk.offsets[0]
    if not are_sound(raw, starts):
        raise DataError(f"{chunk.path} is damaged: {_fault(chunk)}; {_MEND}")
    begins, ends = starts[:-1] + HEADER_BYTES, starts[1:] - FOOTER_BYTES
    fields = locate(raw, begins, ends, wanted={*wanted, "label"})
    found = fields.numbers(raw, "label")
    wrong = np.flatnonzero(~fields.sound | (found < 0) | (found >= labels))
    if len(wrong):
        number = int(wrong[0])
        _refuse(chunk, number, raw[begins[number] : ends[number]].tobytes(), labels=labels)
    return ReadChunk(raw, fields, found.astype(np.int32))


def _read(chunk: Chunk) -> np.ndarray:
    start, end = int(chunk.offsets[0]), int(chunk.offsets[-1])
    raw = _memory(end - start)
    view, done = raw.data, 0
    try:
        descriptor = os.open(chunk.path, os.O_RDONLY)
        try:
            while done < len(raw):
                got = os.preadv(descriptor, [view[done:]], start + done)
                if not got:
                    raise DataError(
                        f"wanted {end} bytes in {chunk.path}, which ends after {start + done}; "
                        f"{_MEND}"
                    )
                done += got
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise DataError(f"wanted the shard {chunk.path}, which is gone; {_MEND}") from error
    except OSError as error:
        raise TemporaryError(f"cannot read {chunk.path}: {error.strerror}") from error
    return raw


def _memory(size: int) -> np.ndarray:
    memory: np.ndarray | None = getattr(_kept, "memory", None)
    if memory is None or len(memory) < size:
        memory = _kept.memory = np.empty(size + size // 8, dtype=np.uint8)
    return memory[:size]


def _fault(chunk: Chunk) -> str:
    """Returns what is wrong with a shard, in the words of the reader that needs no index."""
    try:
        with chunk.path.open("rb") as stream:
            for _ in read_frames(stream):
                pass
    except (CorruptShard, OSError) as error:
        return str(error)
    return f"its records, from number {chunk.first} on, are not where its index has them"


def _refuse(chunk: Chunk, number: int, data: bytes, *, labels: int) -> None:
    where = (
        f"{chunk.path}, record {chunk.first + number} at byte {int(chunk.offsets[number])}: "
        f"wanted a record with a label below {labels}, got"
    )
    try:
        raise DataError(f"{where} label {decode_record(data).label}; {_MEND}")
    except MalformedRecord as error:
        raise DataError(f"{where} other bytes ({error}); {_MEND}") from error
