"""Committing a version: the directory that readers open."""

import csv
import datetime
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.leaks import Leak, Leaks
from pipeline.pool import Pool
from pipeline.report import ReportFacts, report_html
from pipeline.results import Results
from pipeline.sheet import contact_sheet
from pipeline.version import TOOL_VERSION
from schemas.atomic import incomplete_path, link, sync
from schemas.catalog import CATALOG_FILE, CatalogRow, write_catalog
from schemas.croissant import croissant_json
from schemas.dataset import (
    CROISSANT_FILE,
    LEAKS_FILE,
    METADATA_FILE,
    METADATA_FORMAT,
    REJECTS_FILE,
    REPORT_FILE,
    DatasetFolder,
    Version,
    version_text,
)
from schemas.index import INDEX_DIRECTORY, index_file_name
from schemas.shards import version_shard_name
from schemas.tfds_files import (
    DATASET_INFO_FILE,
    FEATURES_FILE,
    LABEL_NAMES_FILE,
    SplitFacts,
    dataset_info_json,
    features_json,
    label_names_txt,
)
from schemas.tfrecord import FOOTER_BYTES, HEADER_BYTES

REJECT_COLUMNS = ("image_id", "uri", "label", "split", "reason", "message")


def commit_version(
    results: Results,
    *,
    leaks: Leaks,
    dataset: DatasetFolder,
    name: str,
    version: Version,
    parent: Version | None,
    build: Mapping[str, Any],
) -> dict[str, Any]:
    """Writes a version, whole or not at all, and returns its metadata.

    Args:
        results: what the pool holds for the plan.
        leaks: what was found among its images.
        dataset: where the version goes; its pool holds the shards.
        name: name of the dataset.
        version: number of the version; its folder must not be there.
        parent: the version before it.
        build: what the build did, for `metadata.json` and the report.
    """
    folder = dataset.version_folder(version)
    partial = incomplete_path(folder)
    partial.mkdir()
    try:
        metadata = _metadata(results, name=name, version=version, parent=parent, build=build)
        metadata["leaks"] = leaks.counts()
        _link_shards(partial, results, pool=Pool(dataset.pool), name=name)
        _write_descriptions(partial, results, metadata)
        write_leaks(leaks, partial / LEAKS_FILE)
        _write_report(partial, results, metadata, leaks=leaks, pool=Pool(dataset.pool))
        # all at once: of many files synced one by one, each would wait for the disk
        for path in partial.iterdir():
            if path.stat().st_nlink == 1 or path.is_dir():  # others were synced in the pool
                sync(path)
        # last: a version is one that has it
        _write(partial / DATASET_INFO_FILE, _dataset_info(results, metadata))
        sync(partial / DATASET_INFO_FILE)
        sync(partial)
        partial.rename(folder)
        sync(dataset.folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return metadata


def reject_rows(results: Results) -> Iterator[tuple[str, ...]]:
    """Gives a row of `REJECT_COLUMNS` for every image that could not be used."""
    names = results.plan.recipe.labels.names
    for shard, image, reject in results.rejects():
        yield (
            image.image_id,
            image.uri,
            names[image.label],
            shard.key.split,
            reject.reason,
            reject.message,
        )


def write_rejects(results: Results, path: Path) -> None:
    """Writes the list of the images that could not be used."""
    _write_table(path, REJECT_COLUMNS, reject_rows(results))


def write_leaks(leaks: Leaks, path: Path) -> None:
    """Writes the list of the duplicates across splits and of the label conflicts."""
    _write_table(path, Leak._fields, leaks.rows)


def _write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _metadata(
    results: Results,
    *,
    name: str,
    version: Version,
    parent: Version | None,
    build: Mapping[str, Any],
) -> dict[str, Any]:
    plan = results.plan
    return {
        "format": METADATA_FORMAT,
        "name": name,
        "version": version_text(version),
        "parent": version_text(parent) if parent else None,
        "tool_version": TOOL_VERSION,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "recipe": plan.recipe.to_json(),
        "recipe_digest": plan.recipe.digest(),
        "render_digest": plan.recipe.render_digest(),
        "digests": dict(results.digests),
        # by split, then a number for each label in the order of the label set
        "planned_images": {split: list(numbers) for split, numbers in plan.counts.items()},
        "origins": dict(plan.origins),
        "images": results.images_by_split(),
        "records": results.records_by_split(),
        "quotas": {split: list(quotas) for split, quotas in plan.quotas.by_split.items()},
        "capped": [list(pair) for pair in plan.quotas.capped],
        "bytes": sum(report.bytes for report in results.reports),
        "shards": [
            {
                "key": str(shard.key),
                "pool": report.name,
                "sha256": report.sha256,
                "records": report.records,
                "bytes": report.bytes,
            }
            for shard, report in zip(plan.shards, results.reports, strict=True)
        ],
        "build": dict(build),
    }


def _link_shards(folder: Path, results: Results, *, pool: Pool, name: str) -> None:
    (folder / INDEX_DIRECTORY).mkdir()
    for shard in results.plan.shards:
        file_name = version_shard_name(name, shard.key)
        link(pool.shard_path(shard.name), folder / file_name)
        link(pool.index_path(shard.name), folder / INDEX_DIRECTORY / index_file_name(file_name))


def _write_descriptions(folder: Path, results: Results, metadata: Mapping[str, Any]) -> None:
    recipe, name = results.plan.recipe, metadata["name"]
    catalog = folder / CATALOG_FILE
    write_catalog(_catalog_rows(results, name), catalog)
    write_rejects(results, folder / REJECTS_FILE)
    _write(folder / FEATURES_FILE, features_json(recipe.labels))
    _write(folder / LABEL_NAMES_FILE, label_names_txt(recipe.labels))
    _write(folder / METADATA_FILE, json.dumps(metadata, indent=1) + "\n")
    croissant = croissant_json(
        name=name,
        version=metadata["version"],
        description=_description(metadata),
        labels=recipe.labels,
        splits=results.plan.counts,
        catalog_sha256=hashlib.sha256(catalog.read_bytes()).hexdigest(),
        date_published=metadata["created"][:10],
    )
    _write(folder / CROISSANT_FILE, croissant)


def _catalog_rows(results: Results, name: str) -> Iterator[CatalogRow]:
    labels = results.plan.recipe.labels.names
    for shard, report in zip(results.plan.shards, results.reports, strict=True):
        file_name = version_shard_name(name, shard.key)
        for image in shard.images:
            stored = report.images.get(image.image_id)
            yield CatalogRow(
                image_id=image.image_id,
                uri=image.uri,
                label=labels[image.label],
                label_index=image.label,
                group=image.group,
                split=shard.key.split,
                copies=image.copies if stored else 0,
                shard=file_name if stored else None,
                content_digest=stored.content_digest if stored else None,
            )


def _write_report(
    folder: Path, results: Results, metadata: Mapping[str, Any], *, leaks: Leaks, pool: Pool
) -> None:
    facts = ReportFacts(
        metadata=metadata,
        rejects=list(reject_rows(results)),
        leaks=leaks.rows,
        sheet=contact_sheet(results, pool),
    )
    _write(folder / REPORT_FILE, report_html(facts))


def _description(metadata: Mapping[str, Any]) -> str:
    images = sum(map(sum, metadata["images"].values()))
    records = sum(map(sum, metadata["records"].values()))
    recipe = metadata["recipe"]
    balance = {
        "none": "as unbalanced as the micrographs are",
        "train": "balanced by augmentation in the training split",
        "all": "balanced by augmentation",
    }[recipe["balance"]["mode"]]
    return (
        f"{records:,} grayscale variants, 128x128 pixels, of {images:,} micrographs of "
        f"crystallisation drops, with {len(recipe['labels']['names'])} labels, {balance}. "
        "Every variant is randomly rotated and flipped."
    )


def _dataset_info(results: Results, metadata: Mapping[str, Any]) -> str:
    splits = {}
    for split in results.plan.counts:
        reports = [
            report
            for shard, report in zip(results.plan.shards, results.reports, strict=True)
            if shard.key.split == split
        ]
        lengths = tuple(report.records for report in reports)
        frames = (HEADER_BYTES + FOOTER_BYTES) * sum(lengths)
        splits[split] = SplitFacts(lengths, sum(report.bytes for report in reports) - frames)
    return dataset_info_json(
        name=metadata["name"],
        version=metadata["version"],
        description=_description(metadata),
        splits=splits,
    )


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
