"""Measures what a change costs against a build from nothing; tables of `docs/regeneration.md`.

`python -m benchmarks.regenerate` takes about ten minutes on two quiet cores, five of
them for drawing the plates the first time.
"""

import argparse
import csv
import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.estimate import PLATES, estimate_table
from benchmarks.leaks import leak_table
from benchmarks.measure import Usage, run
from benchmarks.pages import machine_line, markdown_table, put_into
from benchmarks.plates import Row, write_manifest

_BUILD = (sys.executable, "-m", "pipeline", "build")
_CONFUSABLE = {"clear": "light precipitate", "small crystals": "medium crystals"}


@dataclasses.dataclass(frozen=True)
class Case:
    """One kind of change.

    Attributes:
        name: what changes.
        target: the most that it may cost, as a share of a build from nothing; None: in
            proportion to the records that are new.
        edit: takes the rows of the base, spare rows and the round; gives the rows now.
    """

    name: str
    target: float | None
    edit: Callable[[list[Row], list[Row], int], list[Row]]


@dataclasses.dataclass(frozen=True)
class Run:
    """One measured build and what it said of itself."""

    usage: Usage
    metadata: dict[str, Any]


def _relabel(share: float) -> Callable[[list[Row], list[Row], int], list[Row]]:
    def edit(rows: list[Row], _spare: list[Row], turn: int) -> list[Row]:
        count = max(1, round(share * len(rows)))
        step = len(rows) // count
        chosen = set(range(7 * turn + step // 2, len(rows), step)[:count])
        return [
            dict(row, label=_CONFUSABLE.get(row["label"], "clear")) if number in chosen else row
            for number, row in enumerate(rows)
        ]

    return edit


def _append(rows: list[Row], spare: list[Row], _turn: int) -> list[Row]:
    return rows + spare


CASES = (
    Case("nothing", 0.02, lambda rows, _spare, _turn: rows),
    Case("1 label", 0.03, _relabel(0)),
    Case("1 % of the labels", 0.10, _relabel(0.01)),
    Case("1 % new plates", 0.10, _append),
    Case("20 % of the labels", None, _relabel(0.20)),
)


def _draw(folder: Path, count: int) -> list[Row]:
    source = folder / f"demo-{count}"
    if not (source / "plates.csv").exists():
        shutil.rmtree(source, ignore_errors=True)
        command = (sys.executable, "-m", "pipeline", "demo", str(source), "--images", str(count))
        subprocess.run(command, check=True)
    with (source / "plates.csv").open(encoding="utf-8", newline="") as file:
        return [dict(row, uri=str(source / row["uri"])) for row in csv.DictReader(file)]


def _build(manifest: Path, out: Path) -> Run:
    usage = run(
        [*_BUILD, "--manifest", str(manifest), "--out", str(out)], log=out.parent / "log.txt"
    )
    newest = max(out.glob("*.*.*"), key=lambda path: [int(n) for n in path.name.split(".")])
    return Run(usage, json.loads((newest / "metadata.json").read_text(encoding="utf-8")))


def _measure(folder: Path, plates: int, rounds: int) -> dict[str, list[Run]]:
    drawn = _draw(folder, plates + plates // 100)
    rows, spare = drawn[:plates], drawn[plates:]
    found: dict[str, list[Run]] = {"from nothing": []}
    with tempfile.TemporaryDirectory(dir=folder) as place:
        work = Path(place)
        manifest = write_manifest(work / "base.csv", rows)
        for turn in range(rounds):
            base = work / f"base{turn}" / "drops"
            base.parent.mkdir()
            found["from nothing"].append(_build(manifest, base))
            for case in CASES:
                out = work / f"case{turn}" / "drops"
                out.parent.mkdir()
                subprocess.run(["cp", "-al", str(base), str(out)], check=True)  # hard links
                edited = write_manifest(work / "edited.csv", case.edit(rows, spare, turn))
                found.setdefault(case.name, []).append(_build(edited, out))
                shutil.rmtree(out.parent)
            shutil.rmtree(base.parent)
            print(f"round {turn + 1} of {rounds} done", file=sys.stderr, flush=True)
    return found


def _table(found: dict[str, list[Run]]) -> str:
    whole = found["from nothing"]

    def ratio(name: str, of: Callable[[Usage], float]) -> float:
        pairs = zip(found[name], whole, strict=True)
        return statistics.median(of(ours.usage) / of(theirs.usage) for ours, theirs in pairs)

    lines = []
    targets = {case.name: case.target for case in CASES}
    for name, runs in found.items():
        metadata = runs[-1].metadata
        build = dict(metadata["build"])
        if name == "nothing":  # the metadata is that of the build before
            build |= {"images_opened": 0, "records_rendered": 0, "shards_written": 0}
        target = targets.get(name)
        cpu, wall = ratio(name, lambda usage: usage.cpu), ratio(name, lambda usage: usage.wall)
        lines.append(
            (
                name,
                f"{statistics.median(r.usage.cpu for r in runs):.2f}",
                f"{statistics.median(r.usage.wall for r in runs):.2f}",
                f"{100 * cpu:.1f} %",
                f"{100 * wall:.1f} %",
                f"{100 * target:.0f} %" if target else "",
                f"{build['shards_written']} of {len(metadata['shards'])}",
                f"{build['images_opened']:,}",
                f"{build['records_rendered']:,}",
            )
        )
    head = (
        "what changed", "CPU s", "wall s", "CPU, of from nothing", "wall, of from nothing",
        "at most", "shards written", "images opened", "records rendered",
    )  # fmt: skip
    return markdown_table(head, lines)


def main(argv: Sequence[str]) -> None:
    """Runs the benchmark and prints its table, or puts it into a page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.regenerate", description=__doc__)
    parser.add_argument("--plates", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "plate-benchmarks"
    )
    parser.add_argument("--into", type=Path, metavar="PAGE", help="page to put the table into")
    args = parser.parse_args(argv)
    args.folder.mkdir(parents=True, exist_ok=True)
    load = os.getloadavg()[0]
    found = _measure(args.folder, args.plates, args.rounds)
    runs = {name: [(one.usage, one.metadata) for one in done] for name, done in found.items()}
    whole = statistics.median(one.usage.cpu for one in found["from nothing"])
    drawn = [Path(row["uri"]) for row in _draw(args.folder, args.plates + args.plates // 100)]
    records = sum(map(sum, found["from nothing"][0].metadata["records"].values()))
    text = (
        f"{machine_line(load)} {args.plates:,} plates, {records:,} records, medians of "
        f"{args.rounds} rounds.\n\n{_table(found)}\n\n"
        f"{leak_table(drawn, plate_seconds=whole / args.plates)}\n\n"
        f"On paper, {PLATES:,} plates:\n\n"
        f"{estimate_table(runs, plates=args.plates, cores=len(os.sched_getaffinity(0)))}"
    )
    if args.into:
        put_into(args.into, text)
    print(text)


if __name__ == "__main__":
    main(sys.argv[1:])
