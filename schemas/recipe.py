"""The recipe of a dataset: every choice that decides its bytes, frozen and checked."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from schemas.labels import PAPER10, LabelSet

SPLITS = ("train", "validation", "test")
BALANCE_MODES = ("none", "train", "all")
FILLS = ("black", "edge", "reflect")

# Raised by hand when the code would give other bytes for the same recipe.
FORMAT_VERSION = 1  # draws, order of records, encoding of a record
KERNEL_VERSION = 1  # pixels of a variant


def canonical_json(value: object) -> str:
    """Returns JSON text that is the same for equal values: keys sorted, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _plain(config: "SplitConfig | AugmentConfig") -> dict[str, float]:
    """Returns the numbers of a config; equal ones, such as 180 and 180.0, are written alike."""
    return {key: value + 0.0 for key, value in dataclasses.asdict(config).items()}


def text_digest(text: str) -> str:
    """Returns the first 128 bits of the SHA-256 of a text, as 32 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclasses.dataclass(frozen=True)
class SplitConfig:
    """Shares of the three splits.

    Attributes:
        train, validation, test: shares of the groups, 0 to 1, adding up to 1.
    """

    train: float = 0.80
    validation: float = 0.05
    test: float = 0.15

    def __post_init__(self) -> None:
        shares = (self.train, self.validation, self.test)
        if not all(0 <= share <= 1 for share in shares):
            raise ValueError(f"shares of the splits must be 0 to 1, got {shares}")
        if not math.isclose(sum(shares), 1, abs_tol=1e-9):
            raise ValueError(f"shares of the splits must add up to 1, got {shares}")


@dataclasses.dataclass(frozen=True)
class BalanceConfig:
    """How many variants the images of a label get.

    Attributes:
        mode: which splits are balanced: "none", "train" or "all".
        target_per_class: records wanted of each label in the training split; the other
            splits get the same in proportion to their images. (Where no image is for
            training, the largest split takes its place.) None: as many as the largest
            label of a split has images.
        total_records: records wanted in all; not together with `target_per_class`.
        max_copies: most variants of one image. None: no bound.
    """

    mode: str = "all"
    target_per_class: int | None = None
    total_records: int | None = None
    max_copies: int | None = None

    def __post_init__(self) -> None:
        if self.mode not in BALANCE_MODES:
            raise ValueError(f"balance must be one of {BALANCE_MODES}, got {self.mode!r}")
        if self.target_per_class is not None and self.total_records is not None:
            raise ValueError("give target_per_class or total_records, not both")
        if self.mode == "none" and (self.target_per_class or self.total_records) is not None:
            raise ValueError("target_per_class and total_records want a split that is balanced")
        for field in ("target_per_class", "total_records", "max_copies"):
            value = getattr(self, field)
            if value is not None and value < 1:
                raise ValueError(f"{field} must be 1 or more, got {value}")


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """Bounds of the random part of a variant.

    Attributes:
        max_rotation: largest turn either way, in degrees, 0 to 180.
        flip_probability: chance of each of the two flips, 0 to 1.
    """

    max_rotation: float = 180.0
    flip_probability: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.max_rotation <= 180:
            raise ValueError(f"max_rotation must be 0 to 180 degrees, got {self.max_rotation}")
        if not 0 <= self.flip_probability <= 1:
            raise ValueError(f"flip_probability must be 0 to 1, got {self.flip_probability}")


@dataclasses.dataclass(frozen=True)
class RenderConfig:
    """How a variant becomes pixels.

    Attributes:
        fill: what stands where rotation reaches beyond the plate: "black" (as the
            paper's tools do), "edge" (nearest pixel) or "reflect" (mirrored plate).
    """

    fill: str = "black"

    def __post_init__(self) -> None:
        if self.fill not in FILLS:
            raise ValueError(f"fill must be one of {FILLS}, got {self.fill!r}")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decides the bytes of a dataset, beside the plates and their labels.

    Attributes:
        seed: seed of every draw, 0 to 2**63 - 1.
        labels: the label set.
        records_per_shard: most expected records in a shard.
    """

    seed: int = 0
    labels: LabelSet = PAPER10
    split: SplitConfig = SplitConfig()
    balance: BalanceConfig = BalanceConfig()
    augment: AugmentConfig = AugmentConfig()
    render: RenderConfig = RenderConfig()
    records_per_shard: int = 8192

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed must be 0 to 2**63 - 1, got {self.seed}")
        if self.records_per_shard < 1:
            raise ValueError(f"records_per_shard must be 1 or more, got {self.records_per_shard}")

    def to_json(self) -> dict[str, object]:
        """Returns the recipe as written to `metadata.json`; `digest` covers all of it.

        Aliases of labels only serve to read a manifest and decide no byte: left out.
        """
        labels = self.labels.to_json()
        del labels["aliases"]
        return {
            "format_version": FORMAT_VERSION,
            "kernel_version": KERNEL_VERSION,
            "seed": self.seed,
            "labels": labels,
            "split": _plain(self.split),
            "balance": dataclasses.asdict(self.balance),
            "augment": _plain(self.augment),
            "render": dataclasses.asdict(self.render),
            "records_per_shard": self.records_per_shard,
        }

    def digest(self) -> str:
        """Returns 32 hexadecimal digits that change with every field."""
        return text_digest(canonical_json(self.to_json()))

    def render_digest(self) -> str:
        """Returns 32 hexadecimal digits of the part that decides pixels, the seed included.

        A record may be taken over by a dataset with another recipe where this is equal.
        """
        parts = (
            KERNEL_VERSION,
            self.seed,
            _plain(self.augment),
            dataclasses.asdict(self.render),
        )
        return text_digest(canonical_json(parts))


def recipe_from_json(value: Mapping[str, Any]) -> Recipe:
    """Returns the recipe that `Recipe.to_json` wrote, without the aliases of its labels."""
    labels = value["labels"]
    return Recipe(
        seed=value["seed"],
        labels=LabelSet(labels["name"], tuple(labels["names"]), frozenset(labels["crystal_names"])),
        split=SplitConfig(**value["split"]),
        balance=BalanceConfig(**value["balance"]),
        augment=AugmentConfig(**value["augment"]),
        render=RenderConfig(**value["render"]),
        records_per_shard=value["records_per_shard"],
    )
