"""Measures how fast records reach a network, and prints the tables of `docs/input.md`.

`python -m benchmarks.input` takes about three minutes on two quiet cores, and as long again
for drawing plates and building a dataset of them the first time.
"""

import argparse
import dataclasses
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pages import machine_line, markdown_table, put_into
from benchmarks.plates import draw_plates, linked, write_manifest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

NAME = "drops"
SPLIT = "train"
BATCH = 64  # the paper's
DRAWN = 600  # plates; the others are links to them, each augmented in its own way
PLAIN, TFDS, STREAM, RAM = "read, not parsed", "TFDS", "stream", "ram"
EPOCHS = 3  # that one measurement goes over
Batches = Callable[[], Iterable[Any]]

# Training of one GPU, images a second. The first is published (NVIDIA, DeepLearningExamples,
# PyTorch ResNet-50 v1.5, 224x224, mixed precision, one A100 80GB); the others are estimates.
GPUS = (
    ("ResNet-50 at 224x224, A100 (NVIDIA's published number)", 2_470),
    ("ResNet-56 here, A100 (estimate)", 3_000),
    ("the large networks here, H100 (estimate)", 10_000),
    ("the small networks here, H100 (estimate)", 60_000),
)


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a record cost in one round, in microseconds."""

    cpu: float
    wall: float


def make_version(folder: Path, plates: int) -> Path:
    """Returns a version of drawn plates; builds it unless an earlier run did."""
    out = folder / f"input-{plates}" / NAME
    if not (out / "1.0.0" / "dataset_info.json").exists():
        rows = linked(draw_plates(folder, DRAWN), plates, folder / f"linked-{plates}")
        out.parent.mkdir(exist_ok=True)
        manifest = write_manifest(out.parent / "plates.csv", rows)
        build = (sys.executable, "-m", "pipeline", "build", "--name", NAME)
        command = (*build, "--manifest", str(manifest), "--out", str(out))
        subprocess.run(command, check=True)
    return out / "1.0.0"


def ours(version: Path) -> dict[str, Batches]:
    """Returns our readers: by name, what gives the batches of some epochs."""
    from trainer.dataset import open_dataset  # noqa: PLC0415 - loads TensorFlow
    from trainer.input import open_split  # noqa: PLC0415

    found = open_dataset(version)
    readers = {cache: open_split(found, SPLIT, cache=cache) for cache in ("stream", "ram")}
    ways: dict[str, Batches] = {
        cache: lambda reader=reader: reader.epochs(0, EPOCHS, seed=0, batch_size=BATCH)
        for cache, reader in readers.items()
    }
    ways["in order, with names"] = lambda: (
        readers["stream"].in_order(batch_size=BATCH).repeat(EPOCHS)
    )
    return ways


def others(version: Path) -> dict[str, Batches]:
    """Returns the ways that tf.data and TFDS have, as their guides show them."""
    import tensorflow as tf  # noqa: PLC0415
    import tensorflow_datasets as tfds  # noqa: PLC0415

    paths = sorted(str(path) for path in version.glob(f"*-{SPLIT}.tfrecord-*"))
    features = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
    }
    auto = tf.data.AUTOTUNE

    def parse_one(serialised: Any) -> Any:
        found = tf.io.parse_single_example(serialised, features)
        return tf.reshape(tf.io.decode_raw(found["image"], tf.uint8), [128, 128, 1]), found["label"]

    def parse_batch(serialised: Any) -> Any:
        found = tf.io.parse_example(serialised, features)
        pixels = tf.io.decode_raw(found["image"], tf.uint8)
        return tf.reshape(pixels, [-1, 128, 128, 1]), found["label"]

    def plain() -> Any:
        return tf.data.TFRecordDataset(paths).repeat(EPOCHS).batch(BATCH).prefetch(auto)

    def one_by_one() -> Any:
        read = tf.data.TFRecordDataset(paths).repeat(EPOCHS).shuffle(8192)
        return read.map(parse_one, num_parallel_calls=auto).batch(BATCH).prefetch(auto)

    def batched() -> Any:
        files = tf.data.Dataset.from_tensor_slices(paths).repeat(EPOCHS)
        read = files.interleave(
            tf.data.TFRecordDataset, cycle_length=16, num_parallel_calls=auto
        ).shuffle(8192)
        return read.batch(BATCH).map(parse_batch, num_parallel_calls=auto).prefetch(auto)

    def by_tfds() -> Any:
        builder = tfds.builder_from_directory(version)
        read = builder.as_dataset(split=SPLIT, shuffle_files=True, as_supervised=True)
        return read.repeat(EPOCHS).shuffle(8192).batch(BATCH).prefetch(auto)

    return {
        PLAIN: plain,
        "interleave, shuffle, parse batches": batched,
        "parse each, then batch": one_by_one,
        TFDS: by_tfds,
    }


def measure(ways: Mapping[str, Batches], *, records: int, rounds: int) -> dict[str, list[Cost]]:
    """Takes all batches of each way by turns; the first turn warms up and does not count."""
    found: dict[str, list[Cost]] = defaultdict(list)
    for turn in range(rounds + 1):
        for name, batches in ways.items():
            taken = batches()
            cpu, began = _cpu(), time.perf_counter()
            for _ in taken:
                pass
            used = Cost(_cpu() - cpu, time.perf_counter() - began)
            if turn:
                found[name].append(Cost(1e6 * used.cpu / records, 1e6 * used.wall / records))
        print(f"round {turn} of {rounds} done", file=sys.stderr, flush=True)
    return found


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cost_table(found: Mapping[str, Sequence[Cost]]) -> str:
    """Returns a row for each way: what a record costs, and what that is of TFDS and reading."""

    def ratio(over: str, name: str) -> str:
        pairs = zip(found[over], found[name], strict=True)
        return f"{statistics.median(a.cpu / b.cpu for a, b in pairs):.2f} x"

    lines = []
    for name, costs in found.items():
        cpu = [cost.cpu for cost in costs]
        median = statistics.median(cpu)
        lines.append(
            (
                name,
                f"{median:.1f}",
                f"{min(cpu):.1f} to {max(cpu):.1f}",
                f"{statistics.median(cost.wall for cost in costs):.1f}",
                f"{1e6 / median:,.0f}",
                ratio(TFDS, name),
                ratio(PLAIN, name),
            )
        )
    head = (
        "way", "CPU us a record", "lowest to highest", "wall us a record", "records/s a core",
        "speed, of TFDS's", "speed, of reading's",
    )  # fmt: skip
    return markdown_table(head, lines)


def gpu_table(found: Mapping[str, Sequence[Cost]]) -> str:
    """Returns how many cores keep a GPU busy."""

    def cores(images: int, name: str) -> str:
        return f"{images * statistics.median(cost.cpu for cost in found[name]) / 1e6:.2f}"

    rows = [
        (gpu, f"{images:,}", cores(images, STREAM), cores(images, RAM), cores(images, TFDS))
        for gpu, images in GPUS
    ]
    return markdown_table(("a GPU's training", "images/s", STREAM, RAM, TFDS), rows)


def mixing_table(version: Path) -> str:
    """Returns how well the first epoch is mixed, beside a uniform shuffle and file order."""
    from trainer.dataset import open_dataset  # noqa: PLC0415
    from trainer.input import open_split  # noqa: PLC0415
    from trainer.input.chunks import chunks_of  # noqa: PLC0415
    from trainer.input.order import SplitOrder  # noqa: PLC0415

    found = open_dataset(version)
    labels, ids = [], []
    for batch in open_split(found, SPLIT, cache="stream").in_order(batch_size=1024):
        labels.append(batch["label"].numpy())
        ids.append(batch["image_id"].numpy())
    label, image = np.concatenate(labels), np.unique(np.concatenate(ids), return_inverse=True)[1]
    sizes = [chunk.records for chunk in chunks_of(found.shards(SPLIT))]
    orders = {
        "an epoch": SplitOrder(SPLIT, sizes).records(0, 0),
        "a uniform shuffle": np.random.default_rng(0).permutation(len(label)),
        "as in the shards": np.arange(len(label)),
    }
    rows = [(name, *_mixing(label[order], image[order])) for name, order in orders.items()]
    head = (
        "order", "label like the one before", "longest run of a label", "labels in a batch",
        "median distance of an image's variants", "two of an image in a batch",
    )  # fmt: skip
    return markdown_table(head, rows)


def _mixing(label: np.ndarray, image: np.ndarray) -> tuple[str, ...]:
    changes = np.flatnonzero(np.diff(label)) + 1
    runs = np.diff(np.concatenate([[0], changes, [len(label)]]))
    batches = [slice(start, start + BATCH) for start in range(0, len(label) - BATCH + 1, BATCH)]
    by_image = np.argsort(image, kind="stable")
    same = np.diff(image[by_image]) == 0
    distances = np.diff(by_image)[same]
    twice = statistics.mean(len(np.unique(image[batch])) < BATCH for batch in batches)
    return (
        f"{100 * np.mean(np.diff(label) == 0):.1f} %",
        f"{runs.max()}",
        f"{statistics.mean(len(np.unique(label[batch])) for batch in batches):.2f}",
        f"{np.median(distances):,.0f}",
        f"{100 * twice:.1f} % of batches",
    )


def main(argv: Sequence[str]) -> None:
    """Runs the benchmark and prints its tables, or puts them into a page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.input", description=__doc__)
    parser.add_argument("--plates", type=int, default=8_000)
    parser.add_argument("--rounds", type=int, default=5)
    folder = Path(tempfile.gettempdir()) / "plate-benchmarks"
    parser.add_argument("--folder", type=Path, default=folder)
    parser.add_argument("--into", type=Path, metavar="PAGE", help="page to put the tables into")
    args = parser.parse_args(argv)
    args.folder.mkdir(parents=True, exist_ok=True)
    load = os.getloadavg()[0]
    version = make_version(args.folder, args.plates)
    from trainer.dataset import open_dataset  # noqa: PLC0415 - the folder may be new

    shards = open_dataset(version).shards(SPLIT)
    records = sum(shard.records for shard in shards)
    ways = {**ours(version), **others(version)}
    found = measure(ways, records=EPOCHS * records, rounds=args.rounds)
    text = (
        f"{machine_line(load)} {records:,} records in {len(shards)} shards, batches of {BATCH}, "
        f"medians of {args.rounds} rounds of {EPOCHS} epochs.\n\n{cost_table(found)}\n\n"
        f"Cores that keep one GPU busy:\n\n{gpu_table(found)}\n\n"
        f"How well an epoch is mixed:\n\n{mixing_table(version)}"
    )
    if args.into:
        put_into(args.into, text)
    print(text)


if __name__ == "__main__":
    main(sys.argv[1:])
