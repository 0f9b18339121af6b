"""Builds of small drawn plates, and what they made."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from pipeline.build import build
from pipeline.config import BuildConfig, BuildOutcome
from schemas.catalog import CATALOG_FILE, CatalogRow, read_catalog
from schemas.recipe import Recipe
from schemas.records import Record, decode_record
from schemas.tfrecord import read_frames

ROOT = Path(__file__).parent.parent
NAME = "drops"
RECIPE = Recipe(records_per_shard=32)  # the drawn plates of `tests.plates` fill four shards


def command(*arguments: object) -> list[str]:
    """Returns the command line of `python -m pipeline`."""
    return [sys.executable, "-m", "pipeline", *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def run(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    """Runs `python -m pipeline` to its end."""
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        env=environment(),
        timeout=240,
        check=False,
        **options,
    )


def start(*arguments: object) -> subprocess.Popen[str]:
    """Starts `python -m pipeline` as the leader of its own group of processes."""
    return subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )


def build_arguments(manifest: Path, out: Path, *more: object) -> list[object]:
    """Returns the arguments of a `build` command that does what `build_quietly` does."""
    shards = RECIPE.records_per_shard
    fixed = ("--manifest", manifest, "--out", out, "--name", NAME, "--records-per-shard", shards)
    return ["build", *fixed, *more]


def build_quietly(manifest: Path, out: Path, recipe: Recipe = RECIPE, **config) -> BuildOutcome:
    """Builds in this process, and says nothing."""
    options = {"name": NAME, "processes": 2, **config}
    return build(
        BuildConfig(manifest=manifest, out=out, recipe=recipe, **options), announce=lambda _: None
    )


def versions(out: Path) -> list[str]:
    """Returns the names of all finished versions, in order of their names."""
    return sorted(path.parent.name for path in out.glob("*/dataset_info.json"))


def shards(version: Path) -> dict[str, str]:
    """Returns the digest of each shard of a version, by name."""
    paths = version.glob("*.tfrecord-*")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}


def records(version: Path) -> Iterator[Record]:
    """Gives every record of a version, shard by shard."""
    for path in sorted(version.glob("*.tfrecord-*")):
        with path.open("rb") as stream:
            for _, data in read_frames(stream):
                yield decode_record(data)


def catalog(version: Path) -> dict[str, CatalogRow]:
    """Returns the rows of a version's catalog by image id."""
    return {row.image_id: row for row in read_catalog(version / CATALOG_FILE)}


def metadata(version: Path) -> dict:
    return json.loads((version / "metadata.json").read_text(encoding="utf-8"))


def snapshot(folder: Path) -> dict[str, tuple]:
    """Returns what a change of any file or folder would change."""
    found = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        status = path.stat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        found[str(path.relative_to(folder))] = (status.st_mtime_ns, status.st_mode, content)
    return found


def leftovers(out: Path) -> list[str]:
    """Returns what unfinished writers left behind."""
    return [str(path) for path in out.rglob("incomplete.*")]


def wait_until(condition: Callable[[], bool], *, what: str, seconds: float = 60) -> None:
    """Waits for something that must come."""
    import time

    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.02)


def descendants(pid: int) -> list[psutil.Process]:
    """Returns a process and all that came of it."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def assert_gone(processes: list[psutil.Process]) -> None:
    """Checks that processes end by themselves."""
    _, alive = psutil.wait_procs(processes, timeout=20)
    alive = [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]
    assert not alive, f"left behind: {alive}"
