"""The tables of `docs/benchmarks.md`, from what was measured."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence

from benchmarks.contenders import VARIANTS
from benchmarks.measure import Usage
from benchmarks.pages import machine_line, markdown_table

PAPER_IMAGES = 486_000
GB = 1e9
NAMES = {
    "build": "`pipeline build`, all cores",
    "one core": "`pipeline build --processes 1` on one core",
    "loop": "(c) bare loop over the same kernel, one process",
    "loops": "(c) such a loop on each core at once",
    "pool": "(a) `multiprocessing.Pool`, Pillow bicubic + LANCZOS, `tf.io.TFRecordWriter`",
    "pool-defaults": "(a) the same with Pillow's defaults, NEAREST + BICUBIC",
    "beam": "(b) Beam `Map` with a decode for each variant, `WriteToTFRecord`",
}


@dataclasses.dataclass(frozen=True)
class Cost:
    """What one way costs, start-up left out: each number from medians.

    Attributes:
        plates: how many it was given.
        rounds: how often it ran.
        start: CPU seconds of the run on `tiny` plates.
        cpu: CPU seconds a plate.
        lowest, highest: the same from the cheapest and the dearest run.
        wall: seconds a plate.
    """

    plates: int
    rounds: int
    start: float
    cpu: float
    lowest: float
    highest: float
    wall: float

    @classmethod
    def of(cls, pairs: Sequence[tuple[Usage, Usage]], *, plates: int, tiny: int) -> "Cost":
        """Returns the cost from pairs of runs, on `tiny` and on all plates."""
        start = statistics.median(small.cpu for small, _ in pairs)
        runs = [(full.cpu - start) / (plates - tiny) for _, full in pairs]
        wall_start = statistics.median(small.wall for small, _ in pairs)
        walls = [(full.wall - wall_start) / (plates - tiny) for _, full in pairs]
        return cls(
            plates=plates,
            rounds=len(pairs),
            start=start,
            cpu=statistics.median(runs),
            lowest=min(runs),
            highest=max(runs),
            wall=statistics.median(walls),
        )


@dataclasses.dataclass(frozen=True)
class Findings:
    """Everything that was measured.

    Attributes:
        plate_bytes: mean size of a plate.
        load: of the machine before, processes waiting to run.
        alike: PSNR in dB of each way's records against the build's.
        costs: of each way.
        few, many: plates of a build on all cores, and what it used.
        many_one_core: what the larger build used on one core.
        many_loop: what the bare loop used for as many.
        rows: rows of the planned manifests.
        plan_checksums, plan_files: planning, from a column of checksums and from files.
        stages: of `benchmarks.stages`.
    """

    plate_bytes: int
    load: float
    alike: Mapping[str, float]
    costs: Mapping[str, Cost]
    few: tuple[int, Usage]
    many: tuple[int, Usage]
    many_one_core: Usage
    many_loop: Usage
    rows: int
    plan_checksums: Usage
    plan_files: Usage
    stages: Mapping[str, float]


def tables(found: Findings) -> str:
    """Returns all tables as Markdown."""
    parts = (_machine(found), _targets(found), _ways(found), _memory(found), _cores(found))
    return "\n\n".join(parts)


def _machine(found: Findings) -> str:
    plates = found.costs["build"].plates
    return (
        f"{machine_line(found.load)} {plates} drawn plates of "
        f"{found.plate_bytes / 1000:.0f} KB, {VARIANTS} variants each."
    )


def _targets(found: Findings) -> str:
    costs, (few, few_use), (many, many_use) = found.costs, found.few, found.many
    build, one_core, loop = costs["build"], costs["one core"], costs["loop"]
    few_loop = loop.start + loop.cpu * few
    plans = (found.plan_checksums, found.plan_files)
    targets = (
        ("CPU of `build` to that of the bare loop (c)", "≤ 1.25", build.cpu / loop.cpu),
        (
            f"the same, each plate from {few:,} to {many:,}",
            "≤ 1.25",
            (many_use.cpu - few_use.cpu) / (found.many_loop.cpu - few_loop),
        ),
        (
            "the same, to such a loop on each core at once",
            "≤ 1.25",
            build.cpu / costs["loops"].cpu,
        ),
        ("CPU of (a), bicubic + LANCZOS, to `build`", "≥ 15", costs["pool"].cpu / build.cpu),
        ("CPU of (b), the obvious Beam job, to `build`", "≥ 15", costs["beam"].cpu / build.cpu),
        (
            f"wall clock, 2 cores to 1, {few:,} plates, start-up left out",
            "≤ 0.6",
            build.wall / one_core.wall,
        ),
        (
            f"the same, {many:,} plates, whole command",
            "≤ 0.6",
            many_use.wall / found.many_one_core.wall,
        ),
        (
            "wall clock of a bare loop on each core to one bare loop: what the machine gives",
            "",
            costs["loops"].wall / loop.wall,
        ),
        (f"peak memory of all processes, {many:,} plates, GB", "≤ 1", many_use.peak / GB),
        (f"the same, {many:,} to {few:,} plates", "0.9 to 1.1", many_use.peak / few_use.peak),
        (f"`plan` of {found.rows:,} rows, s", "≤ 60", max(plan.wall for plan in plans)),
        ("its memory, GB", "≤ 1.5", max(plan.largest for plan in plans) / GB),
    )
    return markdown_table(
        ("target", "wanted", "measured", "met"), [_target(*each) for each in targets]
    )


def _target(what: str, wanted: str, measured: float) -> tuple[str, str, str, str]:
    if not wanted:
        return what, wanted, f"{measured:.2f}", ""
    if " to " in wanted:
        low, high = (float(part) for part in wanted.split(" to "))
        met = low <= measured <= high
    else:
        sign, bound = wanted.split()
        met = 0 < measured <= float(bound) if sign == "≤" else measured >= float(bound)
    return what, wanted, f"{measured:.2f}", "yes" if met else "**no**"


def _ways(found: Findings) -> str:
    build = found.costs["build"].cpu
    rows = []
    for name, label in NAMES.items():
        cost = found.costs[name]
        spread = f"{cost.cpu * 1e3:.2f} ({cost.lowest * 1e3:.2f} to {cost.highest * 1e3:.2f})"
        rows.append(
            (
                label,
                f"{cost.rounds} x {cost.plates}",
                spread,
                f"{cost.cpu / build:.2f}",
                f"{cost.cpu * PAPER_IMAGES / 3600:.2f}",
                f"{cost.start:.1f}",
                "same bytes" if found.alike[name] == float("inf") else f"{found.alike[name]:.1f}",
            )
        )
    head = (
        "way",
        "runs x plates",
        "CPU ms a plate (lowest to highest)",
        "to `build`",
        f"CPU hours for {PAPER_IMAGES:,} plates",
        "start-up, CPU s",
        "pixels against `build`, dB",
    )
    return markdown_table(head, rows)


def _memory(found: Findings) -> str:
    (few, few_use), (many, many_use) = found.few, found.many
    rows = [
        (label, f"{use.cpu:.1f}", f"{use.wall:.1f}", f"{memory / 1e6:.0f}")
        for label, use, memory in (
            (f"`build`, {few:,} plates", few_use, few_use.peak),
            (f"`build`, {many:,} plates", many_use, many_use.peak),
            (
                f"`build --processes 1` on one core, {many:,} plates",
                found.many_one_core,
                found.many_one_core.peak,
            ),
            (f"bare loop, {many:,} plates", found.many_loop, found.many_loop.largest),
            (
                f"`plan`, {found.rows:,} rows with checksums",
                found.plan_checksums,
                found.plan_checksums.largest,
            ),
            (
                f"`plan`, {found.rows:,} rows, `stat` of each file",
                found.plan_files,
                found.plan_files.largest,
            ),
        )
    ]
    return markdown_table(("whole command", "CPU s", "wall s", "peak memory, MB"), rows)


def _cores(found: Findings) -> str:
    few, few_use = found.few
    many, many_use = found.many
    plates = many - few
    own = (many_use.own_cpu - few_use.own_cpu) / plates
    workers = (many_use.cpu - few_use.cpu) / plates - own
    stages = found.stages
    held = 1 - stages["free"] / stages["all"]
    rows = (
        ("decode", f"{stages['decode']:.2f}"),
        (f"render, {VARIANTS} variants", f"{stages['render']:.2f}"),
        ("digest of the source", f"{stages['hash']:.2f}"),
        (f"draw numbers, serialise and frame, {VARIANTS} records", f"{stages['encode']:.2f}"),
        ("all of these, at once", f"{stages['all']:.2f}"),
        ("of which in calls that release Python's lock", f"{stages['free']:.2f}"),
        ("`build`: all worker processes", f"{workers * 1e3:.2f}"),
        ("`build`: the parent process", f"{own * 1e3:.2f}"),
    )
    return markdown_table(("one plate", "CPU ms"), rows) + (
        f"\n\nAt most {held:.0%} of the work on a plate holds Python's lock: threads of one "
        f"process could feed {1 / held:.1f} cores or a little more; two threads were "
        f"{stages['speedup']:.2f} times as fast as one. With processes, the parent spends "
        f"{own / workers:.1%} of what its workers spend: one parent feeds "
        f"{workers / own:.0f} cores."
    )
