"""The contact sheet: a few variants of a few images of each label, from finished shards."""

import dataclasses
import os
from pathlib import Path

import numpy as np

from pipeline.pool import Pool, ShardReport
from pipeline.results import Results
from schemas.draws import uniform
from schemas.records import RECORD_SIDE, decode_record
from schemas.shards import PlannedImage, ShardPlan, record_order
from schemas.tfrecord import FOOTER_BYTES, HEADER_BYTES

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
            if image.image_id in report.contents:
                chance = uniform(recipe.seed, "sheet", image.image_id)
                drawn.setdefault(image.label, []).append((chance, image, number))
    sheet = []
    for label, images in sorted(drawn.items()):
        for _, image, number in sorted(images, key=lambda entry: entry[0])[:_IMAGES]:
            variants = _read_variants(
                image, results.plan.shards[number], results.reports[number], pool, recipe.seed
            )
            name = recipe.labels.names[label]
            sheet.append(SheetImage(name, image.image_id, image.copies, variants))
    return sheet


def _read_variants(
    image: PlannedImage, shard: ShardPlan, report: ShardReport, pool: Pool, seed: int
) -> tuple[np.ndarray, ...]:
    kept = [(i.image_id, i.copies) for i in shard.images if i.image_id in report.contents]
    places = {record: place for place, record in enumerate(record_order(seed, kept))}
    index = _read_index(pool.index_path(shard.name))
    variants = []
    with pool.shard_path(shard.name).open("rb") as file:
        for variant in range(min(image.copies, _VARIANTS)):
            offset, length = index[places[image.image_id, variant]]
            framed = os.pread(file.fileno(), length, offset)
            record = decode_record(framed[HEADER_BYTES:-FOOTER_BYTES])
            pixels = np.frombuffer(record.image, np.uint8)
            variants.append(pixels.reshape(RECORD_SIDE, RECORD_SIDE))
    return tuple(variants)


def _read_index(path: Path) -> list[tuple[int, int]]:
    lines = path.read_text(encoding="ascii").splitlines()
    return [(int(offset), int(length)) for offset, length in map(str.split, lines)]
