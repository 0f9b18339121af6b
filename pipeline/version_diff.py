"""What differs between two finished versions, read from their catalogs."""

import collections
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import BuildError
from schemas.catalog import CATALOG_FILE, CatalogRow, read_catalog
from schemas.dataset import DatasetFolder, parse_version


@dataclasses.dataclass(frozen=True)
class VersionDiff:
    """What differs between an older and a newer version.

    Attributes:
        relabelled: (label before, label now) to ids of images.
        added, removed: ids of images that only the newer, only the older one has.
        replaced: ids of images whose source has other content, or became or ceased to be
            a reject.
        moved: ids of images that changed their split.
        copies_gained, copies_lost: variants that images of both gained and lost.
        shards_shared: shards of the newer version that the older one has too.
        shards: shards of the newer version.
        recipe: names of the recipe's fields that differ.
    """

    relabelled: Mapping[tuple[str, str], list[str]]
    added: list[str]
    removed: list[str]
    replaced: list[str]
    moved: list[str]
    copies_gained: int
    copies_lost: int
    shards_shared: int
    shards: int
    recipe: list[str]


def open_version(folder: Path) -> tuple[dict[str, Any], dict[str, CatalogRow]]:
    """Returns the metadata and the catalog, by image id, of a version.

    Raises:
        ValueError: if the folder is no finished version.
    """
    version = parse_version(folder.name)
    dataset = DatasetFolder(folder.parent)
    if version is None or version not in dataset.versions():
        raise ValueError(
            f"wanted the folder of a finished version such as drops/1.0.0, got {folder}"
        )
    try:
        catalog = {row.image_id: row for row in read_catalog(folder / CATALOG_FILE)}
    except (OSError, ValueError) as error:
        raise BuildError(f"{folder / CATALOG_FILE} cannot be read: {error}") from error
    return dataset.metadata(version), catalog


def diff_versions(before: Path, now: Path) -> VersionDiff:
    """Returns what differs between two versions.

    Args:
        before: folder of the older version.
        now: folder of the newer one.

    Raises:
        ValueError: if one is no finished version.
        BuildError: if a catalog cannot be read.
    """
    old_metadata, old = open_version(before)
    new_metadata, new = open_version(now)
    relabelled: dict[tuple[str, str], list[str]] = collections.defaultdict(list)
    replaced, moved = [], []
    gained = lost = 0
    for image_id in sorted(old.keys() & new.keys()):
        was, is_now = old[image_id], new[image_id]
        if was.label != is_now.label:
            relabelled[was.label, is_now.label].append(image_id)
        if was.content_digest != is_now.content_digest:
            replaced.append(image_id)
        if was.split != is_now.split:
            moved.append(image_id)
        gained += max(0, is_now.copies - was.copies)
        lost += max(0, was.copies - is_now.copies)
    hashes = {shard["sha256"] for shard in old_metadata["shards"]}
    return VersionDiff(
        relabelled=dict(relabelled),
        added=sorted(new.keys() - old.keys()),
        removed=sorted(old.keys() - new.keys()),
        replaced=replaced,
        moved=moved,
        copies_gained=gained,
        copies_lost=lost,
        shards_shared=sum(shard["sha256"] in hashes for shard in new_metadata["shards"]),
        shards=len(new_metadata["shards"]),
        recipe=_different(old_metadata["recipe"], new_metadata["recipe"]),
    )


def _different(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    names = []
    for name in sorted(before.keys() | now.keys()):
        was, is_now = before.get(name), now.get(name)
        if was == is_now:
            continue
        if isinstance(was, dict) and isinstance(is_now, dict):
            names += [f"{name}.{inner}" for inner in _different(was, is_now)]
        else:
            names.append(name)
    return names
