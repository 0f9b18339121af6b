"""Search for near-duplicates: pairs of likenesses that differ in a few bits.

Not every pair is compared: of half a million plates there are 10**11. The bits are dealt
into bands, and only plates that agree in all bits of some band are compared.
"""

from collections.abc import Iterator

import numpy as np

from pipeline.likeness_bits import BITS, FLIPS, turn
from schemas.draws import uniform

FARTHEST = 20  # bits in which near-duplicates may differ, of 256
BANDS = 8  # of one dealing; pairs that differ in fewer bits than this are all found

_DEALINGS = 4  # one misses a third of the pairs that differ in 20 bits, four miss 1 %
_MOST_COMPARED = 32  # plates of one band that each is compared with
_MANY = 16  # pairs; plates that have so many are not compared with one another any more
_AT_A_TIME = 1 << 16  # plates or pairs; bounds the memory


def find_near(words: np.ndarray) -> np.ndarray:
    """Returns the pairs of plates that look alike, turned and flipped as may be.

    All pairs that differ in fewer than `BANDS` bits are found, nearly all of those that
    differ in up to `FARTHEST`, none of the others. Of many plates that are all alike each is
    paired with some of the others only, so that time and memory stay in proportion to the
    plates; through those pairs all of them are still joined.

    Args:
        words: likenesses, uint64 array of shape [plates, 4], sorted, all different.

    Returns:
        int64 array of shape [pairs, 3]: two rows of `words`, the lower one first, and the
        bits in which they differ; sorted.
    """
    pairs = np.zeros((0, 3), np.int64)
    for dealing in range(_DEALINGS):
        order = _deal(dealing)
        hands, flips = _dealt(words, order), _dealt(FLIPS, order)
        for band in range(BANDS):
            has_many = np.bincount(pairs[:, :2].ravel(), minlength=len(words)) >= _MANY
            found: list[np.ndarray] = []
            for first, second in _sharing(_band_keys(hands, flips, band)):
                wanted = ~(has_many[first] & has_many[second])
                found += _compared(words, first[wanted], second[wanted])
            if found:
                pairs = _without_repeats(np.concatenate([pairs, *found]))
    return pairs


def _deal(dealing: int) -> np.ndarray:
    """Returns the bits in an order drawn by name, both halves in the same."""
    half = BITS // 2  # turns exchange the halves of a likeness
    drawn = np.argsort([uniform(0, "near", dealing, bit) for bit in range(half)])
    return np.concatenate([drawn, drawn + half])


def _dealt(words: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Returns the bits of words in another order, uint16 array of shape [words, 2 * `BANDS`]."""
    content = words.astype(">u8").view(np.uint8).reshape(len(words), BITS // 8)
    parts = [np.zeros((0, BITS // 8), np.uint8)]
    for start in range(0, len(content), _AT_A_TIME):
        bits = np.unpackbits(content[start : start + _AT_A_TIME], axis=1)
        parts.append(np.packbits(np.take(bits, order, axis=1), axis=1))
    return np.concatenate(parts).view(np.uint16)


def _band_keys(hands: np.ndarray, flips: np.ndarray, band: int) -> np.ndarray:
    """Returns a number for each plate, equal if two agree in a band, turned and flipped or not.

    Args:
        hands: dealt likenesses.
        flips: dealt `FLIPS`.
        band: number of the band.

    Returns:
        uint32 array of shape [plates].
    """
    keys = np.full(len(hands), 2**32 - 1, np.uint32)
    for flip in flips:
        upper = (hands[:, band] ^ flip[band]).astype(np.uint32)
        lower = (hands[:, band + BANDS] ^ flip[band + BANDS]).astype(np.uint32)
        np.minimum(keys, upper << 16 | lower, out=keys)
        np.minimum(keys, lower << 16 | upper, out=keys)
    return keys


def _sharing(keys: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Gives pairs of rows with equal keys, in two int64 arrays of the same length."""
    # sorted as one number, since numbers are sorted far faster than places by their number
    together = keys.astype(np.uint64) << 32 | np.arange(len(keys), dtype=np.uint64)
    together.sort()
    keys, order = together >> 32, (together & (2**32 - 1)).astype(np.int64)
    places = np.arange(len(keys))
    for step in range(1, _MOST_COMPARED + 1):
        places = places[places < len(keys) - step]
        places = places[keys[places] == keys[places + step]]
        if not len(places):
            return
        yield order[places], order[places + step]


def _without_repeats(pairs: np.ndarray) -> np.ndarray:
    """Returns the different ones among pairs, sorted."""
    # as one number each, which sorts far faster than rows do
    numbers = np.sort(pairs[:, 0] << 35 | pairs[:, 1] << 8 | pairs[:, 2])
    numbers = numbers[np.diff(numbers, prepend=-1) > 0]
    return np.stack([numbers >> 35, numbers >> 8 & (2**27 - 1), numbers & 255], axis=1)


def _compared(words: np.ndarray, first: np.ndarray, second: np.ndarray) -> Iterator[np.ndarray]:
    """Gives those of some pairs that are near, in arrays as of `find_near`."""
    for start in range(0, len(first), _AT_A_TIME):
        one, other = first[start : start + _AT_A_TIME], second[start : start + _AT_A_TIME]
        bits = np.full(len(one), BITS)
        for way in (words[other], turn(words[other])):
            for flip in FLIPS:
                differing = np.bitwise_count(words[one] ^ way ^ flip)
                np.minimum(bits, differing.sum(axis=1, dtype=np.int64), out=bits)
        near = bits <= FARTHEST
        if near.any():
            yield np.stack([one[near], other[near], bits[near]], axis=1)
