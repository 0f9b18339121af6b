"""Pages of results: tables, the machine they are from, and putting them into a page."""

import datetime
import importlib.metadata
import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
_VERSIONS = ("apache-beam", "pillow", "opencv-python-headless", "numpy", "tensorflow")


def put_into(page: Path, text: str) -> None:
    """Replaces the measured part of a page.

    Raises:
        ValueError: if the page has no such part.
    """
    head, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} has no part between {BEGIN} and {END}")
    page.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")


def machine_line(load: float) -> str:
    """Returns a sentence on the machine, its load before the measurement and the versions."""
    cores = len(os.sched_getaffinity(0))
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _VERSIONS)
    return (
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {cores} cores of {_processor()} "
        f"({'busy' if load > 0.5 else 'idle'} before: load {load:.1f}), "
        f"Linux {platform.release().partition('-')[0]}, Python {platform.python_version()}, "
        f"{versions}."
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table: first column left, others right."""
    rule = ["---"] + ["--:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *rows))
