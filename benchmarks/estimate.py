"""What regeneration would cost at the paper's size, from rates that were measured."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.measure import Usage
from benchmarks.pages import markdown_table

PLATES = 486_000  # of the paper
_SHARD_RECORDS = 8192
_DATAFLOW_CORES = 64
_DATAFLOW_START = 300.0  # seconds until workers are up; Google's documentation speaks of minutes


def _median(runs: Sequence[tuple[Usage, dict[str, Any]]], field: str) -> float:
    return statistics.median(getattr(usage, field) for usage, _ in runs)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _factor(name: str, metadata: Mapping[str, Any], plates: int) -> float:
    """Returns by how much a change of `PLATES` plates costs more than one of `plates`.

    All costs follow the plates, but that one label changes one shard of any dataset; which
    then has `_SHARD_RECORDS` records and not what it has here.
    """
    scale = PLATES / plates
    if name != "1 label":
        return scale
    stages = metadata["build"]["stages"]
    share = stages["shards"] / metadata["build"]["seconds"]
    largest = max(shard["records"] for shard in metadata["shards"])
    return share * _SHARD_RECORDS / largest + (1 - share) * scale


def estimate_table(
    found: Mapping[str, Sequence[tuple[Usage, dict[str, Any]]]], *, plates: int, cores: int
) -> str:
    """Returns the estimate for the paper's plates as a table.

    CPU is what was measured, scaled by the plates. Wall time on these cores is scaled
    alike; on 16 cores the command's own process, which feeds the others, takes the CPU
    time that it takes here, and the rest is shared by the cores.

    Args:
        found: runs by what changed.
        plates: plates of those runs.
        cores: cores they ran on.
    """
    rows = []
    for name, runs in found.items():
        factor = _factor(name, runs[-1][1], plates)
        cpu, own, wall = (factor * _median(runs, field) for field in ("cpu", "own_cpu", "wall"))
        few = max(own, cpu / 16)
        # rows are planned and versions committed where the command runs, shards by the workers
        cloud = own + (cpu - own) / _DATAFLOW_CORES + _DATAFLOW_START
        rows.append(
            (
                name,
                f"{cpu / 3600:.2f} h",
                _duration(wall),
                _duration(few),
                _duration(cloud) if name == "from nothing" else "not worth it",
            )
        )
    head = (
        "what changed", "CPU", f"wall, {cores} cores", "wall, 16 cores",
        f"wall, Dataflow with {_DATAFLOW_CORES} vCPUs",
    )  # fmt: skip
    return markdown_table(head, rows)
