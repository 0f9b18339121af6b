"""The build: from a manifest to a finished version, doing only what is not done yet."""

import time
from collections.abc import Callable
from pathlib import Path

from pipeline.change import Change, find_change
from pipeline.config import BuildConfig, BuildOutcome
from pipeline.lock import locked
from pipeline.plan import DatasetPlan, plan_dataset
from pipeline.pool import Pool
from pipeline.repair import discard_damaged, relink
from pipeline.sources import find_sources
from schemas.atomic import remove_incomplete
from schemas.corrections import apply_corrections, read_corrections
from schemas.dataset import LEAKS_FILE, DatasetFolder, Version
from schemas.manifest import read_manifest
from schemas.recipe import Recipe


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
    seen = _contents(dataset)
    change = find_change(plan, dataset)
    if change.latest and change.nothing:
        folder = dataset.version_folder(change.latest)
        if config.fail_on_leaks:  # it may have been made without
            from pipeline.refusals import refuse_leaks  # noqa: PLC0415

            refuse_leaks(change.latest_metadata["leaks"], folder / LEAKS_FILE)
        return BuildOutcome(change.latest_metadata, folder, False)
    announce(change)
    stages = {"plan": time.monotonic() - began}
    # NumPy and more: half of the time of a command that finds nothing to do
    from pipeline.run import run_missing  # noqa: PLC0415

    with locked(config.out):
        remove_incomplete(config.out)
        remove_incomplete(dataset.pool)
        if _contents(dataset) != seen:  # another build has ended since
            change = find_change(plan, dataset)
        for shard in change.missing:  # what is left there of a damaged shard
            Pool(dataset.pool).discard(shard.name)
        done = run_missing(change, config, dataset)
        relink(dataset, {shard.name for shard in change.missing})
        stages["shards"] = done.pop("seconds")
        from pipeline.finish import finish  # noqa: PLC0415

        return finish(change, config, dataset, stages=stages, done=done)


def _contents(dataset: DatasetFolder) -> tuple[list[Version], frozenset[str]]:
    """Returns what a build adds to: the finished versions and the finished shards."""
    return dataset.versions(), Pool(dataset.pool).names()
