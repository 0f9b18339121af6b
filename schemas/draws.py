"""Chance that comes from names.

A drawn number is a pure function of a seed and of names, never of a generator
with a state: any worker, in any order, draws the same number for the same thing.
"""

import hashlib
import struct

Name = str | int

_STEP = 2.0**-53  # distance of neighbouring doubles in [0.5, 1)


def encode_names(*names: Name) -> bytes:
    """Returns names as bytes that no other sequence of names shares.

    Each name is written as a type letter, its length (4 bytes, little-endian)
    and its UTF-8 text, so ("ab", "c") differs from ("a", "bc") and 1 from "1".
    Fixed for ever: shard names, splits and augmentations rest on it.

    Raises:
        TypeError: if a name is neither text nor an integer.
    """
    parts = []
    for name in names:
        if isinstance(name, str):
            kind, text = b"s", name.encode()
        elif isinstance(name, int) and not isinstance(name, bool):
            kind, text = b"i", b"%d" % name
        else:
            raise TypeError(f"a name is text or an integer, got {name!r}")
        parts.append(kind + struct.pack("<I", len(text)) + text)
    return b"".join(parts)


def uniform(seed: int, *names: Name) -> float:
    """Returns a number in [0, 1) that depends on the seed and the names alone.

    The upper 53 bits of BLAKE2b's 64-bit digest, so that every value is an
    exact double and the same on every machine.

    >>> uniform(0, "split", "plate-7")
    0.9693944237981474
    """
    digest = hashlib.blake2b(encode_names(seed, *names), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) * _STEP
