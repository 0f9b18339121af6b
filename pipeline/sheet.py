"""The contact sheet: a few variants of a few images of each label, from finished shards."""

import contextlib
import dataclasses

import numpy as np

from pipeline.pool import Pool, ShardReport
from pipeline.results import Results
from pipeline.stored import StoredShard
from schemas.draws import uniform
from schemas.recipe import Recipe
from schemas.records import RECORD_SIDE, decode_record
from schemas.shards import PlannedImage, ShardPlan
from schemas.tfrecord import unframe

_IMAGES = 4  # of each label
_VARIANTS = 4  # of each image


@dataclasses.dataclass(frozen=True)
class SheetImage:
    """Some variants of one image, as stored.

    Attributes:
        label: its label, by name.
        image_id: its name.
        copies: how many variants it has in all.
        variants: arrays of uint8, shape [128, 128].
    """

    label: str
    image_id: str
    copies: int
    variants: tuple[np.ndarray, ...]


def contact_sheet(results: Results, pool: Pool) -> list[SheetImage]:
    """Returns a few images of each label of the training split, drawn by name.

    From as few shards as have them, since opening one costs more than reading it.
    """
    recipe = results.plan.recipe
    sheet: dict[int, list[SheetImage]] = {label: [] for label in range(len(recipe.labels))}
    for shard, report in zip(results.plan.shards, results.reports, strict=True):
        if shard.key.split == "train":
            _add_images(sheet, shard, report, recipe=recipe, pool=pool)
        if all(len(images) == _IMAGES for images in sheet.values()):
            break
    return [image for images in sheet.values() for image in images]


def _add_images(
    sheet: dict[int, list[SheetImage]],
    shard: ShardPlan,
    report: ShardReport,
    *,
    recipe: Recipe,
    pool: Pool,
) -> None:
    """Adds images of a shard where a label has not enough yet."""
    short = {label for label, images in sheet.items() if len(images) < _IMAGES}
    images = [i for i in shard.images if i.label in short and i.image_id in report.images]
    if not images:
        return
    images.sort(key=lambda image: uniform(recipe.seed, "sheet", image.image_id))
    with contextlib.closing(StoredShard.open(pool, report, seed=recipe.seed)) as stored:
        for image in images:
            shown = sheet[image.label]
            if len(shown) < _IMAGES:
                name = recipe.labels.names[image.label]
                variants = _read_variants(image, stored)
                shown.append(SheetImage(name, image.image_id, image.copies, variants))


def _read_variants(image: PlannedImage, shard: StoredShard) -> tuple[np.ndarray, ...]:
    variants = []
    for variant in range(min(image.copies, _VARIANTS)):
        record = decode_record(unframe(shard.read(image.image_id, variant)))
        pixels = np.frombuffer(record.image, np.uint8)
        variants.append(pixels.reshape(RECORD_SIDE, RECORD_SIDE))
    return tuple(variants)
