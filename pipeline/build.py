"""The build: from a manifest to a finished version, doing only what is not done yet."""

import dataclasses
import datetime
import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import progress
from pipeline.change import Change, find_change
from pipeline.commit import commit_version
from pipeline.errors import BuildError
from pipeline.leaks import find_leaks, seen_images
from pipeline.lock import locked
from pipeline.plan import DatasetPlan, plan_dataset
from pipeline.pool import Pool
from pipeline.refusals import check_leaks, check_rejects, refuse_leaks
from pipeline.repair import discard_damaged, relink
from pipeline.results import Results
from pipeline.shard import build_shard
from pipeline.sources import find_sources
from pipeline.workers import RenderWorkers
from schemas.atomic import incomplete_path, remove_incomplete
from schemas.corrections import apply_corrections, read_corrections
from schemas.dataset import LEAKS_FILE, REJECTS_FILE, DatasetFolder, Version, next_version
from schemas.manifest import read_manifest
from schemas.recipe import Recipe
from schemas.tfds_files import check_dataset_name

_DIRECT_RUNNER = "DirectRunner"
# Sources to open for which an engine's start (3 CPU-seconds) is a price worth paying. Below,
# the same step is called in a loop.
_WORTH_AN_ENGINE = 1000
_ENOUGH_TO_TELL = 500  # images, for a rate that says something of the next build


@dataclasses.dataclass(frozen=True)
class BuildConfig:
    """What a build is asked to do.

    Attributes:
        manifest: the manifest's file.
        out: the dataset's folder.
        recipe: the recipe.
        name: name of the dataset, letters, digits and underscores.
        max_reject_fraction: share of images that may be rejects, 0 to 1.
        fail_on_leaks: whether to fail where duplicates stand in more than one split.
        labels_from: file of corrected labels to apply on top of the manifest, or None.
        repair: whether to read the pool's shards again and build the damaged ones anew.
        processes: render processes; None: one for each core.
        runner: name of Beam's runner.
        beam_options: other arguments for Beam, such as `--project`.
    """

    manifest: Path
    out: Path
    recipe: Recipe
    name: str
    max_reject_fraction: float = 0.01
    fail_on_leaks: bool = False
    labels_from: Path | None = None
    repair: bool = False
    processes: int | None = None
    runner: str = "DirectRunner"
    beam_options: Sequence[str] = ()

    def __post_init__(self) -> None:
        check_dataset_name(self.name)
        if not 0 <= self.max_reject_fraction <= 1:
            raise ValueError(f"max_reject_fraction must be 0 to 1, got {self.max_reject_fraction}")
        if self.processes is not None and self.processes < 1:
            raise ValueError(f"processes must be 1 or more, got {self.processes}")


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
        done = _build_missing(change, config, dataset, stages)
        relink(dataset, {shard.name for shard in change.missing})
        return _commit(change, config, dataset, stages=stages, done=done)


def _build_missing(
    change: Change, config: BuildConfig, dataset: DatasetFolder, stages: dict[str, float]
) -> dict[str, Any]:
    """Builds the shards that the pool lacks and returns what that was."""
    dataset.pool.mkdir(exist_ok=True)
    if change.missing:
        _check_space(change, dataset.folder)
        began = time.monotonic()
        before = progress.TALLY.read()
        with progress.shown(change.images):
            if change.work.sources < _WORTH_AN_ENGINE and config.runner == _DIRECT_RUNNER:
                runner = "none"
                _run_plainly(change, config, Pool(dataset.pool))
            else:
                runner = _run_engine(change, config, dataset)
        stages["shards"] = time.monotonic() - began
        counts = progress.TALLY.read().since(before)
        if not counts.images:  # counted in other processes: what was planned is all we know
            work = change.work
            counts = progress.Counts(change.images, work.records_to_render, work.sources)
    else:
        counts = progress.Counts()
        runner = "none"
    cores = config.processes or len(os.sched_getaffinity(0))
    done = {
        "manifest": str(config.manifest),
        "runner": runner,
        "cores": cores,
        "images_opened": counts.opened,
        "records_rendered": counts.rendered,
        "shards_written": len(change.missing),
        "shards_kept": len(change.plan.shards) - len(change.missing),
    }
    if counts.opened >= _ENOUGH_TO_TELL:
        done["images_per_core_second"] = counts.opened / stages["shards"] / cores
    else:
        last = change.latest_metadata.get("build", {}).get("images_per_core_second")
        done |= {"images_per_core_second": last} if last else {}
    return done


def _check_space(change: Change, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if change.bytes > free:
        raise BuildError(
            f"the shards to write take {change.bytes / 1e9:.2f} GB, but {folder} has "
            f"{free / 1e9:.2f} GB free; make room, or choose another --out"
        )


def _run_plainly(change: Change, config: BuildConfig, pool: Pool) -> None:
    with RenderWorkers(config.processes) as workers:
        for shard in change.missing:
            build_shard(shard, pool=pool, recipe=config.recipe, workers=workers, base=change.base)


def _run_engine(change: Change, config: BuildConfig, dataset: DatasetFolder) -> str:
    """Runs the Beam job and returns the name of its runner."""
    logging.disable(logging.WARNING)  # Beam warns that it was installed without Google's clients
    # It takes two CPU-seconds to load; commands that build nothing do without.
    from apache_beam.options.pipeline_options import PipelineOptions  # noqa: PLC0415

    from pipeline.graph import run_build  # noqa: PLC0415

    logging.disable(logging.NOTSET)
    staging = incomplete_path(dataset.pool / "rows")
    staging.mkdir()
    try:
        run_build(
            change.missing,
            pool=Pool(dataset.pool),
            recipe=config.recipe,
            base=change.base,
            staging=staging,
            processes=config.processes,
            options=PipelineOptions(["--runner", config.runner, *config.beam_options]),
        )
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return config.runner


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
    stages["commit"] = time.monotonic() - began
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
