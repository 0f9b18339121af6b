"""Chance that comes from names.

A drawn number is a pure function of a seed and of names, never of a generator
with a state: any worker, in any order, draws the same number for the same thing.
"""

import functools
import hashlib
import struct

Name = str | int

_STEP = 2.0**-53  # distance of neighbouring doubles in [0.5, 1)


def encode_names(*names: Name) -> bytes:
    """Returns names as bytes that no other sequence of names shares.

    Each name is written as a type letter, its length (4 bytes, little-endian)
    and its UTF-8 text, so ("ab", "c") differs from ("a", "bc") and 1 from "1".
    Fixed for ever: shard names, splits and augmentations rest on it.

    The bytes of a sequence begin with those of its beginning.

    Raises:
        TypeError: if a name is neither text nor an integer.
    """
    return b"".join([_encode(name) for name in names])


def _encode(name: Name) -> bytes:
    if isinstance(name, str):
        text = name.encode()
        return b"s%b%b" % (_length(len(text)), text)
    if isinstance(name, int) and not isinstance(name, bool):
        text = b"%d" % name
        return b"i" + _length(len(text)) + text
    raise TypeError(f"a name is text or an integer, got {name!r}")


_length = struct.Struct("<I").pack


def uniform(seed: int, *names: Name) -> float:
    """Returns a number in [0, 1) that depends on the seed and the names alone.

    The upper 53 bits of BLAKE2b's 64-bit digest, so that every value is an
    exact double and the same on every machine.

    >>> uniform(0, "split", "plate-7")
    0.9693944237981474
    """
    return uniform_of(_beginning(seed, *names[:1]) + encode_names(*names[1:]))


@functools.lru_cache(maxsize=64, typed=True)  # typed: True is no name, though it equals 1
def _beginning(*names: Name) -> bytes:
    """Returns the beginning that draws of one kind, or of one image, have in common."""
    return encode_names(*names)


def uniform_of(encoded: bytes) -> float:
    """Returns `uniform` of what `encode_names` made of the seed and the names."""
    digest = hashlib.blake2b(encoded, digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) * _STEP
