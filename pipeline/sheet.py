"""The contact sheet: a few variants of a few images of each label, from finished shards."""

import dataclasses

import numpy as np

from pipeline.pool import Pool
from pipeline.results import Results
from pipeline.stored import StoredShard
from schemas.draws import uniform
from schemas.records import RECORD_SIDE, decode_record
from schemas.shards import PlannedImage
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
    """Returns a few images of each label of the training split, drawn by name."""
    recipe = results.plan.recipe
    drawn: dict[int, list[tuple[float, PlannedImage, int]]] = {}
    for number, (shard, report) in enumerate(
        zip(results.plan.shards, results.reports, strict=True)
    ):
        if shard.key.split != "train":
            continue
        for image in shard.images:
            if image.image_id in report.images:
                chance = uniform(recipe.seed, "sheet", image.image_id)
                drawn.setdefault(image.label, []).append((chance, image, number))
    sheet = []
    opened: dict[int, StoredShard] = {}
    try:
        for label, images in sorted(drawn.items()):
            for _, image, number in sorted(images, key=lambda entry: entry[0])[:_IMAGES]:
                if number not in opened:
                    report = results.reports[number]
                    opened[number] = StoredShard.open(pool, report, seed=recipe.seed)
                variants = _read_variants(image, opened[number])
                name = recipe.labels.names[label]
                sheet.append(SheetImage(name, image.image_id, image.copies, variants))
    finally:
        for stored in opened.values():
            stored.close()
    return sheet


def _read_variants(image: PlannedImage, shard: StoredShard) -> tuple[np.ndarray, ...]:
    variants = []
    for variant in range(min(image.copies, _VARIANTS)):
        record = decode_record(unframe(shard.read(image.image_id, variant)))
        pixels = np.frombuffer(record.image, np.uint8)
        variants.append(pixels.reshape(RECORD_SIDE, RECORD_SIDE))
    return tuple(variants)
