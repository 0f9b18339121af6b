"""Running the work of a build: in a plain loop, or on an engine."""

import concurrent.futures
import functools
import logging
import os
import shutil
import time
from pathlib import Path
from typing import Any

from pipeline import progress
from pipeline.change import Change
from pipeline.config import BuildConfig
from pipeline.errors import BuildError
from pipeline.pool import Pool
from pipeline.shard import SHARDS_AT_A_TIME, build_shard
from pipeline.workers import RenderWorkers
from schemas.atomic import incomplete_path
from schemas.dataset import DatasetFolder

_DIRECT_RUNNER = "DirectRunner"
# Sources to open for which an engine's start (3 CPU-seconds) is a price worth paying. Below,
# the same step is called in a loop.
_WORTH_AN_ENGINE = 1000
_ENOUGH_TO_TELL = 500  # images, for a rate that says something of the next build


def run_missing(change: Change, config: BuildConfig, dataset: DatasetFolder) -> dict[str, Any]:
    """Builds the shards that the pool lacks, and returns what that took for `metadata.json`.

    Raises:
        BuildError: if there is no room for them, or the engine fails.
        OSError: if a source cannot be read for a reason that may pass.
    """
    dataset.pool.mkdir(exist_ok=True)
    cores = config.processes or len(os.sched_getaffinity(0))
    done: dict[str, Any] = {
        "manifest": str(config.manifest),
        "cores": cores,
        "shards_written": len(change.missing),
        "shards_kept": len(change.plan.shards) - len(change.missing),
    }
    runner, counts, seconds = "none", progress.Counts(), 0.0
    if change.missing:
        _check_space(change, dataset.folder)
        began = time.monotonic()
        runner, counts = _run(change, config, dataset)
        seconds = time.monotonic() - began
    done |= {
        "runner": runner,
        "seconds": seconds,
        "images_opened": counts.opened,
        "records_rendered": counts.rendered,
    }
    rate = change.latest_metadata.get("build", {}).get("images_per_core_second")
    if counts.opened >= _ENOUGH_TO_TELL:
        rate = counts.opened / seconds / cores
    return done | ({"images_per_core_second": rate} if rate else {})


def _run(
    change: Change, config: BuildConfig, dataset: DatasetFolder
) -> tuple[str, progress.Counts]:
    """Builds the shards on what is worth it; returns the runner's name and what was done."""
    before = progress.TALLY.read()
    with progress.shown(change.images):
        if change.work.sources < _WORTH_AN_ENGINE and config.runner == _DIRECT_RUNNER:
            runner = "none"
            _run_plainly(change, config, Pool(dataset.pool))
        else:
            runner = config.runner
            _run_engine(change, config, dataset)
    counts = progress.TALLY.read().since(before)
    if not counts.images:  # counted in other processes: what was planned is all we know
        work = change.work
        counts = progress.Counts(change.images, work.records_to_render, work.sources)
    return runner, counts


def _check_space(change: Change, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if change.bytes > free:
        raise BuildError(
            f"the shards to write take {change.bytes / 1e9:.2f} GB, but {folder} has "
            f"{free / 1e9:.2f} GB free; make room, or choose another --out"
        )


def _run_plainly(change: Change, config: BuildConfig, pool: Pool) -> None:
    with RenderWorkers(config.processes) as workers:
        build = functools.partial(
            build_shard, pool=pool, recipe=config.recipe, workers=workers, base=change.base
        )
        # as in the graph: while one shard is synced, the other goes on
        with concurrent.futures.ThreadPoolExecutor(SHARDS_AT_A_TIME) as lanes:
            shards = lanes.map(build, change.missing)
            _load_the_end()
            for _ in shards:
                pass


def _load_the_end() -> None:
    """Loads what the end of a build needs, while shards are read, digested and written."""
    import pyarrow.parquet  # noqa: F401, PLC0415

    import pipeline.finish  # noqa: F401, PLC0415


def _run_engine(change: Change, config: BuildConfig, dataset: DatasetFolder) -> None:
    """Runs the Beam job."""
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
