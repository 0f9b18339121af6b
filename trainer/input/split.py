"""A split of a version as batches, from memory or from the shards."""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from schemas.records import IMAGE_BYTES, RECORD_SIDE
from trainer.dataset import DatasetVersion
from trainer.errors import UsageError
from trainer.input.chunks import Chunk, chunks_of
from trainer.input.memory import available_memory
from trainer.input.order import WINDOW_CHUNKS, SplitOrder
from trainer.input.pieces import Piece, PieceReader

CACHES = ("auto", "ram", "stream")
BATCHES_AHEAD = 8  # ready for a device that is faster for a moment
_IMAGE = tf.TensorSpec([None, RECORD_SIDE, RECORD_SIDE, 1], tf.uint8)
_NUMBER = tf.TensorSpec([None], tf.int32)
_TEXT = tf.TensorSpec([None], tf.string)
_TRAINING = {"image": _IMAGE, "label": _NUMBER}
_ALL = {**_TRAINING, "image_id": _TEXT, "group": _TEXT, "variant": _NUMBER, "copies": _NUMBER}


class SplitReader:
    """Reads the records of one split.

    Args:
        split: its name.
        chunks: its records.
        labels: how many labels there are.
        in_memory: whether `epochs` keeps the whole split in memory, read when it is first
            called; else a few windows of it (see `order`).
        window_chunks: chunks of a window.
    """

    def __init__(
        self,
        split: str,
        chunks: Sequence[Chunk],
        *,
        labels: int,
        in_memory: bool,
        window_chunks: int = WINDOW_CHUNKS,
    ):
        self.in_memory = in_memory
        self.records = sum(chunk.records for chunk in chunks)
        self._reader = PieceReader(chunks, labels=labels)
        self._order = SplitOrder(
            split, [chunk.records for chunk in chunks], window_chunks=window_chunks
        )

    def steps(self, batch_size: int) -> int:
        """Returns how many batches an epoch has; the last one may be smaller."""
        if batch_size < 1:
            raise UsageError(f"wanted a batch of 1 or more records, got {batch_size}")
        return -(-self.records // batch_size)

    def epochs(self, first: int, last: int, *, seed: int, batch_size: int) -> Any:
        """Returns the batches of the epochs `first` to `last` - 1, one epoch after another.

        Every epoch has each record once, in `steps(batch_size)` batches. Its order depends on
        the seed, its number and the split's shards alone.

        Returns:
            A `tf.data.Dataset` of (images uint8 [b, 128, 128, 1], labels int32 [b]). Errors of
            reading come from it wrapped: see `data_errors`.

        Raises:
            ValueError: if there are no such epochs.
            DataError, TemporaryError: if the split is to be in memory and cannot be read.
        """
        if not 0 <= first <= last:
            raise ValueError(f"wanted epochs from 0 on, in order, got {first} to {last}")
        steps = self.steps(batch_size)
        chosen = self._from_memory if self.in_memory else self._from_shards
        dataset = chosen(first, last, seed=seed, batch_size=batch_size)
        return _finished(dataset, (last - first) * steps)

    def in_order(self, *, batch_size: int) -> Any:
        """Returns the batches of all records in file order, each record once.

        Returns:
            A `tf.data.Dataset` of dictionaries: image uint8 [b, 128, 128, 1], label, variant,
            copies int32 [b], image_id, group string [b].
        """

        def pieces() -> Iterator[Piece]:
            return self._reader.whole_batches(self._reader.in_file_order(), batch_size)

        steps = self.steps(batch_size)
        return _finished(_batches(pieces, _ALL, batch_size), steps)

    def _from_shards(self, first: int, last: int, *, seed: int, batch_size: int) -> Any:
        def pieces() -> Iterator[Piece]:
            for epoch in range(first, last):
                windows = self._reader.shuffled(self._order, seed=seed, epoch=epoch)
                yield from self._reader.whole_batches(windows, batch_size)

        return _batches(pieces, _TRAINING, batch_size, ("image", "label"))

    def _from_memory(self, first: int, last: int, *, seed: int, batch_size: int) -> Any:
        images, labels = self._memory

        def order(epoch: Any) -> Any:
            return tf.ensure_shape(
                tf.numpy_function(
                    lambda number: self._order.records(seed, int(number)), [epoch], tf.int64
                ),
                [self.records],
            )

        def batches(rows: Any) -> Any:
            return tf.data.Dataset.range(self.steps(batch_size)).map(
                lambda step: rows[step * batch_size : (step + 1) * batch_size]
            )

        orders = tf.data.Dataset.range(first, last).map(order).prefetch(1)
        return orders.flat_map(batches).map(
            lambda rows: (tf.gather(images, rows), tf.gather(labels, rows))
        )

    @functools.cached_property
    def _memory(self) -> tuple[Any, Any]:
        """All images and labels as tensors in the host's memory."""
        found = self._reader.everything()
        with tf.device("CPU:0"):
            # `tf.constant` would copy the images. What DLPack hands over must be aligned as
            # TensorFlow's own memory, which it does not check; the images are (see `lending`).
            images = tf.experimental.dlpack.from_dlpack(found["image"].__dlpack__())
            return images, tf.constant(found["label"])


def _batches(
    pieces: Any, signature: dict[str, Any], batch_size: int, only: tuple[str, ...] = ()
) -> Any:
    """Returns the batches of what a generator of pieces gives; one piece is read ahead.

    They are dictionaries, or tuples of the arrays that alone are wanted.
    """

    def cut(piece: dict[str, Any]) -> Any:
        def batch(step: Any) -> Any:
            here = slice(step * batch_size, (step + 1) * batch_size)
            if only:
                return tuple(piece[name][here] for name in only)
            return {name: values[here] for name, values in piece.items()}

        rows = tf.shape(piece["label"], out_type=tf.int64)[0]
        return tf.data.Dataset.range(-(-rows // batch_size)).map(batch)

    found = tf.data.Dataset.from_generator(pieces, output_signature=signature)
    return found.prefetch(1).flat_map(cut)


def _finished(dataset: Any, steps: int) -> Any:
    options = tf.data.Options()
    # there is nothing to tune, and keeping count for it costs as much as cutting batches
    options.autotune.enabled = False
    counted = dataset.apply(tf.data.experimental.assert_cardinality(steps))
    return counted.prefetch(BATCHES_AHEAD).with_options(options)


def open_split(
    version: DatasetVersion, split: str, *, cache: str = "auto", memory: int | None = None
) -> SplitReader:
    """Returns a reader of a split.

    Args:
        version: the dataset.
        split: "train", "validation" or "test".
        cache: "ram" keeps the split in memory, "stream" reads it anew in every epoch; "auto"
            keeps it where it takes at most half of the memory. The batches are the same.
        memory: bytes that may be taken; by default what is available.

    Raises:
        UsageError: if there is no such cache, or the split does not fit into memory.
        DataError: if the split is empty, or a shard's index is damaged.
    """
    if cache not in CACHES:
        raise UsageError(f"wanted one of {', '.join(CACHES)} as cache, got {cache!r}")
    chunks = chunks_of(version.shards(split))
    needed = sum(chunk.records for chunk in chunks) * IMAGE_BYTES
    memory = available_memory() if memory is None else memory
    if cache == "ram" and needed > memory:
        raise UsageError(
            f"wanted {needed / 1e9:.2f} GB of memory for the split {split}, but "
            f"{memory / 1e9:.2f} GB are available; read it as a stream"
        )
    in_memory = cache == "ram" or (cache == "auto" and needed <= memory / 2)
    return SplitReader(split, chunks, labels=len(version.labels.names), in_memory=in_memory)
