"""The plan of a dataset: from manifest rows to the shards it will have.

Planning is one pass over rows that hold names and labels, never pixels: seconds for
half a million of them, so every command plans afresh and compares names.
"""

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from pipeline.balance import Quotas, balance
from pipeline.split import split_of
from schemas.manifest import ManifestRow
from schemas.recipe import SPLITS, Recipe
from schemas.shards import PlannedImage, ShardKey, ShardPlan, plan_shard, shard_count, shard_index


@dataclasses.dataclass(frozen=True)
class Source:
    """Where an image lies and what tells that it may have changed.

    Attributes:
        uri: absolute place of the source.
        fingerprint: its checksum, or its size and time, or "missing".
    """

    uri: str
    fingerprint: str


@dataclasses.dataclass(frozen=True)
class DatasetPlan:
    """Everything a build will do, as a value.

    Attributes:
        recipe: the recipe.
        counts: images by split, then by label index.
        quotas: expected variants of one image.
        shards: the shards, by split, then by index.
        origins: images by where they come from, of those whose origin the manifest tells.
    """

    recipe: Recipe
    counts: Mapping[str, tuple[int, ...]]
    quotas: Quotas
    shards: tuple[ShardPlan, ...]
    origins: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def records(self) -> dict[str, tuple[int, ...]]:
        """Returns the records by split, then by label index, if no image is a reject."""
        sums = {split: [0] * len(self.recipe.labels) for split in self.counts}
        for shard in self.shards:
            for image in shard.images:
                sums[shard.key.split][image.label] += image.copies
        return {split: tuple(numbers) for split, numbers in sums.items()}


def plan_dataset(
    rows: Sequence[ManifestRow], sources: Sequence[Source], *, recipe: Recipe
) -> DatasetPlan:
    """Returns the plan for the rows of a manifest, whatever their order.

    Args:
        rows: the rows, with labels of the recipe's label set.
        sources: the source of each row.
        recipe: the recipe.
    """
    splits = [row.split or split_of(recipe.seed, row.group, recipe.split) for row in rows]
    counts = _count(zip(splits, (row.label for row in rows), strict=True), len(recipe.labels))
    quotas = balance(counts, recipe.balance)
    shards = {
        split: shard_count(quotas.expected_records(counts, split), recipe.records_per_shard)
        for split in counts
    }
    images: dict[ShardKey, list[PlannedImage]] = {
        ShardKey(split, index, count): []
        for split, count in shards.items()
        for index in range(count)
    }
    keys = {(key.split, key.index): found for key, found in images.items()}
    for row, split, source in zip(rows, splits, sources, strict=True):
        copies = quotas.copies(recipe.seed, row.image_id, split=split, label=row.label)
        index = shard_index(recipe.seed, row.image_id, shards[split])
        keys[split, index].append(
            PlannedImage(row.image_id, row.group, row.label, copies, source.fingerprint, source.uri)
        )
    digest = recipe.digest()
    plans = tuple(plan_shard(key, found, recipe_digest=digest) for key, found in images.items())
    origins = collections.Counter(row.origin for row in rows if row.origin)
    return DatasetPlan(recipe, counts, quotas, plans, dict(sorted(origins.items())))


def _count(pairs: Iterable[tuple[str, int]], labels: int) -> dict[str, tuple[int, ...]]:
    """Returns images by split, then by label; a split without images is left out."""
    found = collections.Counter(pairs)
    return {
        split: numbers
        for split in SPLITS
        if any(numbers := tuple(found[split, label] for label in range(labels)))
    }
