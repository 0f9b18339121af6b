"""Records of finished shards, found by image and variant."""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Mapping, Sequence

from pipeline.pool import Pool, ShardReport, StoredImage
from pipeline.spool import PART_BYTES, Place
from schemas.tfrecord import HEAD_BYTES, CorruptShard, is_frame_head, unframe


@dataclasses.dataclass(frozen=True)
class StoredShard:
    """A finished shard, open for reading single records. Close it after use.

    Attributes:
        images: what it holds, by image id.
    """

    images: Mapping[str, StoredImage]
    _report: ShardReport
    _descriptor: int
    _places: Mapping[tuple[str, int], Place]

    @classmethod
    def open(cls, pool: Pool, report: ShardReport, *, seed: int) -> "StoredShard":
        """Opens a shard of the pool.

        Args:
            pool: the pool.
            report: the shard's report.
            seed: the seed of the recipe it was built with; the order of records follows from it.

        Raises:
            OSError: if its file or its index cannot be read.
            CorruptShard: if its index is none.
        """
        path = pool.index_path(report.name)
        try:
            lines = path.read_text(encoding="ascii").splitlines()
            index = [(int(offset), int(length)) for offset, length in map(str.split, lines)]
        except ValueError as error:
            raise CorruptShard(f"{path} is no index: {error}") from error
        descriptor = os.open(pool.shard_path(report.name), os.O_RDONLY)
        places = {
            record: Place(descriptor, *span)
            for record, span in zip(report.order(seed), index, strict=False)
        }
        return cls(report.images, report, descriptor, places)

    def close(self) -> None:
        """Closes the shard's file."""
        os.close(self._descriptor)

    @functools.cached_property
    def sound(self) -> bool:
        """Whether every record is what the report says, and where the index says.

        One digest over the file costs a tenth of checking its records one by one.
        """
        places = list(self._places.values())
        end = 0
        for place in places:
            if place.offset != end:
                return False
            end += place.length
        if len(places) != self._report.records:
            return False
        try:
            return (
                self._whole_digest(places, Place(self._descriptor, 0, end)) == self._report.sha256
            )
        except OSError:  # shorter than its index says
            return False

    def _whole_digest(self, places: Sequence[Place], whole: Place) -> str | None:
        """Returns the digest of the file, or None if a record does not begin where it should."""
        digest, start, number = hashlib.sha256(), 0, 0
        for part in whole.parts(memoryview(bytearray(PART_BYTES))):
            digest.update(part)
            while number < len(places) and places[number].offset < start + len(part):
                place = places[number]
                head = part[place.offset - start :][:HEAD_BYTES]
                if len(head) < HEAD_BYTES:  # the rest of it is in the next part
                    head = place.head()
                if not is_frame_head(head, place.length):
                    return None
                number += 1
            start += len(part)
        return digest.hexdigest()

    def place(self, image_id: str, variant: int) -> Place:
        """Returns where one record lies.

        Raises:
            CorruptShard: if the index has no such record.
        """
        place = self._places.get((image_id, variant))
        if place is None:
            raise CorruptShard(f"no record of {image_id!r}, variant {variant}, in its index")
        return place

    def read(self, image_id: str, variant: int) -> bytes:
        """Returns the frame of one record.

        Raises:
            CorruptShard: if the file does not hold it as its index says.
        """
        framed = self.place(image_id, variant).read()
        unframe(framed)
        return framed
