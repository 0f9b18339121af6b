"""Rendering: a plate and the numbers of an augmentation become the pixels of a variant.

The one place that turns, crops and shrinks, for training data and for inference alike.
All arithmetic is on integers, so that no processor, library of mathematics or release
of OpenCV changes a byte. What the result should be, `tests/reference_render.py` says,
slowly and in float64.
"""

import cv2
import numpy as np

from pipeline.augment import Augmentation
from pipeline.decode import Plate
from schemas.recipe import RenderConfig

SIDE = 128  # of a variant, in pixels

BORDERS = {
    "black": cv2.BORDER_CONSTANT,
    "edge": cv2.BORDER_REPLICATE,
    # Mirrors at the plate's outer edge, which lies at the same place at every reduction
    # (REFLECT_101 mirrors at the centre of the last pixel, which does not).
    "reflect": cv2.BORDER_REFLECT,
}

COARSEST_STEP = 1.875  # reduced pixels between samples
ANGLE_BITS = 32  # angles are taken as multiples of 2**-32 degrees
TRIG_BITS = 60
PI = 3_622_009_729_038_561_421  # round(pi * 2**60)
POSITION_BITS = 16  # positions on the plate are in 2**-16 of a reduced pixel
FRACTION_BITS = 5  # of which `cv2.remap` takes the upper five bits
CHUNK = 16_384  # samples at a time: their maps stay in the cache

# Workers are processes and threads already; more inside each would only get in the way.
cv2.setNumThreads(1)
cv2.ocl.setUseOpenCL(False)


def render(plate: Plate, augmentation: Augmentation, config: RenderConfig) -> np.ndarray:
    """Returns one variant of a plate.

    The plate is turned about its centre, then flipped; of its central square of
    side min(width, height), each pixel of the variant is the mean over its area.

    A turn by 90 degrees more is exactly `np.rot90` of the result, and a flip exactly
    the flipped result. The same arguments give the same bytes on every machine.

    Returns:
        uint8 array of shape [128, 128].
    """
    turns, rest = split_angle(augmentation.angle)
    variant = _box_mean(_sample(plate, rest, border=BORDERS[config.fill]))
    variant = np.rot90(variant, turns)
    if augmentation.flip_horizontal:
        variant = variant[:, ::-1]
    if augmentation.flip_vertical:
        variant = variant[::-1]
    return np.ascontiguousarray(variant)


def split_angle(angle: float) -> tuple[int, int]:
    """Returns the nearest number of quarter turns, and the rest.

    Args:
        angle: in degrees.

    Returns:
        Quarter turns, 0 to 3, and the rest in 2**-32 degrees, -45 to below 45 degrees.

    >>> split_angle(89.5)
    (1, -2147483648)
    """
    units = round(angle * 2**ANGLE_BITS)  # a product with a power of two is exact
    quarter = 90 * 2**ANGLE_BITS
    turns = (units + quarter // 2) // quarter
    return turns % 4, units - turns * quarter


def sine_cosine(rest: int) -> tuple[int, int]:
    """Returns the sine and the cosine of an angle, in 2**-60, from Taylor's series.

    Args:
        rest: the angle in 2**-32 degrees, -45 to 45 degrees.
    """
    x = abs(rest) * PI // (180 * 2**ANGLE_BITS)
    sums = [0, 0]  # cosine, sine
    term, order = 2**TRIG_BITS, 0
    while term:
        sums[order % 2] += -term if order & 2 else term
        order += 1
        term = (term * x >> TRIG_BITS) // order
    return (sums[1] if rest >= 0 else -sums[1]), sums[0]


def samples_a_side(plate: Plate) -> int:
    """Returns how many samples are taken each way: 256, 512 or 1024."""
    side = min(plate.width, plate.height) / plate.reduction
    samples = 2 * SIDE
    while side / samples > COARSEST_STEP:
        samples *= 2
    return samples


def _sample(plate: Plate, rest: int, *, border: int) -> np.ndarray:
    """Returns the turned central square, bilinearly sampled: uint8 [samples, samples]."""
    samples = samples_a_side(plate)
    along, across = _steps(plate, rest, samples)
    pixels, (x, y) = _window(plate, reach=(samples - 1) * (along + abs(across)))

    # Samples lie at odd multiples of half a step from the centre. Counter-clockwise on
    # the screen, where y points down: x' = x cos - y sin, y' = x sin + y cos. The steps
    # are odd and even, so every coordinate is odd and never half-way between two of
    # remap's positions: a plate upside down gives exactly the variant upside down. Nor
    # does it matter that a negative x, packed below y, takes 1 from it.
    half = 1 << (POSITION_BITS - FRACTION_BITS - 1)
    odd = np.arange(1 - samples, samples, 2, dtype=np.int64)
    row = _pack(odd * along + (x + half), odd * across + (y + half))
    column = _pack(-odd * across, odd * along)

    out = np.empty((samples, samples), np.uint8)
    for start in range(0, samples, CHUNK // samples):
        chunk = slice(start, start + CHUNK // samples)
        whole, fraction = _maps(row + column[chunk, None])
        cv2.remap(pixels, whole, fraction, cv2.INTER_LINEAR, dst=out[chunk], borderMode=border)
    return out


def _steps(plate: Plate, rest: int, samples: int) -> tuple[int, int]:
    """Returns half a step between samples, along and across the axes, in 2**-16 pixels.

    That is its product with the cosine, to the nearest odd number, and with the sine, to
    the nearest even one.
    """
    side = min(plate.width, plate.height)
    half_step = side * 2 ** (POSITION_BITS - 1) // (plate.reduction * samples)  # divides
    sine, cosine = sine_cosine(rest)
    along = 2 * (half_step * cosine >> (TRIG_BITS + 1)) + 1
    across = 2 * ((half_step * abs(sine) + 2**TRIG_BITS) >> (TRIG_BITS + 1))
    return along, across if rest >= 0 else -across


def _window(plate: Plate, *, reach: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Returns the part of the pixels that samples can touch, and the plate's centre in it.

    OpenCV counts pixels in 16 bits; very wide plates have more.

    Args:
        reach: farthest sample from the centre, in 2**-16 pixels, along either axis.

    Returns:
        A view of the pixels, and x and y in 2**-16 pixels, from the centre of its first pixel.
    """
    spans, centre = [], []
    for full, reduced in zip(
        (plate.width, plate.height), reversed(plate.pixels.shape), strict=True
    ):
        # Half of full / reduction, less half a pixel; a power of two divides.
        middle = (full - plate.reduction) * 2 ** (POSITION_BITS - 1) // plate.reduction
        first = max(0, (middle - reach >> POSITION_BITS) - 1)
        last = min(reduced - 1, (middle + reach >> POSITION_BITS) + 2)
        spans.append(slice(first, last + 1))
        centre.append(middle - (first << POSITION_BITS))
    return plate.pixels[spans[1], spans[0]], (centre[0], centre[1])


def _pack(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns two coordinates as one int64 each, so that one addition moves both."""
    packed: np.ndarray = (y << 32) + x
    return packed


def _maps(packed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns positions as `cv2.remap` takes them.

    Args:
        packed: int64 array of shape [rows, columns].

    Returns:
        Whole pixels, int16 array of shape [rows, columns, 2], x before y, and fractions,
        uint16 array of shape [rows, columns]: y in 32nds times 32, plus x in 32nds.
    """
    # Lowest first (little-endian): fraction of x, x, fraction of y, y.
    parts = packed.view(np.uint16).reshape(*packed.shape, 4)
    unused = POSITION_BITS - FRACTION_BITS
    fraction = parts[..., 2] >> unused << FRACTION_BITS
    fraction |= parts[..., 0] >> unused
    return parts[..., 1::2].astype(np.int16), fraction


def _box_mean(samples: np.ndarray) -> np.ndarray:
    """Returns the mean of each square box of samples, halves rounded up: uint8 [128, 128]."""
    size = len(samples) // SIDE
    rows = samples[0::size].astype(np.uint16)  # 64 * 255 at most
    for i in range(1, size):
        rows += samples[i::size]
    sums = rows[:, 0::size].copy()
    for i in range(1, size):
        sums += rows[:, i::size]
    return ((sums + size * size // 2) // (size * size)).astype(np.uint8)
