"""The Beam graph: rows of the shards to build in, shard reports out.

Only names and labels pass between workers; pixels go from the source to the shard on one.
"""

import collections
import concurrent.futures
import functools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import (
    PipelineOptions,
    StandardOptions,
    _BeamArgumentParser,
)
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.shared import Shared
from apache_beam.utils.timestamp import MIN_TIMESTAMP
from apache_beam.utils.windowed_value import WindowedValue

from pipeline.pool import Pool, ShardReport
from pipeline.reuse import Base
from pipeline.shard import SHARDS_AT_A_TIME, build_shard
from pipeline.workers import RenderWorkers
from schemas.recipe import Recipe
from schemas.shards import PlannedImage, ShardKey, ShardPlan, plan_shard

_ROWS_PER_FILE = 10_000  # 2 MB: far below any engine's bound on an element

# image id, group, label, copies, fingerprint, uri: plain, so that Beam's own coders serve
RowTuple = tuple[str, str, int, int, str, str]


def keyed_rows(plans: Iterable[ShardPlan]) -> Iterator[tuple[str, RowTuple]]:
    """Gives (shard key, row) of every image of some shards."""
    for plan in plans:
        for image in plan.images:
            yield (
                str(plan.key),
                (
                    image.image_id,
                    image.group,
                    image.label,
                    image.copies,
                    image.fingerprint,
                    image.uri,
                ),
            )


class BuildShards(beam.PTransform):  # type: ignore[misc]  # Beam is untyped
    """Builds the shards of the rows it is given, but for those that the pool has.

    Takes (shard key, row); gives `ShardReport`.
    A retry writes the same bytes, since the plan sorts its rows.

    Args:
        pool: where shards go.
        recipe: the recipe.
        base: the version to take records over from, if any.
        processes: render processes of one worker; None: one for each core.
    """

    def __init__(
        self,
        pool: Pool,
        recipe: Recipe,
        *,
        base: Base | None = None,
        processes: int | None = None,
    ):
        super().__init__()
        self._pool = pool
        self._recipe = recipe
        self._base = base
        self._processes = processes

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        """Wires the steps."""
        return (
            rows
            | "GroupByShard" >> beam.GroupByKey()
            # (shard key, [row, ...]): names and labels, never pixels
            | "Plan" >> beam.MapTuple(functools.partial(_plan, recipe_digest=self._recipe.digest()))
            # ShardPlan
            | "Build" >> beam.ParDo(_Build(self._pool, self._recipe, self._base, self._processes))
            # ShardReport
        )


def _plan(key: str, rows: Iterable[RowTuple], recipe_digest: str) -> ShardPlan:
    images = (PlannedImage(*row) for row in rows)
    return plan_shard(ShardKey.parse(key), images, recipe_digest=recipe_digest)


class _Build(beam.DoFn):  # type: ignore[misc]  # Beam is untyped
    """Calls `build_shard`, for a few shards at a time."""

    def __init__(self, pool: Pool, recipe: Recipe, base: Base | None, processes: int | None):
        self._pool = pool
        self._recipe = recipe
        self._base = base
        self._processes = processes
        self._shared = Shared()  # one set of render processes in each worker process

    def setup(self) -> None:
        self._workers = self._shared.acquire(lambda: RenderWorkers(self._processes))
        self._lanes = concurrent.futures.ThreadPoolExecutor(SHARDS_AT_A_TIME)

    def start_bundle(self) -> None:
        self._pending: collections.deque[concurrent.futures.Future[ShardReport]] = (
            collections.deque()
        )

    def process(self, plan: ShardPlan) -> Iterator[ShardReport]:
        while len(self._pending) >= SHARDS_AT_A_TIME:
            yield self._pending.popleft().result()
        self._pending.append(
            self._lanes.submit(
                build_shard,
                plan,
                pool=self._pool,
                recipe=self._recipe,
                workers=self._workers,
                base=self._base,
            )
        )

    def finish_bundle(self) -> Iterator[WindowedValue]:
        while self._pending:
            report = self._pending.popleft().result()
            yield WindowedValue(report, MIN_TIMESTAMP, [GlobalWindow()])

    def teardown(self) -> None:
        self._lanes.shutdown(cancel_futures=True)


def run_build(
    plans: Iterable[ShardPlan],
    *,
    pool: Pool,
    recipe: Recipe,
    base: Base | None,
    staging: Path,
    processes: int | None,
    options: PipelineOptions,
) -> None:
    """Builds shards on the engine that the options name, and waits for it.

    Args:
        plans: the shards to build.
        pool: where they go.
        recipe: the recipe.
        base: the version to take records over from, if any.
        staging: an empty folder that every worker can read; rows pass through it, because
            a job description may hold a few megabytes only.
        processes: render processes of one worker; None: one for each core.
        options: Beam's options.
    """
    files = _stage(plans, staging)
    _use_one_direct_runner(options)
    with beam.Pipeline(options=options) as pipeline:
        (
            pipeline
            | "Files" >> beam.Create(files, reshuffle=False)
            | "ReadRows" >> beam.FlatMap(_read_rows)
            # (shard key, row)
            | "BuildShards" >> BuildShards(pool, recipe, base=base, processes=processes)
            # ShardReport: also written beside each shard, where the launcher reads it
        )


def _use_one_direct_runner(options: PipelineOptions) -> None:
    """Makes `DirectRunner` the same engine on every machine.

    Beam's own choice under that name depends on whether it could download a program.
    """
    standard = options.view_as(StandardOptions)
    if (standard.runner or "DirectRunner").lower() == "directrunner":
        standard.runner = "FnApiRunner"


def unknown_options(arguments: Sequence[str]) -> list[str]:
    """Returns those arguments that are no option of Beam, which itself would pass over them."""
    parser = _BeamArgumentParser(allow_abbrev=False)
    for options in PipelineOptions.__subclasses__():
        options._add_argparse_args(parser)
    return list(parser.parse_known_args(list(arguments))[1])


def _stage(plans: Iterable[ShardPlan], folder: Path) -> list[str]:
    """Writes rows as JSON lines and returns the files' paths."""
    files: list[str] = []
    lines: list[str] = []

    def flush() -> None:
        path = folder / f"rows-{len(files):05d}.jsonl"
        path.write_text("\n".join(lines), encoding="utf-8")
        files.append(str(path))
        lines.clear()

    for key, row in keyed_rows(plans):
        lines.append(json.dumps([key, row]))
        if len(lines) == _ROWS_PER_FILE:
            flush()
    if lines:
        flush()
    return files


def _read_rows(path: str) -> Iterator[tuple[str, RowTuple]]:
    with FileSystems.open(path) as file:
        for line in file.read().split(b"\n"):
            key, row = json.loads(line)
            yield key, tuple(row)
