"""Memory for images that is used again and again, since new memory is slow.

The kernel clears what it gives away, a page at a time, and a window's images fill 134 MB: that
costs as much as reading them.
"""

import mmap
import weakref
from collections import defaultdict

import numpy as np

from schemas.records import IMAGE_BYTES, RECORD_SIDE

_STEP = 1 << 24  # bytes; blocks are multiples of it, so that windows of nearly one size share them


class ImageMemory:
    """Lends memory for images, and has it back when no array of it is left anywhere.

    TensorFlow takes over arrays without a copy if they are aligned, as pages are, and lets go
    of them when the last tensor over them is gone, in whatever thread.
    """

    def __init__(self) -> None:
        self._free: defaultdict[int, list[mmap.mmap]] = defaultdict(list)  # by size

    def images(self, records: int) -> np.ndarray:
        """Returns an array with anything in it, uint8 of shape [records, 128, 128, 1]."""
        size = max(1, -(-records * IMAGE_BYTES // _STEP)) * _STEP
        free = self._free[size]
        block = free.pop() if free else _new(size)
        # Views have this array as their base, however they are made, and so keep it.
        root = np.frombuffer(block, dtype=np.uint8, count=records * IMAGE_BYTES)
        back = weakref.finalize(root, free.append, block)
        back.atexit = False
        return root.reshape(records, RECORD_SIDE, RECORD_SIDE, 1)


def _new(size: int) -> mmap.mmap:
    block = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):  # Linux: a 500th of the page faults
        block.madvise(mmap.MADV_HUGEPAGE)
    return block
