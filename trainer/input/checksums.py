"""Checksums of many TFRecord frames at once; `schemas.tfrecord` has the format."""

import functools

import google_crc32c
import numpy as np

from schemas.tfrecord import FOOTER_BYTES, HEADER_BYTES, frame

_MASK_DELTA = np.uint32(0xA282EAD8)  # tensorflow/core/lib/hash/crc32c.h


def are_sound(raw: np.ndarray, starts: np.ndarray) -> bool:
    """Returns whether frames lie where they should, and all their checksums hold.

    Args:
        raw: the frames, one behind the other, uint8 array.
        starts: where each frame starts, and where the last one ends, int64 array.
    """
    if np.diff(starts).min() < HEADER_BYTES + FOOTER_BYTES:
        return False
    begins, ends = starts[:-1] + HEADER_BYTES, starts[1:] - FOOTER_BYTES
    headers = b"".join([_header(length) for length in (ends - begins).tolist()])
    if not np.array_equal(_bytes_at(raw, starts[:-1], HEADER_BYTES), _as_rows(headers)):
        return False
    view, crc = raw.data, google_crc32c.value
    places = zip(begins.tolist(), ends.tolist(), strict=True)
    found = np.array([crc(bytes(view[begin:end])) for begin, end in places], dtype=np.uint32)
    masked = (found >> np.uint32(15) | found << np.uint32(17)) + _MASK_DELTA
    footers = _bytes_at(raw, ends, FOOTER_BYTES).view("<u4")[:, 0]
    return np.array_equal(masked, footers)


@functools.lru_cache(maxsize=4096)
def _header(length: int) -> bytes:
    """Returns what stands before data of a length: the length and its checksum."""
    return frame(bytes(length))[:HEADER_BYTES]


def _as_rows(headers: bytes) -> np.ndarray:
    return np.frombuffer(headers, dtype=np.uint8).reshape(-1, HEADER_BYTES)


def _bytes_at(raw: np.ndarray, at: np.ndarray, count: int) -> np.ndarray:
    """Returns the bytes at some places, uint8 array of shape [places, count]."""
    found: np.ndarray = raw[at[:, None] + np.arange(count)]
    return found
