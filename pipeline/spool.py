"""Framed records on their way into a shard: still in another one, or in a file of their own."""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from schemas.tfrecord import HEAD_BYTES

PART_BYTES = 1 << 20  # of a shard, read at a time


class Place(NamedTuple):
    """Where framed records lie: an open file, and bytes of it."""

    descriptor: int
    offset: int
    length: int

    def read(self) -> bytes:
        """Returns the bytes; fewer if the file is cut short."""
        return os.pread(self.descriptor, self.length, self.offset)

    def head(self) -> memoryview:
        """Returns the first bytes, which tell a record's length (`schemas.tfrecord`)."""
        return memoryview(os.pread(self.descriptor, HEAD_BYTES, self.offset))

    def parts(self, memory: memoryview) -> Iterator[memoryview]:
        """Gives the bytes in parts, each until the next one is asked for.

        Args:
            memory: to read into: fresh memory for each part costs more than filling it.

        Raises:
            OSError: if the file is cut short.
        """
        for start in range(0, self.length, len(memory)):
            part = memory[: self.length - start]
            if os.preadv(self.descriptor, [part], self.offset + start) != len(part):
                raise OSError(f"a file was cut short while {len(part)} bytes of it were read")
            yield part


def joined(places: Iterable[Place]) -> Iterator[Place]:
    """Gives the same bytes in the same order in fewer places: neighbours become one."""
    descriptor, offset, length = -1, 0, 0
    for place in places:
        if place.descriptor == descriptor and place.offset == offset + length:
            length += place.length
            continue
        if length:
            yield Place(descriptor, offset, length)
        descriptor, offset, length = place
    if length:
        yield Place(descriptor, offset, length)


class Spool:
    """Framed records of one shard, kept in a file in the order they come.

    Images are finished in any order and their records stand all over the shard; a file
    (in the page cache, and gone soon) keeps them out of the process's memory.
    """

    def __init__(self, descriptor: int):
        self._descriptor = descriptor
        self._places: dict[tuple[str, int], Place] = {}
        self._end = 0

    def refer(self, image_id: str, places: Mapping[int, Place]) -> None:
        """Takes records of one image, by variant, that stay where they are."""
        for variant, place in places.items():
            self._places[image_id, variant] = place

    def add(self, image_id: str, framed: Mapping[int, bytes]) -> None:
        """Takes records of one image, by variant."""
        block = memoryview(b"".join(framed.values()))
        at = self._end
        for variant, record in framed.items():
            self._places[image_id, variant] = Place(self._descriptor, at, len(record))
            at += len(record)
        while block:
            written = os.pwrite(self._descriptor, block, self._end)
            self._end += written
            block = block[written:]

    def place(self, image_id: str, variant: int) -> Place:
        """Returns where one record lies.

        Raises:
            KeyError: if it was not added.
        """
        return self._places[image_id, variant]
