"""The end of a build: what the pool now holds is checked, and committed as a version."""

import datetime
import time
from collections.abc import Mapping
from typing import Any

from pipeline.change import Change
from pipeline.commit import commit_version
from pipeline.config import BuildConfig, BuildOutcome
from pipeline.errors import BuildError
from pipeline.leaks import find_leaks, seen_images
from pipeline.plan import DatasetPlan
from pipeline.pool import Pool
from pipeline.refusals import check_leaks, check_rejects
from pipeline.results import Results
from schemas.dataset import LEAKS_FILE, REJECTS_FILE, DatasetFolder, Version, next_version


def finish(
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
