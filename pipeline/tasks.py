"""What worker processes are asked for, and what they answer: values that load nothing heavy."""

import dataclasses
from collections.abc import Iterable, Mapping

from schemas.recipe import AugmentConfig, Recipe, RenderConfig
from schemas.shards import PlannedImage


@dataclasses.dataclass(frozen=True)
class VariantConfig:
    """The part of a recipe that decides an image's pixels; see `Recipe`."""

    seed: int
    augment: AugmentConfig
    render: RenderConfig
    digest: str

    @classmethod
    def of(cls, recipe: Recipe) -> "VariantConfig":
        """Returns the part of a recipe that decides pixels."""
        return cls(recipe.seed, recipe.augment, recipe.render, recipe.render_digest())


@dataclasses.dataclass(frozen=True)
class RenderTask:
    """What is to be made of one source.

    Attributes:
        image: the image.
        stored: its variants that an earlier shard has, if the source is what it was.
        stored_digest: SHA-256 of the source that those were made of, or None.
        stored_likeness: likeness of that source's plate.
    """

    image: PlannedImage
    stored: frozenset[int] = frozenset()
    stored_digest: str | None = None
    stored_likeness: str = ""

    def variants(self, content_digest: str) -> Iterable[int]:
        """Returns the variants to render of a source with this content."""
        wanted = range(self.image.copies)
        if content_digest != self.stored_digest:
            return wanted
        return [variant for variant in wanted if variant not in self.stored]


@dataclasses.dataclass(frozen=True)
class ImageRecords:
    """Records of one image.

    Attributes:
        image_id: its name.
        content_digest: SHA-256 of its source, hexadecimal.
        likeness: of its plate.
        framed: framed records, by variant.
    """

    image_id: str
    content_digest: str
    likeness: str
    framed: Mapping[int, bytes]
