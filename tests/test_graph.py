"""The Beam graph: whatever engine runs it, shards are those that a plain loop makes."""

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to

from pipeline.build import make_plan
from pipeline.errors import BuildError, cause_of
from pipeline.graph import BuildShards, keyed_rows, run_build, unknown_options
from pipeline.pool import Pool
from pipeline.shard import build_shard
from pipeline.workers import RenderWorkers
from tests.builds import RECIPE, build_arguments, run, shards

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def plan(plates):
    return make_plan(plates, RECIPE)


@pytest.fixture(scope="module")
def loop(plan, tmp_path_factory):
    """(pool, reports) that a plain loop makes."""
    pool = Pool(tmp_path_factory.mktemp("loop"))
    with RenderWorkers(2) as workers:
        reports = [
            build_shard(shard, pool=pool, recipe=RECIPE, workers=workers) for shard in plan.shards
        ]
    return pool, reports


def contents(pool):
    return {path.name: path.read_bytes() for path in pool.folder.iterdir()}


def test_beam_builds_what_a_loop_builds(plan, loop, tmp_path):
    pool = Pool(tmp_path / "beam")
    rows = list(keyed_rows(plan.shards))
    with TestPipeline(runner="FnApiRunner") as pipeline:
        reports = (
            pipeline
            | beam.Create(rows[::-1])  # an engine gives no order
            | BuildShards(pool, RECIPE, processes=2)
        )
        assert_that(reports, equal_to(loop[1]))
    assert contents(pool) == contents(loop[0])


def test_a_finished_shard_is_not_built_again(plan, loop, tmp_path):
    pool = Pool(tmp_path / "pool")
    pool.folder.mkdir()
    for name, content in contents(loop[0]).items():
        (pool.folder / name).write_bytes(content)
    before = {path: path.stat().st_mtime_ns for path in pool.folder.iterdir()}
    with RenderWorkers(1) as workers:
        for shard, report in zip(plan.shards, loop[1], strict=True):
            assert build_shard(shard, pool=pool, recipe=RECIPE, workers=workers) == report
    assert {path: path.stat().st_mtime_ns for path in pool.folder.iterdir()} == before


@pytest.mark.parametrize("name", [None, "DirectRunner", "directrunner"])
def test_the_direct_runner_is_one_engine_on_every_machine(plan, loop, tmp_path, name):
    # Beam's own choice under this name first tries to download a program
    options = PipelineOptions(["--runner", name] if name else [])
    staging = tmp_path / "staging"
    staging.mkdir()
    run_build(
        plan.shards[:1],
        pool=Pool(tmp_path / "pool"),
        recipe=RECIPE,
        base=None,
        staging=staging,
        processes=1,
        options=options,
    )
    assert options.view_as(StandardOptions).runner == "FnApiRunner"
    made = contents(Pool(tmp_path / "pool"))
    assert len(made) == 3
    assert made.items() <= contents(loop[0]).items()


def test_options_that_beam_does_not_know_are_found():
    known = [
        "--project=p", "--region", "r", "--direct_running_mode", "multi_threading",
        "--experiments=x", "--environment_type=LOOPBACK", "--flink_master=[local]",
        "--temp_location", "gs://b/t", "--no_use_public_ips",
    ]  # fmt: skip
    assert unknown_options(known) == []
    assert unknown_options([*known, "--records-per-shrad", "4"]) == ["--records-per-shrad", "4"]
    assert unknown_options(["surplus"]) == ["surplus"]


WRAPPED = """bundle inst001 failed:Traceback (most recent call last):
  File "worker.py", line 3, in process
    yield self._pending.popleft().result()
{first}

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
RuntimeError: {first} [while running 'BuildShards/Build-ptransform-21']
"""


@pytest.mark.parametrize(
    ("first", "kind", "text"),
    [
        ("OSError: [Errno 28] No space left on device", OSError, "No space left on device"),
        ("OSError: [Errno 5] Input/output error: '/a b/c.jpg'", OSError, "/a b/c.jpg"),
        ("pipeline.errors.BuildError: what to do", BuildError, "^what to do$"),
        ("KeyError: 'p001'", BuildError, "the engine failed with KeyError: 'p001'; --debug"),
    ],
)
def test_an_error_that_an_engine_passes_on_as_text_is_found(first, kind, text):
    cause = cause_of(RuntimeError(WRAPPED.format(first=first)))
    with pytest.raises(kind, match=text):
        raise cause


def test_an_error_that_an_engine_wraps_is_found():
    wrapped = RuntimeError("BuildError: something [while running 'Build']")
    wrapped.__cause__ = BuildError("what to do")
    assert cause_of(wrapped) is wrapped.__cause__


def test_an_engine_that_says_nothing_known_is_quoted():
    assert str(cause_of(RuntimeError("worker lost"))) == "the engine failed: worker lost"


THREADS = ("FnApiRunner", "--direct_running_mode", "multi_threading", "--direct_num_workers", 2)
PROCESSES = ("FnApiRunner", "--direct_running_mode", "multi_processing", "--direct_num_workers", 2)
PORTABLE = ("PortableRunner", "--job_endpoint", "embed", "--environment_type", "LOOPBACK")


@pytest.mark.parametrize(
    "runner",
    [
        pytest.param(THREADS, id="threads"),
        pytest.param(PROCESSES, id="processes", marks=pytest.mark.slow),
        pytest.param(PORTABLE, id="portable", marks=pytest.mark.slow),
    ],
)
def test_every_runner_gives_the_same_bytes(plates, built, tmp_path, runner):
    out = tmp_path / "drops"
    done = run(*build_arguments(plates, out, "--runner", *runner))
    assert done.returncode == 0, done.stderr
    assert shards(out / "1.0.0") == shards(built / "1.0.0")
    assert "34 images opened" in done.stdout
