"""Measures a build against its targets and prints the tables of `docs/benchmarks.md`.

`python -m benchmarks.build` takes about ten minutes on two quiet cores.
"""

import argparse
import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contenders import VARIANTS
from benchmarks.measure import Usage, run
from benchmarks.pages import put_into
from benchmarks.plates import COLUMNS, Row, draw_plates, linked, repeated, write_manifest
from benchmarks.report import Cost, Findings, tables

PYTHON = sys.executable
TINY = 2  # plates of the run that shows what starting costs
ALIKE = 24  # plates on which the ways are checked to make the same variants
# More than any label can have, so that the cap alone decides: three variants of every image.
THREE_EACH = ("--target-per-class", "1000000000", "--max-copies", str(VARIANTS))
_PATHS = ("--manifest", "MANIFEST", "--out", "OUT")
# The engine is named, since small builds would do without one and be other than large ones.
BUILD = (PYTHON, "-m", "pipeline", "build", *THREE_EACH, "--runner", "FnApiRunner")
PLAN = (PYTHON, "-m", "pipeline", "plan")


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        plates: for the build and for the bare loop.
        slow_plates: for the ways that take twenty times as long.
        many: plates of the build whose memory is compared.
        rows: of the manifest that is planned.
        rounds: runs of each way; of the slow ones, three at most.
    """

    plates: int
    slow_plates: int
    many: int
    rows: int
    rounds: int


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to make the records.

    Attributes:
        command: program and arguments; "MANIFEST" and "OUT" stand for paths.
        plates: how many it is given.
        rounds: how often it is run.
    """

    command: tuple[str, ...]
    plates: int
    rounds: int


def ways(sizes: Sizes) -> dict[str, Way]:
    """Returns what is measured by turns, by name."""

    contender = (PYTHON, "-m", "benchmarks.contenders")
    few = min(3, sizes.rounds)
    fast = {
        "build": (*BUILD, *_PATHS),
        "loop": (*contender, "loop", "MANIFEST", "OUT"),
        "loops": (*contender, "loops", "MANIFEST", "OUT"),
        "one core": (*_on_one_core(BUILD), *_PATHS),
    }
    slow = {
        name: (*contender, name, "MANIFEST", "OUT") for name in ("pool", "pool-defaults", "beam")
    }
    return {name: Way(command, sizes.plates, sizes.rounds) for name, command in fast.items()} | {
        name: Way(command, sizes.slow_plates, few) for name, command in slow.items()
    }


def _on_one_core(command: Sequence[str]) -> tuple[str, ...]:
    core = str(min(os.sched_getaffinity(0)))
    return ("taskset", "-c", core, *command, "--processes", "1")


class Bench:
    """Runs the measurements.

    Args:
        folder: for plates (kept for the next time) and for results (removed at once).
        sizes: how much is measured.
    """

    def __init__(self, folder: Path, sizes: Sizes):
        folder.mkdir(parents=True, exist_ok=True)
        self._load = os.getloadavg()[0]  # before drawing, which is load of our own
        self._folder = folder
        self._sizes = sizes
        _say(f"drawing {sizes.plates} plates, unless {folder} has them")
        self._rows = draw_plates(folder, sizes.plates)

    def findings(self) -> Findings:
        """Measures everything and returns it."""
        rows = self._rows
        alike = self._alike()
        costs = self._costs()
        many = linked(rows, self._sizes.many, self._folder / "many")
        few_usage = self._run("memory", (*BUILD, *_PATHS), rows, sample=True)
        many_usage = self._run("memory", (*BUILD, *_PATHS), many, sample=True)
        one_core = (*_on_one_core(BUILD), *_PATHS)
        return Findings(
            plate_bytes=round(statistics.mean(Path(row["uri"]).stat().st_size for row in rows)),
            load=self._load,
            alike=alike,
            costs=costs,
            few=(len(rows), few_usage),
            many=(len(many), many_usage),
            many_one_core=self._run("one core", one_core, many, sample=True),
            many_loop=self._run("loop", ways(self._sizes)["loop"].command, many),
            rows=self._sizes.rows,
            plan_checksums=self._plan(list(repeated(rows, self._sizes.rows)), "checksum"),
            plan_files=self._plan(
                linked(rows, self._sizes.rows, self._folder / f"linked-{self._sizes.rows}")
            ),
            stages=self._stages(),
        )

    def tidy(self) -> None:
        """Removes everything but the plates."""
        for name in ("wanted", "got"):
            shutil.rmtree(self._folder / name, ignore_errors=True)
        for name in ("plates.csv", "plan.csv", "log.txt"):
            (self._folder / name).unlink(missing_ok=True)

    def _costs(self) -> dict[str, Cost]:
        """Runs the ways by turns, each on two plates and on all of its plates."""
        chosen = ways(self._sizes)
        found: dict[str, list[tuple[Usage, Usage]]] = {name: [] for name in chosen}
        for number in range(self._sizes.rounds):
            for name, way in chosen.items():
                if number < way.rounds:
                    start = self._run(name, way.command, self._rows[:TINY])
                    full = self._run(name, way.command, self._rows[: way.plates])
                    found[name].append((start, full))
        return {
            name: Cost.of(pairs, plates=chosen[name].plates, tiny=TINY)
            for name, pairs in found.items()
        }

    def _alike(self) -> dict[str, float]:
        """Returns how close every way comes to a build's records, PSNR in dB; inf if equal.

        Raises:
            CommandFailed: if one does not make the same variants of the same images.
        """
        rows = self._rows[:ALIKE]
        chosen = ways(self._sizes)
        self._run("build", chosen["build"].command, rows, keep="wanted")
        found = {}
        for name in chosen:
            self._run(name, chosen[name].command, rows, keep="got")
            command = [PYTHON, "-m", "benchmarks.contenders", "compare"]
            command += [str(self._folder / "wanted"), str(self._folder / "got")]
            log = self._folder / "log.txt"
            run(command, log=log)
            found[name] = float(log.read_text(encoding="utf-8").split()[-1])
        return found

    def _plan(self, rows: Sequence[Row], *more_columns: str) -> Usage:
        manifest = write_manifest(
            self._folder / "plan.csv", rows, columns=(*COLUMNS, *more_columns)
        )
        _say(f"plan, {len(rows)} rows")
        paths = ("--manifest", str(manifest), "--out", str(self._folder / "out"))
        return run((*PLAN, *paths), log=self._folder / "log.txt")

    def _stages(self) -> dict[str, float]:
        manifest = write_manifest(
            self._folder / "plates.csv", self._rows[: self._sizes.slow_plates]
        )
        _say("stages of one plate")
        command = (PYTHON, "-m", "benchmarks.stages", str(manifest))
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found: dict[str, float] = json.loads(done.stdout)
        return found

    def _run(
        self,
        name: str,
        command: Sequence[str],
        rows: Sequence[Row],
        *,
        sample: bool = False,
        keep: str = "",
    ) -> Usage:
        """Runs one way on some plates; what it made is removed unless it is to be kept."""
        manifest = write_manifest(self._folder / "plates.csv", rows)
        out = self._folder / (keep or "out")
        shutil.rmtree(out, ignore_errors=True)
        places = {"MANIFEST": str(manifest), "OUT": str(out)}
        usage = run(
            [places.get(part, part) for part in command],
            log=self._folder / "log.txt",
            sample_memory=sample,
        )
        if not keep:
            shutil.rmtree(out)
        _say(f"{name}, {len(rows)} plates: {usage.cpu:.1f} CPU s, {usage.wall:.1f} s")
        return usage


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(argv: Sequence[str]) -> None:
    """Measures, prints the tables, and puts them into a page if asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.build", description=__doc__)
    folder = Path(tempfile.gettempdir()) / "plate-benchmarks"
    parser.add_argument(
        "--folder", type=Path, default=folder, help=f"for plates and results (default: {folder})"
    )
    parser.add_argument("--plates", type=int, default=600)
    parser.add_argument("--slow-plates", type=int, default=120)
    parser.add_argument("--many", type=int, default=6000)
    parser.add_argument("--rows", type=int, default=486_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--into", type=Path, help="a page whose measured part is replaced")
    args = parser.parse_args(argv)
    sizes = Sizes(args.plates, args.slow_plates, args.many, args.rows, args.rounds)
    bench = Bench(args.folder, sizes)
    text = tables(bench.findings())
    bench.tidy()
    print(text)
    if args.into:
        put_into(args.into, text)


if __name__ == "__main__":
    main(sys.argv[1:])
