"""The likeness of a plate: 256 bits that plates which look alike share, but for a few.

A perceptual hash: signs of frequencies of the shrunken plate (its discrete cosine
transform). All drops of a laboratory lie in the same wells, and the well's rim outshines
what lies in it; so the plate is first freed of its slow changes and of the height of its
edges, else plates with different drops would be called alike.

It decides no byte of any record. Releases of OpenCV and processors may differ in a few
bits of it, which the search for near-duplicates allows for.
"""

import cv2
import numpy as np

from pipeline.decode import Plate
from pipeline.likeness_bits import COLUMNS, ROWS, SIDE

_SLOW = 4.0  # deviation of the Gaussian that tells slow changes, in shrunken pixels
_WIDTH = 17  # of that Gaussian
_HIGHEST = 6.0  # what is left of an edge, in gray levels
_FAINTEST = 0.01  # below, a frequency is not there: a flat plate has none


# The lowest rows of the transform: their product takes 4 us, the whole transform 26.
_WAVES = cv2.dct(np.eye(SIDE, dtype=np.float32), flags=cv2.DCT_ROWS).T[: ROWS.max() + 1].copy()


def find_likeness(plate: Plate) -> str:
    """Returns the likeness of a plate's central square, 64 hexadecimal digits."""
    shrunken = _shrink(_central_square(plate.pixels)).astype(np.float32)
    quick = shrunken - cv2.GaussianBlur(shrunken, (_WIDTH, _WIDTH), _SLOW)
    spectrum = _WAVES @ np.clip(quick, -_HIGHEST, _HIGHEST) @ _WAVES.T
    return np.packbits(spectrum[ROWS, COLUMNS] > _FAINTEST).tobytes().hex()


def _central_square(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def _shrink(square: np.ndarray) -> np.ndarray:
    # Halving, for which "linear" is the mean of four pixels, is what OpenCV does fastest: 16 us
    # for 480 pixels; "area" takes 65 us at one go, and 2 ms of an odd side.
    size = SIDE
    while 4 * size <= len(square):
        size *= 2
    while size >= SIDE:
        square = cv2.resize(square, (size, size), interpolation=cv2.INTER_LINEAR)
        size //= 2
    return square
