"""Where the time of one plate goes, and how much of it Python's lock lets run in parallel.

`python -m benchmarks.stages MANIFEST` prints a JSON object of CPU milliseconds a plate.
"""

import concurrent.futures
import cProfile
import csv
import hashlib
import json
import pstats
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.contenders import VARIANTS
from pipeline.augment import Augmentation, sample_augmentation
from pipeline.decode import decode_plate
from pipeline.render import render
from pipeline.tasks import RenderTask, VariantConfig
from pipeline.variants import make_records
from schemas.recipe import Recipe
from schemas.records import IMAGE_BYTES, Record, encode_record
from schemas.shards import PlannedImage, render_key
from schemas.tfrecord import frame

# Calls that certainly leave the lock to others while they run. What else runs counts as
# holding it, though NumPy's loops over large arrays release it too.
RELEASING = ("'decode' of 'ImagingDecoder'", "remap", "openssl_sha256")
ROUNDS = 5
CONFIG = VariantConfig.of(Recipe())

Work = Callable[[], object]


def measure(manifest: Path) -> dict[str, float]:
    """Returns milliseconds a plate of every stage, of all of them, and of what is free."""
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    images = [PlannedImage(row["image_id"], row["group"], 1, VARIANTS, "", "") for row in rows]
    contents = [Path(row["uri"]).read_bytes() for row in rows]
    plates = [decode_plate(content) for content in contents]
    digests = [hashlib.sha256(content).hexdigest() for content in contents]

    def draw_all() -> list[list[Augmentation]]:
        return [
            [
                sample_augmentation(
                    CONFIG.seed, image.image_id, variant=variant, config=CONFIG.augment
                )
                for variant in range(VARIANTS)
            ]
            for image in images
        ]

    augmentations = draw_all()

    def render_all() -> None:
        for plate, drawn in zip(plates, augmentations, strict=True):
            for augmentation in drawn:
                render(plate, augmentation, CONFIG.render)

    def encode_all() -> None:
        draw_all()
        for image, digest in zip(images, digests, strict=True):
            for variant in range(VARIANTS):
                record = Record(
                    image=bytes(IMAGE_BYTES),
                    label=image.label,
                    image_id=image.image_id,
                    group=image.group,
                    variant=variant,
                    copies=VARIANTS,
                    render_key=render_key(CONFIG.digest, image.image_id, variant, digest),
                )
                frame(encode_record(record))

    def records_of(part: slice) -> None:
        for image, content in zip(images[part], contents[part], strict=True):
            make_records(RenderTask(image), content, config=CONFIG)

    def all_at_once() -> None:
        records_of(slice(None))

    def in_two_threads() -> None:
        with concurrent.futures.ThreadPoolExecutor(2) as executor:
            list(executor.map(records_of, (slice(0, None, 2), slice(1, None, 2))))

    stages: dict[str, Work] = {
        "decode": lambda: [decode_plate(content) for content in contents],
        "hash": lambda: [hashlib.sha256(content).digest() for content in contents],
        "render": render_all,
        "encode": encode_all,
        "all": all_at_once,
    }
    found = _medians(stages, clock=time.process_time)
    walls = _medians({"one": all_at_once, "two": in_two_threads}, clock=time.perf_counter)
    result = {name: seconds * 1000 / len(rows) for name, seconds in found.items()}
    result["free"] = _released(all_at_once) * 1000 / len(rows)
    result["speedup"] = walls["one"] / walls["two"]
    return result


def _medians(works: dict[str, Work], *, clock: Callable[[], float]) -> dict[str, float]:
    """Returns the median seconds of each; they take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            began = clock()
            work()
            seconds[name].append(clock() - began)
    return {name: statistics.median(found) for name, found in seconds.items()}


def _released(work: Work) -> float:
    """Returns the CPU seconds that go into calls which release the lock."""
    profile = cProfile.Profile(time.thread_time)
    profile.runcall(work)
    return _sum_of(pstats.Stats(profile), RELEASING)


def _sum_of(stats: pstats.Stats, names: Sequence[str]) -> float:
    functions: dict[tuple[str, int, str], tuple[int, int, float, float, object]]
    functions = stats.stats  # type: ignore[attr-defined]
    found = 0.0
    for name in names:
        matching = [own for (*_, text), (_, _, own, _, _) in functions.items() if name in text]
        if not matching:
            raise RuntimeError(f"the kernel no longer calls {name}: mend RELEASING")
        found += sum(matching)
    return found


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
