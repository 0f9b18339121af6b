"""Pieces of a split as arrays: read in threads, and cut to whole batches."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from schemas.records import IMAGE_BYTES
from trainer.input.chunks import Chunk, read_chunk
from trainer.input.lending import ImageMemory
from trainer.input.order import SplitOrder

READERS = 2  # threads: one reads while the other works on what it has read
PIECE_CHUNKS = 16  # in file order: 2,048 records, 34 MB
NAMING: Mapping[str, Any] = {  # features that say which record it is, and their types
    "image_id": object,
    "group": object,
    "variant": np.int32,
    "copies": np.int32,
}
_T = TypeVar("_T")
_R = TypeVar("_R")
Piece = Mapping[str, np.ndarray]


def read_ahead(
    pool: ThreadPoolExecutor, function: Callable[[_T], _R], items: Iterable[_T]
) -> Iterator[_R]:
    """Gives the results in the order of the items; a few are worked on ahead."""
    waiting: deque[Future[_R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * READERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


class PieceReader:
    """Reads pieces of a split in threads of its own.

    Args:
        chunks: the records of the split.
        labels: how many labels there are.
    """

    def __init__(self, chunks: Sequence[Chunk], *, labels: int):
        self._chunks = chunks
        self._labels = labels
        self._memory = ImageMemory()

    def shuffled(self, order: SplitOrder, *, seed: int, epoch: int) -> Iterator[Piece]:
        """Gives the windows of an epoch, each as the arrays `image` and `label`."""
        with ThreadPoolExecutor(READERS) as pool:
            for window in order.windows(seed, epoch):
                chosen = [self._chunks[number] for number in window.chunks]
                yield self._read(pool, chosen, places=window.places)

    def in_file_order(self) -> Iterator[Piece]:
        """Gives all records in file order, some chunks at a time, with the names of `NAMING`."""
        with ThreadPoolExecutor(READERS) as pool:
            for start in range(0, len(self._chunks), PIECE_CHUNKS):
                chosen = self._chunks[start : start + PIECE_CHUNKS]
                yield self._read(pool, chosen, naming=tuple(NAMING))

    def everything(self) -> Piece:
        """Returns all images and labels in file order, as `image` and `label`."""
        with ThreadPoolExecutor(READERS) as pool:
            return self._read(pool, self._chunks)

    def whole_batches(self, pieces: Iterable[Piece], batch_size: int) -> Iterator[Piece]:
        """Gives the same records in pieces of whole batches; the last piece has what is left.

        A piece that is a number of whole batches itself is handed on as it is, not copied.
        """
        left: Piece = {}
        for piece in pieces:
            joined = self._join(left, piece) if left else piece
            rows = len(joined["label"])
            whole = rows - rows % batch_size
            left = {name: array[whole:] for name, array in joined.items()} if whole < rows else {}
            if whole:
                yield {name: array[:whole] for name, array in joined.items()}
        if left:
            yield left

    def _read(
        self,
        pool: ThreadPoolExecutor,
        chunks: Sequence[Chunk],
        *,
        places: np.ndarray | None = None,
        naming: Sequence[str] = (),
    ) -> Piece:
        """Returns some chunks as arrays, each record at its place; None: one after another."""
        ends = np.cumsum([chunk.records for chunk in chunks])
        records = int(ends[-1])
        places = np.arange(records) if places is None else places
        piece = {name: np.empty(records, dtype=NAMING[name]) for name in naming}
        piece |= {"image": self._memory.images(records), "label": np.empty(records, np.int32)}
        images = piece["image"].reshape(-1, IMAGE_BYTES)

        def fill(job: tuple[Chunk, int]) -> None:
            chunk, end = job
            here = places[end - chunk.records : end]
            read = read_chunk(chunk, wanted=naming, labels=self._labels)
            read.copy_images(images, here)
            piece["label"][here] = read.labels
            for name in naming:
                get = read.fields.texts if NAMING[name] is object else read.fields.numbers
                piece[name][here] = get(read.raw, name)

        for _ in read_ahead(pool, fill, zip(chunks, ends.tolist(), strict=True)):
            pass
        return piece

    def _join(self, left: Piece, piece: Piece) -> Piece:
        joined = {
            name: np.concatenate([left[name], piece[name]]) for name in piece if name != "image"
        }
        images = self._memory.images(len(left["image"]) + len(piece["image"]))
        np.concatenate([left["image"], piece["image"]], out=images)
        return {**joined, "image": images}
