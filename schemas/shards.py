"""Shards: where an image belongs, and names that say what a shard holds."""

import dataclasses
import hashlib
import re
from collections.abc import Iterable, Sequence

from schemas.draws import encode_names, uniform, uniform_of
from schemas.recipe import SPLITS
from schemas.tfds_files import shard_file_name

_KEY = re.compile(rf"({'|'.join(SPLITS)})-(\d{{5,}})-of-(\d{{5,}})")


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class ShardKey:
    """Which shard of a dataset.

    Attributes:
        split: one of `SPLITS`.
        index: number of the shard in its split, from 0.
        count: shards of the split, a power of two.
    """

    split: str
    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.split}-{self.index:05d}-of-{self.count:05d}"

    @classmethod
    def parse(cls, text: str) -> "ShardKey":
        """Returns the key that `str` wrote.

        Raises:
            ValueError: if the text is no shard key.
        """
        match = _KEY.fullmatch(text)
        if not match:
            raise ValueError(f"wanted a shard key such as train-00017-of-00256, got {text!r}")
        return cls(match[1], int(match[2]), int(match[3]))


@dataclasses.dataclass(frozen=True, slots=True)
class PlannedImage:
    """One image of a shard plan: all that decides its records, and where to read it.

    Attributes:
        image_id, group: names, as in the manifest.
        label: index in the label set.
        copies: how many variants it gets, 1 or more.
        fingerprint: changes when the source may have changed.
        uri: where the source lies; decides no byte.
    """

    image_id: str
    group: str
    label: int
    copies: int
    fingerprint: str
    uri: str


@dataclasses.dataclass(frozen=True)
class ShardPlan:
    """What one shard will hold.

    Attributes:
        key: which shard it is.
        images: its images, sorted by id.
        digest: 32 hexadecimal digits of everything that decides its bytes.
    """

    key: ShardKey
    images: tuple[PlannedImage, ...]
    digest: str

    @property
    def name(self) -> str:
        """Name of the shard in the pool, without extension."""
        return f"{self.key}-{self.digest}"

    @property
    def records(self) -> int:
        """Records it will hold if no image is a reject."""
        return sum(image.copies for image in self.images)


def is_shard_name(text: str) -> bool:
    """Returns whether a text is the name of a shard in a pool, as `ShardPlan.name` gives it.

    >>> is_shard_name("train-00017-of-00256-" + "0a" * 16)
    True
    """
    key, _, digest = text.rpartition("-")
    return bool(_KEY.fullmatch(key) and re.fullmatch("[0-9a-f]{32}", digest))


def shard_index(seed: int, image_id: str, count: int) -> int:
    """Returns the shard of an image among `count` shards of its split.

    Of twice as many shards, the image is in 2 i or 2 i + 1.
    """
    return int(uniform(seed, "shard", image_id) * count)


def shard_count(expected_records: float, records_per_shard: int) -> int:
    """Returns the smallest power of two with at most so many expected records a shard."""
    count = 1
    while expected_records > count * records_per_shard:
        count *= 2
    return count


def plan_shard(key: ShardKey, images: Iterable[PlannedImage], *, recipe_digest: str) -> ShardPlan:
    """Returns the plan of one shard; the order of the images does not matter.

    Args:
        key: which shard.
        images: its images.
        recipe_digest: `Recipe.digest()`.
    """
    ordered = tuple(sorted(images, key=lambda image: image.image_id))
    names = [
        encode_names(image.image_id, image.group, image.label, image.copies, image.fingerprint)
        for image in ordered
    ]
    digest = hashlib.sha256(b"".join([encode_names(recipe_digest, str(key)), *names]))
    return ShardPlan(key, ordered, digest.hexdigest()[:32])


def record_order(seed: int, images: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Returns (image id, variant) of every record of a shard, in the shard's order.

    The order is drawn by name, which mixes labels and sets an image's variants apart.

    Args:
        seed: the recipe's seed.
        images: (image id, copies) of each image.
    """
    most = max((copies for _, copies in images), default=0)
    variants = [encode_names(variant) for variant in range(most)]
    drawn = []
    for image_id, copies in images:
        image = encode_names(seed, "order", image_id)  # once for all its variants
        for variant in range(copies):
            drawn.append((uniform_of(image + variants[variant]), image_id, variant))
    drawn.sort()
    return [(image_id, variant) for _, image_id, variant in drawn]


def render_key(render_digest: str, image_id: str, variant: int, content_digest: str) -> str:
    """Returns 32 hexadecimal digits of all that decides the pixels of one variant.

    Args:
        render_digest: `Recipe.render_digest()`.
        image_id: name of the image.
        variant: number of the variant, from 0.
        content_digest: SHA-256 of the source's content, hexadecimal.
    """
    return render_keys(render_digest, image_id, [variant], content_digest)[0]


def render_keys(
    render_digest: str, image_id: str, variants: Iterable[int], content_digest: str
) -> list[str]:
    """Returns `render_key` of several variants of one image."""
    image, content = encode_names(render_digest, image_id), encode_names(content_digest)
    return [
        hashlib.sha256(image + encode_names(variant) + content).hexdigest()[:32]
        for variant in variants
    ]


def version_shard_name(dataset: str, key: ShardKey) -> str:
    """Returns the name of a shard in a version, as tensorflow_datasets wants it.

    >>> version_shard_name("plates", ShardKey("train", 3, 16))
    'plates-train.tfrecord-00003-of-00016'
    """
    return shard_file_name(dataset, key.split, key.index, shards=key.count)
