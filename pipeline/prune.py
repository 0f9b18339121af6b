"""Dropping old versions, and the pool's files that no kept version uses."""

import dataclasses
import shutil
from pathlib import Path

from pipeline.lock import locked
from pipeline.pool import Pool
from schemas.atomic import incomplete_path, remove_incomplete, sync
from schemas.dataset import DatasetFolder, Version

KEEP_FILE = "KEEP"  # a file of this name in a version's folder pins the version


@dataclasses.dataclass(frozen=True)
class Pruning:
    """What pruning drops and keeps.

    Attributes:
        dropped: versions to drop.
        kept: versions to keep, the pinned ones among them.
        pinned: versions that stay for their KEEP file alone.
        shards: names in the pool that no kept version uses.
        bytes: what dropping them frees.
    """

    dropped: tuple[Version, ...]
    kept: tuple[Version, ...]
    pinned: tuple[Version, ...]
    shards: tuple[str, ...]
    bytes: int


def plan_pruning(dataset: DatasetFolder, *, keep: int) -> Pruning:
    """Returns what dropping all but the newest versions would drop.

    Args:
        dataset: the dataset.
        keep: how many versions stay, 1 or more; those with a KEEP file stay beside them.

    Raises:
        ValueError: if `keep` is below 1, or there is no dataset.
    """
    if keep < 1:
        raise ValueError(f"--keep must be 1 or more, got {keep}")
    versions = dataset.versions()
    if not versions:
        raise ValueError(f"wanted a dataset with a finished version, got {dataset.folder}")
    newest = set(versions[-keep:])
    pinned = tuple(
        version
        for version in versions
        if version not in newest and (dataset.version_folder(version) / KEEP_FILE).exists()
    )
    kept = tuple(version for version in versions if version in newest or version in pinned)
    used = {shard["pool"] for version in kept for shard in dataset.metadata(version)["shards"]}
    pool = Pool(dataset.pool)
    unused = tuple(sorted(pool.stems() - used))
    return Pruning(
        dropped=tuple(version for version in versions if version not in kept),
        kept=kept,
        pinned=pinned,
        shards=unused,
        bytes=sum(path.stat().st_size for name in unused for path in pool.files(name)),
    )


def prune(dataset: DatasetFolder, *, keep: int) -> Pruning:
    """Drops all but the newest versions and what only they used; returns what went.

    A version is gone at once: its folder is renamed first and emptied then.

    Raises:
        ValueError: see `plan_pruning`.
        BuildError: if a build is under way.
    """
    plan_pruning(dataset, keep=keep)  # first: a folder that is no dataset gets no lock file
    with locked(dataset.folder):
        pruning = plan_pruning(dataset, keep=keep)
        pool = Pool(dataset.pool)
        for version in pruning.dropped:
            _remove_folder(dataset.version_folder(version))
        for name in pruning.shards:
            pool.discard(name)
        remove_incomplete(dataset.folder)
        remove_incomplete(dataset.pool)
    return pruning


def _remove_folder(folder: Path) -> None:
    going = incomplete_path(folder)
    folder.rename(going)
    sync(folder.parent)
    shutil.rmtree(going)
