"""What a report tells of, and the numbers that its sections share."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.leaks import Leak
from pipeline.sheet import SheetImage
from schemas.shards import ShardKey

SNAP_RATIO = 1.03  # largest over smallest label that the grid of quotas allows
_DEVIATIONS = 4  # standard deviations that count as chance


@dataclasses.dataclass(frozen=True)
class ReportFacts:
    """A version, as its report tells of it.

    Attributes:
        metadata: as in `metadata.json`.
        leaks: duplicates across splits, and label conflicts.
        rejects: (image id, uri, label, split, reason, message) of every image that
            could not be used.
        sheet: some images of each label.
    """

    metadata: Mapping[str, Any]
    rejects: Sequence[tuple[str, ...]]
    sheet: Sequence[SheetImage]
    leaks: Sequence[Leak] = ()


@dataclasses.dataclass(frozen=True)
class Label:
    """A label: its name and whether it means that there is a crystal."""

    name: str
    crystal: bool


@dataclasses.dataclass(frozen=True)
class SplitNumbers:
    """One split; each sequence has a number for each label.

    Attributes:
        name: "train", "validation" or "test".
        planned: images of the manifest.
        images: images with records.
        records: records written.
        quotas: expected copies of an image.
        capped: labels that `max_copies` keeps from balance.
        balanced: whether the recipe balances the split.
        shards: how many shards it has.
        bytes: their size.
    """

    name: str
    planned: Sequence[int]
    images: Sequence[int]
    records: Sequence[int]
    quotas: Sequence[float]
    capped: frozenset[int]
    balanced: bool
    shards: int
    bytes: int

    @property
    def without_images(self) -> list[int]:
        """Labels that no image of the split has, or no usable one."""
        return [label for label, images in enumerate(self.images) if not images]

    @property
    def extremes(self) -> tuple[int, int] | None:
        """The labels with most and with fewest records, of those that have any."""
        have = [label for label, records in enumerate(self.records) if records]
        if not have:
            return None
        return max(have, key=self.records.__getitem__), min(have, key=self.records.__getitem__)

    @property
    def ratio(self) -> float | None:
        """Records of the largest label over those of the smallest, of those that have any."""
        if self.extremes is None:
            return None
        most, fewest = self.extremes
        return self.records[most] / self.records[fewest]

    @property
    def expected_ratio(self) -> float:
        """The ratio that rounding quotas to a grid, and copies to whole ones, explains."""
        high, low = 1.0, 1.0
        for images, quota in zip(self.planned, self.quotas, strict=True):
            if images:
                fraction = quota % 1
                spread = math.sqrt(images * fraction * (1 - fraction)) / (images * quota)
                high = max(high, 1 + _DEVIATIONS * spread)
                low = min(low, 1 - _DEVIATIONS * spread)
        return SNAP_RATIO * high / low if low > 0 else math.inf


def labels_of(metadata: Mapping[str, Any]) -> list[Label]:
    """Returns the labels of a version, in order."""
    labels = metadata["recipe"]["labels"]
    return [Label(name, name in labels["crystal_names"]) for name in labels["names"]]


def crystal_share(numbers: Sequence[int], labels: Sequence[Label]) -> float:
    """Returns the share that crystal labels have of numbers by label, 0 to 1."""
    crystals = sum(n for n, label in zip(numbers, labels, strict=True) if label.crystal)
    return crystals / max(1, sum(numbers))


def splits_of(metadata: Mapping[str, Any]) -> list[SplitNumbers]:
    """Returns the splits of a version that have an image in its manifest."""
    mode = metadata["recipe"]["balance"]["mode"]
    found = []
    for name, planned in metadata["planned_images"].items():
        shards = [s for s in metadata["shards"] if ShardKey.parse(s["key"]).split == name]
        found.append(
            SplitNumbers(
                name,
                planned=planned,
                images=metadata["images"][name],
                records=metadata["records"][name],
                quotas=metadata["quotas"][name],
                capped=frozenset(label for split, label in metadata["capped"] if split == name),
                balanced=mode in ("all", name),
                shards=len(shards),
                bytes=sum(shard["bytes"] for shard in shards),
            )
        )
    return found
