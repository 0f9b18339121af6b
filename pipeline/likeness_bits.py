"""The bits of a likeness: which frequency each tells of, and what turns and flips do to them.

A flip of the plate changes signs only, and a turn of its picture about the diagonal
exchanges u and v; so the likeness of the turned and flipped plate follows from the plate's.
"""

from collections.abc import Sequence

import numpy as np

BITS = 256
WORDS = BITS // 64

SIDE = 60  # of the shrunken plate, in pixels
_LOWEST_FREQUENCY = 6.0  # below are the light and the size of the well


def _frequencies() -> tuple[np.ndarray, np.ndarray]:
    """Returns rows and columns of the frequencies whose signs are the bits.

    The second half of the bits has rows and columns exchanged against the first.
    """
    pairs = sorted(
        (u * u + v * v, u, v)
        for u in range(SIDE)
        for v in range(u + 1, SIDE)
        if u * u + v * v >= _LOWEST_FREQUENCY**2
    )[: BITS // 2]
    _, u, v = np.array(pairs).T
    return np.concatenate([u, v]), np.concatenate([v, u])


ROWS, COLUMNS = _frequencies()


def pack(likenesses: Sequence[str]) -> np.ndarray:
    """Returns likenesses as numbers, uint64 array of shape [plates, `WORDS`]."""
    content = bytes.fromhex("".join(likenesses))
    return np.frombuffer(content, ">u8").astype(np.uint64).reshape(-1, WORDS)


def turn(words: np.ndarray) -> np.ndarray:
    """Returns the likenesses of plates turned about their diagonal: the halves exchanged."""
    return np.roll(words, WORDS // 2, axis=-1)


def _odd(frequencies: np.ndarray) -> str:
    return np.packbits(frequencies % 2 == 1).tobytes().hex()


# What flips do to the bits of a likeness: none, top to bottom, left to right, both; uint64
# array of shape [4, `WORDS`]. With `turn` they make all eight ways a plate can lie.
FLIPS = pack(["00" * (BITS // 8), _odd(ROWS), _odd(COLUMNS), _odd(ROWS + COLUMNS)])
