"""Measures what the search for leaks costs a build; a table of `docs/regeneration.md`."""

import resource
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.pages import markdown_table
from pipeline.decode import decode_plate
from pipeline.leaks import SeenImage, find_leaks
from pipeline.likeness import find_likeness
from pipeline.tasks import RenderTask, VariantConfig
from pipeline.variants import make_records
from schemas.recipe import Recipe
from schemas.shards import PlannedImage

IMAGES = 486_000  # of the paper
_COPIES = 3
_PLATES = 150
_ROUNDS = 5


def _cpu(call: object) -> float:
    began = time.process_time()
    call()  # type: ignore[operator]
    return time.process_time() - began


def _of_a_plate(paths: Sequence[Path]) -> tuple[float, float]:
    """Returns CPU seconds of a plate's likeness, and of its records with it."""
    config = VariantConfig.of(Recipe())
    contents = [path.read_bytes() for path in paths]
    tasks = [
        RenderTask(PlannedImage(str(number), str(number), 0, _COPIES, "", ""))
        for number in range(len(contents))
    ]
    plates = [decode_plate(content) for content in contents]
    likeness, records = [], []
    for _ in range(_ROUNDS):  # by turns, so that what slows the machine slows both
        likeness.append(_cpu(lambda: [find_likeness(plate) for plate in plates]))
        records.append(
            _cpu(
                lambda: [
                    make_records(task, content, config=config)
                    for task, content in zip(tasks, contents, strict=True)
                ]
            )
        )
    return statistics.median(likeness) / len(paths), statistics.median(records) / len(paths)


def _images(likenesses: Sequence[str], count: int) -> Iterator[SeenImage]:
    """Gives images whose likenesses are those of drawn plates, each with bits of its own.

    A quarter of the bits is drawn anew, more than near-duplicates differ in: as in a real
    collection, there are many plates that look a little like one another.
    """
    drawn = np.frombuffer(bytes.fromhex("".join(likenesses)), np.uint8).reshape(-1, 32)
    rng = np.random.default_rng(0)
    for number in range(count):
        noise = rng.integers(0, 256, 32, np.uint8) & rng.integers(0, 256, 32, np.uint8)
        bits = (drawn[number % len(drawn)] ^ noise).tobytes().hex()
        split = ("train", "validation", "test")[number % 20 // 18 + (number % 20 == 19)]
        yield SeenImage(f"i{number}", split, "clear", f"g{number // 2}", f"{number:064x}", bits)


def leak_table(paths: Sequence[Path], *, plate_seconds: float) -> str:
    """Returns what the search costs, as a table.

    Args:
        paths: plates.
        plate_seconds: CPU seconds that a build from nothing takes for each plate.
    """
    chosen = paths[:_PLATES]
    likeness, records = _of_a_plate(chosen)
    likenesses = [find_likeness(decode_plate(path.read_bytes())) for path in paths[:1000]]
    images = list(_images(likenesses, IMAGES))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    search = _cpu(lambda: find_leaks(images))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    whole = IMAGES * plate_seconds
    total = IMAGES * likeness + search
    rows = (
        ("likeness of a plate, CPU us", f"{likeness * 1e6:.0f}", ""),
        (f"its records, {_COPIES} variants, likeness included, CPU us", f"{records * 1e6:.0f}", ""),
        (f"search among {IMAGES:,} images, CPU s", f"{search:.1f}", ""),
        ("memory that the search adds, MB", f"{(after - before) / 1024:.0f}", ""),
        (
            f"likenesses and search, of the CPU of a build of {IMAGES:,} plates",
            f"{100 * total / whole:.1f} %",
            "3 %",
        ),
    )
    print(f"leaks measured: {total:.0f} of {whole:.0f} CPU s", file=sys.stderr)
    return markdown_table(("leaks", "measured", "at most"), rows)
