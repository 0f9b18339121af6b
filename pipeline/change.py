"""What a build would do: the plan held against what the dataset already has."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from pipeline.difference import Difference, Known, Work, find_difference, find_work
from pipeline.plan import DatasetPlan
from pipeline.pool import Pool
from pipeline.reuse import Base
from schemas.dataset import DatasetFolder, Version
from schemas.records import IMAGE_BYTES
from schemas.shards import ShardPlan

# A record beside its pixels: names, keys, frame (measured: 190 to 260 bytes).
_RECORD_OVERHEAD = 220
# Images a second on one core, before a build of this dataset has shown its own rate, and
# records taken over a second (docs/benchmarks.md).
_FIRST_GUESS = 150.0
_REUSE_RATE = 15_000.0


@dataclasses.dataclass(frozen=True)
class Change:
    """The difference between a plan and a dataset.

    Attributes:
        plan: the plan.
        latest: newest version of the dataset, or None.
        latest_metadata: its metadata; empty where there is none.
        missing: shards that the pool lacks.
        base: what records may be taken over from, if anything.
        difference: what is new against the newest version; None where there is none.
        work: what there is to do.
    """

    plan: DatasetPlan
    latest: Version | None
    latest_metadata: Mapping[str, Any]
    missing: tuple[ShardPlan, ...]
    base: Base | None
    difference: Difference | None
    work: Work

    @property
    def nothing(self) -> bool:
        """Whether the newest version is just what the plan wants, and the pool whole."""
        return not self.missing and _names(self.latest_metadata) == [
            shard.name for shard in self.plan.shards
        ]

    @property
    def images(self) -> int:
        """Images in the shards to write."""
        return sum(len(shard.images) for shard in self.missing)

    @property
    def bytes(self) -> int:
        """Bytes of the shards to write, about."""
        records = sum(shard.records for shard in self.missing)
        return records * (IMAGE_BYTES + _RECORD_OVERHEAD)

    def seconds(self, cores: int) -> float:
        """Returns the time the build should take on so many cores, in seconds."""
        rate = self.latest_metadata.get("build", {}).get("images_per_core_second")
        rendering = self.work.sources / (rate or _FIRST_GUESS) / cores
        return rendering + self.work.records_to_reuse / _REUSE_RATE


def find_change(plan: DatasetPlan, dataset: DatasetFolder) -> Change:
    """Returns what is left to do: a difference of names."""
    versions = dataset.versions()
    latest = versions[-1] if versions else None
    metadata = dataset.metadata(latest) if latest else {}
    pool = Pool(dataset.pool)
    has, before = pool.names() - _cut(pool, metadata), _names(metadata)
    held = set(before)
    missing = tuple(shard for shard in plan.shards if shard.name not in has)
    if not latest:
        return Change(plan, None, {}, missing, None, None, find_work(missing, None))
    wanted = {shard.name for shard in plan.shards}
    known = Known(pool, (name for name in before if name not in wanted))
    base = Base.of(metadata, plan.recipe)
    return Change(
        plan,
        latest,
        metadata,
        missing,
        base,
        find_difference(
            plan,
            (shard for shard in plan.shards if shard.name not in held),
            known,
            names_before=metadata["recipe"]["labels"]["names"],
        ),
        find_work(missing, known if base else None),
    )


def _cut(pool: Pool, metadata: Mapping[str, Any]) -> set[str]:
    """Returns the names of a version's shards whose files have not the size they had."""
    sizes = {shard["pool"]: shard["bytes"] for shard in metadata.get("shards", ())}
    return {
        name
        for name, size in sizes.items()
        if (path := pool.shard_path(name)).exists() and path.stat().st_size != size
    }


def _names(metadata: Mapping[str, Any]) -> list[str]:
    """Returns the names in the pool of a version's shards."""
    return [shard["pool"] for shard in metadata.get("shards", ())]
