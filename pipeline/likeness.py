"""The likeness of a plate: 256 bits that plates which look alike share, but for a few.

A perceptual hash: signs of frequencies of the shrunken plate (its discrete cosine
transform). All drops of a laboratory lie in the same wells, and the well's rim outshines
what lies in it; so the plate is first freed of its slow changes and of the height of its
edges, else plates with different drops would be called alike.

A flip of the plate changes signs only, and a turn of its picture about the diagonal
exchanges u and v; so the likeness of the turned and flipped plate follows from the plate's.

It decides no byte of any record. Releases of OpenCV and processors may differ in a few
bits of it, which the search for near-duplicates allows for.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.decode import Plate

BITS = 256
WORDS = BITS // 64

_SIDE = 60  # of the shrunken plate, in pixels
_SLOW = 4.0  # deviation of the Gaussian that tells slow changes, in shrunken pixels
_WIDTH = 17  # of that Gaussian
_HIGHEST = 6.0  # what is left of an edge, in gray levels
_FAINTEST = 0.01  # below, a frequency is not there: a flat plate has none
_LOWEST_FREQUENCY = 6.0  # below are the light and the size of the well


def _frequencies() -> tuple[np.ndarray, np.ndarray]:
    """Returns rows and columns of the frequencies whose signs are the bits.

    The second half of the bits has rows and columns exchanged against the first.
    """
    pairs = sorted(
        (u * u + v * v, u, v)
        for u in range(_SIDE)
        for v in range(u + 1, _SIDE)
        if u * u + v * v >= _LOWEST_FREQUENCY**2
    )[: BITS // 2]
    _, u, v = np.array(pairs).T
    return np.concatenate([u, v]), np.concatenate([v, u])


_ROWS, _COLUMNS = _frequencies()
# The lowest rows of the transform: their product takes 4 us, the whole transform 26.
_WAVES = cv2.dct(np.eye(_SIDE, dtype=np.float32), flags=cv2.DCT_ROWS).T[: _ROWS.max() + 1].copy()


def find_likeness(plate: Plate) -> str:
    """Returns the likeness of a plate's central square, 64 hexadecimal digits."""
    shrunken = _shrink(_central_square(plate.pixels)).astype(np.float32)
    quick = shrunken - cv2.GaussianBlur(shrunken, (_WIDTH, _WIDTH), _SLOW)
    spectrum = _WAVES @ np.clip(quick, -_HIGHEST, _HIGHEST) @ _WAVES.T
    return np.packbits(spectrum[_ROWS, _COLUMNS] > _FAINTEST).tobytes().hex()


def _central_square(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def _shrink(square: np.ndarray) -> np.ndarray:
    # Halving, for which "linear" is the mean of four pixels, is what OpenCV does fastest: 16 us
    # for 480 pixels; "area" takes 65 us at one go, and 2 ms of an odd side.
    size = _SIDE
    while 4 * size <= len(square):
        size *= 2
    while size >= _SIDE:
        square = cv2.resize(square, (size, size), interpolation=cv2.INTER_LINEAR)
        size //= 2
    return square


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
FLIPS = pack(["00" * (BITS // 8), _odd(_ROWS), _odd(_COLUMNS), _odd(_ROWS + _COLUMNS)])
