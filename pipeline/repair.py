"""Mending: damaged shards are dropped from the pool, built again, and linked anew."""

import concurrent.futures
import hashlib
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import BuildError
from pipeline.pool import Pool
from schemas.atomic import incomplete_path, link, sync
from schemas.dataset import DatasetFolder
from schemas.index import INDEX_DIRECTORY, index_file_name, index_text
from schemas.shards import ShardKey, version_shard_name
from schemas.tfrecord import FOOTER_BYTES, HEADER_BYTES, read_frames


def discard_damaged(pool: Pool, names: Iterable[str]) -> list[str]:
    """Drops from the pool what is not what its report says, and returns its names.

    Args:
        pool: the pool.
        names: shards to read, every byte of them.
    """
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads:
        sound = threads.map(lambda name: (name, _is_sound(pool, name)), names)
        damaged = [name for name, is_sound in sound if not is_sound]
    for name in damaged:
        pool.discard(name)
    return damaged


def _is_sound(pool: Pool, name: str) -> bool:
    try:
        report = pool.report(name)
    except BuildError:
        return False
    if report is None:
        return not pool.files(name)
    try:
        with pool.shard_path(name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != report.sha256:
                return False
            file.seek(0)
            lengths = [HEADER_BYTES + len(data) + FOOTER_BYTES for _, data in read_frames(file)]
        return pool.index_path(name).read_bytes() == index_text(lengths).encode("ascii")
    except OSError:  # gone, or on a bad spot of the disk
        return False


def relink(dataset: DatasetFolder, names: Collection[str]) -> None:
    """Links sound shards of the pool into the versions that have them.

    They are the bytes that the versions were finished with; a link that already is the
    pool's file, or a copy of it, is left alone.

    Args:
        dataset: the dataset.
        names: names of the shards in the pool.
    """
    pool = Pool(dataset.pool)
    for version in dataset.versions():
        metadata = dataset.metadata(version)
        for facts in metadata["shards"]:
            report = pool.report(facts["pool"]) if facts["pool"] in names else None
            if report is None or report.sha256 != facts["sha256"]:
                continue
            for source, target in _links(dataset.version_folder(version), metadata, facts, pool):
                if not _is_same(source, target):
                    _replace(source, target)


def _links(
    folder: Path, metadata: dict[str, Any], facts: dict[str, Any], pool: Pool
) -> Iterator[tuple[Path, Path]]:
    name = version_shard_name(metadata["name"], ShardKey.parse(facts["key"]))
    yield pool.shard_path(facts["pool"]), folder / name
    yield pool.index_path(facts["pool"]), folder / INDEX_DIRECTORY / index_file_name(name)


def _is_same(source: Path, target: Path) -> bool:
    try:
        return target.samefile(source) or target.read_bytes() == source.read_bytes()
    except OSError:
        return False


def _replace(source: Path, target: Path) -> None:
    partial = incomplete_path(target)
    link(source, partial)
    partial.replace(target)
    sync(target.parent)
