"""Rendering a sample of a version again, from the sources its catalog names."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.decode import UnreadableImage
from pipeline.errors import BuildError
from pipeline.pool import Pool
from pipeline.stored import StoredShard
from pipeline.tasks import RenderTask, VariantConfig
from pipeline.variants import make_records, read_source
from schemas.catalog import CatalogRow
from schemas.dataset import DatasetFolder
from schemas.draws import uniform
from schemas.recipe import recipe_from_json
from schemas.shards import PlannedImage, ShardKey, version_shard_name
from schemas.tfrecord import CorruptShard


def verify_sources(
    folder: Path, metadata: Mapping[str, Any], catalog: Iterable[CatalogRow], *, sample: int
) -> Iterator[tuple[Path, str]]:
    """Gives (path, what is wrong) for images whose records are not what their source gives.

    A source that is gone or was replaced since is named as such: the version is not wrong.

    Args:
        folder: the version's folder.
        metadata: its metadata.
        catalog: its images.
        sample: how many images, drawn by name.
    """
    recipe = recipe_from_json(metadata["recipe"])
    if recipe.render_digest() != metadata["render_digest"]:
        yield folder, "was rendered by another release of the kernel; its sources are not compared"
        return
    pool = Pool(DatasetFolder(folder.parent).pool)
    names = {}
    for facts in metadata["shards"]:
        name = version_shard_name(metadata["name"], ShardKey.parse(facts["key"]))
        names[name] = facts["pool"]
    config = VariantConfig.of(recipe)
    rows = [row for row in catalog if row.shard]
    rows.sort(key=lambda row: uniform(recipe.seed, "deep", row.image_id))
    for row in rows[:sample]:
        path = pool.shard_path(names[row.shard or ""])
        try:
            report = pool.report(path.stem)
            if report is None:
                yield path, "is not in the pool"
                continue
            shard = StoredShard.open(pool, report, seed=recipe.seed)
        except (BuildError, OSError, CorruptShard) as error:
            yield path, f"cannot be compared with its sources: {error}"
            continue
        with contextlib.closing(shard):
            yield from _compare(row, shard, config, path)


def _compare(
    row: CatalogRow, shard: StoredShard, config: VariantConfig, path: Path
) -> Iterator[tuple[Path, str]]:
    image = PlannedImage(row.image_id, row.group, row.label_index, row.copies, "", row.uri)
    try:
        made = make_records(RenderTask(image), read_source(row.uri), config=config)
    except UnreadableImage as error:
        yield Path(row.uri), f"source of {row.image_id!r}: {error}"
        return
    if made.content_digest != row.content_digest:
        yield Path(row.uri), f"source of {row.image_id!r} has other content than when it was read"
        return
    for variant, framed in made.framed.items():
        try:
            same = shard.read(row.image_id, variant) == framed
        except CorruptShard as error:
            yield path, str(error)
            continue
        if not same:
            yield path, f"variant {variant} of {row.image_id!r} is not what its source gives"
