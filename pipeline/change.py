"""What a build would do: the plan held against what the dataset already has."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from pipeline.plan import DatasetPlan
from pipeline.pool import Pool
from schemas.dataset import DatasetFolder, Version
from schemas.records import IMAGE_BYTES
from schemas.shards import ShardPlan

# A record beside its pixels: names, keys, frame (measured: 190 to 260 bytes).
_RECORD_OVERHEAD = 220
# Images a second on one core, before a build of this dataset has shown its own rate
# (docs/benchmarks.md).
_FIRST_GUESS = 150.0


@dataclasses.dataclass(frozen=True)
class Change:
    """The difference between a plan and a dataset.

    Attributes:
        plan: the plan.
        latest: newest version of the dataset, or None.
        latest_metadata: its metadata; empty where there is none.
        missing: shards that the pool lacks.
    """

    plan: DatasetPlan
    latest: Version | None
    latest_metadata: Mapping[str, Any]
    missing: tuple[ShardPlan, ...]

    @property
    def nothing(self) -> bool:
        """Whether the newest version is just what the plan wants."""
        has = [shard["pool"] for shard in self.latest_metadata.get("shards", ())]
        return has == [shard.name for shard in self.plan.shards]

    @property
    def images(self) -> int:
        """Images in the shards to write."""
        return sum(len(shard.images) for shard in self.missing)

    @property
    def records(self) -> int:
        """Records in the shards to write."""
        return sum(shard.records for shard in self.missing)

    @property
    def bytes(self) -> int:
        """Bytes of the shards to write, about."""
        return self.records * (IMAGE_BYTES + _RECORD_OVERHEAD)

    def seconds(self, cores: int) -> float:
        """Returns the time the build should take on so many cores, in seconds."""
        rate = self.latest_metadata.get("build", {}).get("images_per_core_second")
        return self.images / (rate or _FIRST_GUESS) / cores


def find_change(plan: DatasetPlan, dataset: DatasetFolder) -> Change:
    """Returns what is left to do: a difference of names."""
    versions = dataset.versions()
    latest = versions[-1] if versions else None
    names = Pool(dataset.pool).names()
    return Change(
        plan,
        latest,
        dataset.metadata(latest) if latest else {},
        tuple(shard for shard in plan.shards if shard.name not in names),
    )
