"""The build: from a manifest to a finished version, doing only what is not done yet."""

import dataclasses
import datetime
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.change import Change, find_change
from pipeline.commit import commit_version
from pipeline.config import BuildConfig
from pipeline.errors import BuildError
from pipeline.leaks import find_leaks, seen_images
from pipeline.lock import locked
from pipeline.plan import DatasetPlan, plan_dataset
from pipeline.pool import Pool
from pipeline.refusals import check_leaks, check_rejects, refuse_leaks
from pipeline.repair import discard_damaged, relink
from pipeline.results import Results
from pipeline.run import run_missing
from pipeline.sources import find_sources
from schemas.atomic import remove_incomplete
from schemas.corrections import apply_corrections, read_corrections
from schemas.dataset import LEAKS_FILE, REJECTS_FILE, DatasetFolder, Version, next_version
from schemas.manifest import read_manifest
from schemas.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class BuildOutcome:
    """How a build ended.

    Attributes:
        metadata: of the newest version.
        folder: where that version lies.
        committed: whether this build made it; False where nothing had changed.
    """

    metadata: Mapping[str, Any]
    folder: Path
    committed: bool


def make_plan(manifest: Path, recipe: Recipe, *, labels_from: Path | None = None) -> DatasetPlan:
    """Returns the plan for a manifest.

    Args:
        manifest: the manifest's file.
        recipe: the recipe.
        labels_from: a file of corrected labels to apply on top of it.

    Raises:
        ManifestError: with every fault of the manifest or of the corrections.
        ValueError: if an image is corrected that the manifest has not.
        OSError: if a file cannot be read.
    """
    with manifest.open("rb") as stream:
        rows = read_manifest(stream, labels=recipe.labels, name=str(manifest))
    if labels_from:
        with labels_from.open("rb") as stream:
            corrections = read_corrections(stream, labels=recipe.labels, name=str(labels_from))
        rows = apply_corrections(rows, corrections, name=str(labels_from))
    return plan_dataset(rows, find_sources(rows, manifest), recipe=recipe)


def build(config: BuildConfig, *, announce: Callable[[Change], None]) -> BuildOutcome:
    """Makes the dataset what the manifest and the recipe say.

    Args:
        config: what to build.
        announce: told what is about to be done.

    Raises:
        ManifestError, BuildError, ValueError: with a message for a person.
    """
    dataset = DatasetFolder(config.out)
    dataset.check()
    began = time.monotonic()
    plan = make_plan(config.manifest, config.recipe, labels_from=config.labels_from)
    if config.repair and dataset.pool.is_dir():
        names = {shard.name for shard in plan.shards}
        with locked(config.out):
            damaged = discard_damaged(Pool(dataset.pool), sorted(names))
            relink(dataset, names.difference(damaged))
    change = find_change(plan, dataset)
    if change.latest and change.nothing:
        folder = dataset.version_folder(change.latest)
        if config.fail_on_leaks:  # it may have been made without
            refuse_leaks(change.latest_metadata["leaks"], folder / LEAKS_FILE)
        return BuildOutcome(change.latest_metadata, folder, False)
    announce(change)
    stages = {"plan": time.monotonic() - began}
    with locked(config.out):
        remove_incomplete(config.out)
        remove_incomplete(dataset.pool)
        change = find_change(plan, dataset)  # another build may have ended since
        for shard in change.missing:  # what is left there of a damaged shard
            Pool(dataset.pool).discard(shard.name)
        done = run_missing(change, config, dataset)
        relink(dataset, {shard.name for shard in change.missing})
        stages["shards"] = done.pop("seconds")
        return _commit(change, config, dataset, stages=stages, done=done)


def _commit(
    change: Change,
    config: BuildConfig,
    dataset: DatasetFolder,
    *,
    stages: dict[str, float],
    done: Mapping[str, Any],
) -> BuildOutcome:
    """Commits a version of what the pool now holds, if it differs from the newest one."""
    began = time.monotonic()
    results = read_results(change.plan, Pool(dataset.pool))
    check_rejects(results, most=config.max_reject_fraction, folder=dataset.folder)
    stages["check"] = time.monotonic() - began
    began = time.monotonic()
    leaks = find_leaks(seen_images(results))
    if config.fail_on_leaks:
        check_leaks(leaks, dataset.folder)
    stages["leaks"] = time.monotonic() - began
    version = _version(results, change)
    if version is None:
        assert change.latest is not None
        return BuildOutcome(change.latest_metadata, dataset.version_folder(change.latest), False)
    metadata = commit_version(
        results,
        leaks=leaks,
        dataset=dataset,
        name=config.name,
        version=version,
        parent=change.latest,
        build={
            **done,
            "stages": stages,
            "seconds": sum(stages.values()),
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        },
    )
    for listed in (REJECTS_FILE, LEAKS_FILE):  # of an earlier build that failed
        (config.out / listed).unlink(missing_ok=True)
    return BuildOutcome(metadata, dataset.version_folder(version), True)


def read_results(plan: DatasetPlan, pool: Pool) -> Results:
    """Returns what the pool holds for a plan.

    Raises:
        BuildError: if a shard is not there, or its size is not what its report says.
    """
    reports = []
    for shard in plan.shards:
        report = pool.report(shard.name)
        if report is None:
            raise BuildError(
                f"shard {shard.name} was not built, though the engine reported no error; "
                "run the same command again"
            )
        size = pool.shard_path(shard.name).stat().st_size
        if size != report.bytes:
            raise BuildError(
                f"shard {pool.shard_path(shard.name)} has {size} bytes, its report says "
                f"{report.bytes}; remove it and run the same command again"
            )
        reports.append(report)
    return Results(plan, reports)


def _version(results: Results, change: Change) -> Version | None:
    """Returns the number of the version to commit, or None where nothing has changed."""
    digests, latest = results.digests, change.latest_metadata
    before = latest.get("digests", {})
    return next_version(
        change.latest,
        same_recipe=results.plan.recipe.digest() == latest.get("recipe_digest"),
        same_images=digests["images"] == before.get("images"),
        same_labels=digests["labels"] == before.get("labels"),
    )
