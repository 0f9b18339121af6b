"""Verifying versions: everything is read again and held against what is said of it."""

import collections
import concurrent.futures
import dataclasses
import functools
import hashlib
import io
import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.pool import Pool
from pipeline.version_diff import open_version
from schemas.catalog import CatalogRow
from schemas.dataset import DatasetFolder, Version
from schemas.index import INDEX_DIRECTORY, index_file_name, index_text
from schemas.records import MalformedRecord, Record, decode_record
from schemas.shards import ShardKey, render_key, version_shard_name
from schemas.tfds_files import DATASET_INFO_FILE, SplitFacts
from schemas.tfrecord import FOOTER_BYTES, HEADER_BYTES, CorruptShard, read_frames

_MOST_FAULTS = 5  # shown of one shard: a file that is cut has thousands


@dataclasses.dataclass(frozen=True)
class Fault:
    """Something that is not as it should be.

    Attributes:
        path: the file or folder.
        message: what is wrong; within a shard, with record number and byte offset.
    """

    path: Path
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


@dataclasses.dataclass(frozen=True)
class _Shard:
    """One shard to verify: its files, and what the version says of it."""

    path: Path
    index: Path
    pool_path: Path
    facts: Mapping[str, Any]  # of `metadata.json`
    images: Mapping[str, CatalogRow]
    render_digest: str


def verify_version(
    folder: Path,
    *,
    processes: int | None = None,
    sample: int = 0,
    on_shard: Callable[[], object] | None = None,
) -> Iterator[Fault]:
    """Gives everything that is wrong with a version.

    Checks checksums and digests of every shard, every record against the catalog, the
    index, that links are what the pool holds, counts, and that no group is in two splits.

    Args:
        folder: the version's folder.
        processes: how many shards are read at a time; default one for each core.
        sample: how many images to render again from their sources.
        on_shard: called when one shard more is verified.

    Raises:
        ValueError: if it is no finished version.
        BuildError: if its catalog cannot be read.
    """
    metadata, catalog = open_version(folder)
    yield from _verify_catalog(folder, metadata, catalog.values())
    yield from _verify_info(folder, metadata)
    pool = Pool(DatasetFolder(folder.parent).pool)
    shards = _shards(folder, metadata, catalog.values(), pool)
    count = processes or len(os.sched_getaffinity(0))
    context = multiprocessing.get_context("forkserver")
    with concurrent.futures.ProcessPoolExecutor(count, mp_context=context) as executor:
        for faults in executor.map(_verify_shard, shards):
            yield from faults
            if on_shard:
                on_shard()
    if sample:
        from pipeline.rerender import verify_sources  # noqa: PLC0415 - OpenCV, only here

        for path, message in verify_sources(folder, metadata, catalog.values(), sample=sample):
            yield Fault(path, message)


def _shards(
    folder: Path, metadata: Mapping[str, Any], catalog: Iterable[CatalogRow], pool: Pool
) -> Iterator[_Shard]:
    images: dict[str, dict[str, CatalogRow]] = collections.defaultdict(dict)
    for row in catalog:
        if row.shard:
            images[row.shard][row.image_id] = row
    for facts in metadata["shards"]:
        name = version_shard_name(metadata["name"], ShardKey.parse(facts["key"]))
        yield _Shard(
            folder / name,
            folder / INDEX_DIRECTORY / index_file_name(name),
            pool.shard_path(facts["pool"]),
            facts,
            images[name],
            metadata["render_digest"],
        )


def _verify_catalog(
    folder: Path, metadata: Mapping[str, Any], catalog: Iterable[CatalogRow]
) -> Iterator[Fault]:
    names = metadata["recipe"]["labels"]["names"]
    splits: dict[str, str] = {}  # of each group
    images: collections.Counter[tuple[str, int]] = collections.Counter()
    records: collections.Counter[tuple[str, int]] = collections.Counter()
    for row in catalog:
        other = splits.setdefault(row.group, row.split)
        if other != row.split:
            yield Fault(folder, f"group {row.group!r} is in {other} and in {row.split}")
        if row.label not in names or names.index(row.label) != row.label_index:
            yield Fault(
                folder,
                f"the catalog gives {row.image_id!r} the label {row.label!r} and the index "
                f"{row.label_index}, which are not the same",
            )
            continue
        images[row.split, row.label_index] += row.shard is not None
        records[row.split, row.label_index] += row.copies
    for what, counted in (("images", images), ("records", records)):
        for split, numbers in metadata[what].items():
            for label, said in enumerate(numbers):
                found = counted[split, label]
                if found != said:
                    yield Fault(
                        folder,
                        f"the catalog has {found} {what} of {names[label]!r} in {split}, "
                        f"metadata.json says {said}",
                    )


def _verify_info(folder: Path, metadata: Mapping[str, Any]) -> Iterator[Fault]:
    """Checks what tensorflow_datasets is told of names and shard lengths."""
    path = folder / DATASET_INFO_FILE
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        names = (info["name"], info["version"])
        told = {
            split["name"]: SplitFacts(
                tuple(int(length) for length in split["shardLengths"]), int(split["numBytes"])
            )
            for split in info["splits"]
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield Fault(path, f"cannot be read: {error}")
        return
    if names != (metadata["name"], metadata["version"]):
        yield Fault(path, "name and version are not as metadata.json says")
    shards: dict[str, list[Mapping[str, Any]]] = collections.defaultdict(list)
    for facts in metadata["shards"]:
        shards[ShardKey.parse(facts["key"]).split].append(facts)
    for split, found in shards.items():
        lengths = tuple(facts["records"] for facts in found)
        size = sum(facts["bytes"] for facts in found)
        wanted = SplitFacts(lengths, size - (HEADER_BYTES + FOOTER_BYTES) * sum(lengths))
        if any(lengths) and told.get(split) != wanted:
            yield Fault(path, f"split {split} is not as metadata.json says")


def _verify_shard(shard: _Shard) -> list[Fault]:
    """Runs in a process of its own."""
    try:
        content = shard.path.read_bytes()
    except OSError as error:
        return [Fault(shard.path, f"cannot be read: {error.strerror}")]
    faults = list(_verify_records(shard, content))
    more = len(faults) - _MOST_FAULTS
    if more > 0:
        faults[_MOST_FAULTS:] = [Fault(shard.path, f"{more} faults more")]
    if hashlib.sha256(content).hexdigest() != shard.facts["sha256"]:
        faults.append(
            Fault(shard.path, f"{len(content)} bytes with another SHA-256 than in metadata.json")
        )
    return faults + list(_verify_link(shard, content))


def _verify_link(shard: _Shard, content: bytes) -> Iterator[Fault]:
    """Checks that the pool holds the same."""
    try:
        if shard.pool_path.samefile(shard.path):
            return
        if shard.pool_path.read_bytes() != content:
            yield Fault(shard.pool_path, f"is not what {shard.path} is")
    except OSError as error:
        yield Fault(shard.pool_path, f"cannot be read: {error.strerror}")


def _verify_records(shard: _Shard, content: bytes) -> Iterator[Fault]:
    left = {
        (image_id, variant)
        for image_id, row in shard.images.items()
        for variant in range(row.copies)
    }
    lengths = []
    try:
        for number, (offset, data) in enumerate(read_frames(io.BytesIO(content))):
            lengths.append(HEADER_BYTES + len(data) + FOOTER_BYTES)
            fault = functools.partial(_record_fault, shard.path, number, offset)
            try:
                record = decode_record(data)
            except MalformedRecord as error:
                yield fault(str(error))
                continue
            difference = _difference(record, shard)
            if difference:
                yield fault(f"image {record.image_id!r} {difference}")
            elif (record.image_id, record.variant) not in left:
                yield fault(f"variant {record.variant} of {record.image_id!r} is there twice")
            left.discard((record.image_id, record.variant))
    except CorruptShard as error:
        yield Fault(shard.path, str(error))
        return
    if left:
        image_id, variant = min(left)
        yield Fault(
            shard.path,
            f"{len(left)} records are missing, such as variant {variant} of {image_id!r}",
        )
    try:
        if shard.index.read_text(encoding="ascii") != index_text(lengths):
            yield Fault(shard.index, "is not the index of its shard")
    except (OSError, UnicodeDecodeError) as error:
        yield Fault(shard.index, f"cannot be read: {error}")


def _difference(record: Record, shard: _Shard) -> str | None:
    """Returns what a record has that its row of the catalog has not, or None."""
    row = shard.images.get(record.image_id)
    if row is None:
        return "is not in this shard, says the catalog"
    found = (record.label, record.group, record.copies)
    said = (row.label_index, row.group, row.copies)
    if found != said:
        return f"has label, group and copies {found}, the catalog says {said}"
    content = row.content_digest or ""
    key = render_key(shard.render_digest, row.image_id, record.variant, content)
    if key != record.render_key:
        return "was rendered of another content than the catalog says"
    return None


def _record_fault(path: Path, number: int, offset: int, message: str) -> Fault:
    return Fault(path, f"record {number} at byte {offset}: {message}")


def versions_to_verify(path: Path) -> list[Path]:
    """Returns the folders of the versions that a path means: a dataset's or one version.

    Raises:
        ValueError: if it is neither.
    """
    dataset = DatasetFolder(path)
    versions: list[Version] = dataset.versions()
    if versions:
        return [dataset.version_folder(version) for version in versions]
    if (path / DATASET_INFO_FILE).is_file():
        return [path]
    raise ValueError(f"wanted a dataset or a version such as drops/1.0.0, got {path}")
