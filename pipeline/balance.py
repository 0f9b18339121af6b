"""Balance: how many variants the images of each label get."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

from schemas.draws import uniform
from schemas.recipe import SPLITS, BalanceConfig

_GRID = 1.02  # quotas are powers of this, so that a few label edits change no quota
_BALANCED_SPLITS = {"none": (), "train": ("train",), "all": SPLITS}

Counts = Mapping[str, Sequence[int]]  # images by split, then by label index


@dataclasses.dataclass(frozen=True)
class Quotas:
    """Expected variants of one image, by split and label.

    Attributes:
        by_split: for each split, a quota for each label index; 1 or more.
        capped: (split, label index) pairs that `max_copies` keeps from balance.
    """

    by_split: Mapping[str, tuple[float, ...]]
    capped: tuple[tuple[str, int], ...] = ()

    def copies(self, seed: int, image_id: str, *, split: str, label: int) -> int:
        """Returns how many variants an image gets: its quota, rounded up or down by a draw."""
        quota = self.by_split[split][label]
        whole = int(quota)
        fraction = quota - whole
        if not fraction:
            return whole
        return whole + (uniform(seed, "copy", image_id) < fraction)

    def expected_records(self, counts: Counts, split: str) -> float:
        """Returns the records to expect in a split."""
        return sum(n * q for n, q in zip(counts[split], self.by_split[split], strict=True))


def snap(quota: float) -> float:
    """Returns the nearest power of 1.02, at least 1.

    By multiplication alone: logarithms differ in their last bit between machines.
    """
    below = 1.0
    while below * _GRID <= quota:
        below *= _GRID
    return below * _GRID if quota * quota > below * below * _GRID else below


def balance(counts: Counts, config: BalanceConfig) -> Quotas:
    """Returns the quotas that give every label of a split as many records.

    The target of a split is the size of its largest label unless the config sets it.
    Nothing is discarded: no quota is below 1.
    """
    targets = _targets(counts, config)
    by_split: dict[str, tuple[float, ...]] = {}
    capped = []
    for split, images in counts.items():
        quotas = _quotas(images, targets.get(split, 0))
        if config.max_copies is not None:
            capped += [
                (split, label) for label, quota in enumerate(quotas) if quota > config.max_copies
            ]
            quotas = [min(quota, config.max_copies) for quota in quotas]
        by_split[split] = tuple(quotas)
    return Quotas(by_split, tuple(capped))


def _quotas(images: Sequence[int], target: float) -> list[float]:
    return [snap(max(1.0, target / n)) if n else 1.0 for n in images]


def _targets(counts: Counts, config: BalanceConfig) -> dict[str, float]:
    """Returns the records wanted of each label, for each balanced split."""
    splits = [split for split in _BALANCED_SPLITS[config.mode] if any(counts.get(split, ()))]
    images = {split: sum(counts[split]) for split in counts}
    balanced = sum(images[split] for split in splits)
    if config.total_records is not None and splits:
        # splits that are not balanced have one record an image
        records = max(0, config.total_records - sum(images.values()) + balanced)
        return {
            split: _target_for_total(counts[split], records * images[split] / balanced)
            for split in splits
        }
    if config.target_per_class is not None and splits:
        scale = config.target_per_class / (images.get("train") or max(images.values()))
        return {split: scale * images[split] for split in splits}
    return {split: float(max(counts[split])) for split in splits}


def _target_for_total(images: Sequence[int], total: float) -> float:
    """Returns the target that makes a split's expected records come to `total`.

    The sum grows in small steps with the target; bisection finds the step.
    """
    low, high = 0.0, float(total) + 1
    while not math.isclose(low, high, rel_tol=1e-9):
        middle = (low + high) / 2
        if sum(n * q for n, q in zip(images, _quotas(images, middle), strict=True)) < total:
            low = middle
        else:
            high = middle
    return high
