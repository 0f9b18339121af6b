"""The order of an epoch: a pure function of a seed, the epoch and the sizes of the chunks.

Neither the cores, the epochs before, the size of a batch, nor where the records lie decides
it: a training that is resumed elsewhere goes on with the same batches.
"""

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from schemas.draws import encode_names

WINDOW_CHUNKS = 64  # 8,192 records of 128 a chunk: 134 MB


@dataclasses.dataclass(frozen=True)
class Window:
    """Chunks that are in memory together; their records come in any order among themselves.

    Attributes:
        chunks: numbers of the chunks, in the order in which they are read, int array.
        places: for each record, chunk after chunk, its place in the window, int array;
            a permutation.
    """

    chunks: np.ndarray
    places: np.ndarray


class SplitOrder:
    """Orders of the epochs of a split.

    Chunks from anywhere in the split fill a window, and the window is shuffled as a whole. A
    shard's records lie in an order of chance already, so neighbours in a chunk are strangers;
    splits of one window are shuffled as a whole.

    Args:
        split: its name; other splits have other orders.
        sizes: records of each chunk, in file order.
        window_chunks: chunks of a window.
    """

    def __init__(self, split: str, sizes: Sequence[int], *, window_chunks: int = WINDOW_CHUNKS):
        self._split = split
        self._window_chunks = window_chunks
        self._sizes = np.asarray(sizes, dtype=np.int64)
        self._firsts = np.cumsum(self._sizes) - self._sizes

    def windows(self, seed: int, epoch: int) -> Iterator[Window]:
        """Gives the windows of an epoch, one after another; every chunk is in one of them."""
        chance = _chance(seed, self._split, epoch)
        chunks = _permutation(chance, len(self._sizes))
        for start in range(0, len(chunks), self._window_chunks):
            chosen = chunks[start : start + self._window_chunks]
            yield Window(chosen, _permutation(chance, int(self._sizes[chosen].sum())))

    def records(self, seed: int, epoch: int) -> np.ndarray:
        """Returns the numbers of all records, in file order from 0, in the order of an epoch.

        Returns:
            An int64 array of shape [records], a permutation.
        """
        parts = [np.empty(0, dtype=np.int64)]
        for window in self.windows(seed, epoch):
            numbers = np.concatenate(
                [self._firsts[chunk] + np.arange(self._sizes[chunk]) for chunk in window.chunks]
            )
            placed = np.empty_like(numbers)
            placed[window.places] = numbers
            parts.append(placed)
        return np.concatenate(parts)


def _chance(seed: int, split: str, epoch: int) -> np.random.Philox:
    """Returns a source of bits for one epoch.

    Philox (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011). NumPy promises
    that the raw bits of a bit generator never change (NEP 19); of what is made of them it
    does not promise that.
    """
    names = encode_names(seed, "order", split, epoch)
    key = hashlib.blake2b(names, digest_size=16).digest()
    return np.random.Philox(key=int.from_bytes(key, "big"))


def _permutation(chance: np.random.Philox, count: int) -> np.ndarray:
    # 64 bits each: that two are equal, and the sort's stability decides, does not happen
    order: np.ndarray = np.argsort(chance.random_raw(count), kind="stable")
    return order
