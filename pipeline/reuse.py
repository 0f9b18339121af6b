"""Records taken over from the version before: what did not change is not made again."""

import contextlib
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.errors import BuildError
from pipeline.pool import Pool
from pipeline.spool import Place
from pipeline.stored import StoredShard
from schemas.recipe import Recipe
from schemas.records import Facts, FactsPatch, MalformedRecord, decode_record
from schemas.shards import PlannedImage, ShardKey, render_keys, shard_index
from schemas.tfrecord import FOOTER_BYTES, HEADER_BYTES, CorruptShard, frame, unframe

# A record ends with its render_key and its variant (schemas/records.py): far more than
# their bytes, far less than the pixels before them.
_TAIL = 160


@dataclasses.dataclass(frozen=True)
class Base:
    """The version whose records may be taken over.

    Attributes:
        shards: names of its shards in the pool, by split, in the order of their index.
    """

    shards: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, metadata: Mapping[str, Any], recipe: Recipe) -> "Base | None":
        """Returns the base that a version is for a recipe, or None if its pixels differ."""
        if metadata.get("render_digest") != recipe.render_digest():
            return None
        shards: dict[str, list[str]] = {}
        for shard in metadata["shards"]:
            shards.setdefault(ShardKey.parse(shard["key"]).split, []).append(shard["pool"])
        return cls({split: tuple(names) for split, names in shards.items()})


class TakenOver(NamedTuple):
    """Framed records of one image that need not be rendered, by variant.

    Attributes:
        places: those that are what they should be, where they lie.
        patched: those whose label, group or copies had to be changed.
    """

    places: dict[int, Place]
    patched: dict[int, bytes]

    def variants(self) -> frozenset[int]:
        """Returns the variants that were taken over."""
        return frozenset(self.places.keys() | self.patched.keys())


class BaseRecords:
    """The records of a base, opened shard by shard as they are asked for.

    An image is looked for where its name puts it, in whatever number of shards the base
    has; a base shard that is gone or damaged only means that its records are rendered.
    """

    def __init__(self, base: Base | None, *, pool: Pool, recipe: Recipe):
        self._shards = base.shards if base else {}
        self._pool = pool
        self._seed = recipe.seed
        self._render_digest = recipe.render_digest()
        self._opened: dict[str, StoredShard | None] = {}

    def close(self) -> None:
        """Closes the shards that were opened."""
        for shard in self._opened.values():
            if shard:
                shard.close()

    def find(self, image: PlannedImage, *, key: ShardKey) -> StoredShard | None:
        """Returns the shard of the base that holds an image.

        Args:
            image: the image.
            key: the shard it is planned for, the likeliest; but the number of shards may
                be another, and an image may have been pinned to another split.
        """
        names = self._shards.get(key.split, ())
        if len(names) == key.count:
            shard = self._open(names[key.index])
            if shard and image.image_id in shard.images:
                return shard
        for names in self._shards.values():
            shard = self._open(names[shard_index(self._seed, image.image_id, len(names))])
            if shard and image.image_id in shard.images:
                return shard
        return None

    def _open(self, name: str) -> StoredShard | None:
        if name not in self._opened:
            shard = None
            with contextlib.suppress(OSError, BuildError, CorruptShard):
                report = self._pool.report(name)
                if report:
                    shard = StoredShard.open(self._pool, report, seed=self._seed)
            self._opened[name] = shard
        return self._opened[name]

    def take_over(self, image: PlannedImage, shard: StoredShard) -> TakenOver:
        """Returns the records that the image's plan and the base share.

        Label, group and copies are the plan's; pixels and their key the base's. They are
        right for a source whose content is what it was.
        """
        stored = shard.images[image.image_id]
        variants: Sequence[int] = range(min(image.copies, stored.copies))
        if not shard.sound:
            variants = self._undamaged(image.image_id, variants, shard)
        places = {variant: shard.place(image.image_id, variant) for variant in variants}
        before = Facts(stored.label, stored.group, stored.copies)
        now = Facts(image.label, image.group, image.copies)
        if before == now:
            return TakenOver(places, {})
        patch = FactsPatch(image.image_id, before=before, now=now)
        patched = {}
        for variant, place in places.items():
            with contextlib.suppress(MalformedRecord):  # it is rendered then
                patched[variant] = frame(patch.apply(place.read()[HEADER_BYTES:-FOOTER_BYTES]))
        return TakenOver({}, patched)

    def _undamaged(
        self, image_id: str, variants: Iterable[int], shard: StoredShard
    ) -> Sequence[int]:
        """Returns those variants whose records are what they should be; others are rendered."""
        content_digest = shard.images[image_id].content_digest
        keys = render_keys(self._render_digest, image_id, variants, content_digest)
        found = []
        for variant, key in zip(variants, keys, strict=True):
            with contextlib.suppress(OSError, CorruptShard, MalformedRecord):
                framed = shard.read(image_id, variant)
                if key.encode() in framed[-_TAIL - FOOTER_BYTES :]:
                    decode_record(unframe(framed))
                    found.append(variant)
        return found
