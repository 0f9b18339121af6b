"""Measures what the training loop costs beside the network; the table of `docs/training.md`.

Against Keras' own `train_on_batch` and `predict_on_batch` on tensors that lie in memory: the
least that a loop over batches can do. Networks are narrow, so that a CPU steps in a fraction of
a second; on wider ones, and on GPUs that are kept busy, what is beside the network weighs less.

`python -m benchmarks.step` takes about three minutes on two quiet cores.
"""

import argparse
import dataclasses
import io
import itertools
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.pages import machine_line, markdown_table, put_into
from schemas.labels import PAPER10
from schemas.records import RECORD_SIDE
from trainer.networks import NETWORKS
from trainer.recipes import PAPER
from trainer.run_config import DataFacts, RunConfig
from trainer.training.device import Wanted, open_device, quiet

TRAIN_TARGET, LOOK_TARGET = 1.05, 1.10
_BATCH = 16
_WIDTHS = {"resnet56": 0.125, "vgg16": 0.125}
_NOWHERE = DataFacts("", "", "", "", {}, {})


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to take steps.

    Attributes:
        name: what it is.
        take: takes so many steps.
    """

    name: str
    take: Callable[[int], object]


def _ways(arch: str) -> tuple[tuple[Way, Way], tuple[Way, Way]]:
    """Returns ours and Keras' way to train, and ours and Keras' way to look."""
    import keras  # noqa: PLC0415 - after `quiet`
    import tensorflow as tf  # noqa: PLC0415

    from trainer.progress import Progress  # noqa: PLC0415
    from trainer.training.learner import Learner  # noqa: PLC0415
    from trainer.training.passes import Place, go_through  # noqa: PLC0415
    from trainer.training.stop import Stop  # noqa: PLC0415

    recipe = dataclasses.replace(PAPER, batch_size=_BATCH).for_network(NETWORKS[arch])
    config = RunConfig(arch, recipe, _NOWHERE, PAPER10, width=_WIDTHS[arch])
    shape = [_BATCH, RECORD_SIDE, RECORD_SIDE, 1]
    images = tf.cast(tf.random.stateless_uniform(shape, [1, 2], 0, 256, tf.int32), tf.uint8)
    labels = tf.random.stateless_uniform([_BATCH], [3, 4], 0, len(PAPER10), tf.int32)

    learner, bare = (
        Learner(config, device=open_device(Wanted()), steps_per_epoch=1000) for _ in range(2)
    )
    feed = learner.feed(tf.data.Dataset.from_tensors((images, labels)).repeat())

    def ours(advance: Callable[..., object]) -> Callable[[int], object]:
        return lambda steps: go_through(
            lambda count, sums: advance(feed, count, so_far=sums),
            steps,
            place=Place("", ""),
            progress=Progress("", steps * _BATCH, stream=io.StringIO()),
            stop=Stop(),
        )

    bare.network.compile(
        keras.optimizers.SGD(
            recipe.learning_rate, recipe.momentum, global_clipnorm=recipe.clip_norm or None
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,  # as ours; "auto" is slower on a CPU
    )
    return (
        (
            Way("`train`", ours(learner.train)),
            Way("`train_on_batch`", _repeated(lambda: bare.network.train_on_batch(images, labels))),
        ),
        (
            Way("validation", ours(learner.guess)),
            Way("`predict_on_batch`", _repeated(lambda: bare.network.predict_on_batch(images))),
        ),
    )


def _repeated(step: Callable[[], object]) -> Callable[[int], object]:
    return lambda steps: [step() for _ in range(steps)]


@dataclasses.dataclass(frozen=True)
class Cost:
    """Seconds a step, in one round.

    Attributes:
        wall: that pass.
        cpu: of all threads together.
    """

    wall: float
    cpu: float


def _measure(way: Way, steps: int) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    way.take(steps)
    return Cost((time.perf_counter() - wall) / steps, (time.process_time() - cpu) / steps)


def _compare(pair: tuple[Way, Way], *, rounds: int, seconds: float) -> list[tuple[Cost, Cost]]:
    """Returns the costs of both ways, round by round, each going first in every other."""
    for way in pair:
        way.take(2)  # compiles
    steps = max(2, round(seconds / _measure(pair[1], 2).wall))
    found = []
    for number in range(rounds):
        order = pair if number % 2 else pair[::-1]
        costs = {way.name: _measure(way, steps) for way in order}
        found.append((costs[pair[0].name], costs[pair[1].name]))
    return found


def _row(title: str, found: list[tuple[Cost, Cost]], *, target: float) -> list[str]:
    """Returns a row of the table: fastest rounds, since what disturbs only adds, and CPU time."""
    mine, bare = (min(cost.wall for cost in costs) for costs in zip(*found, strict=True))
    cpu = statistics.median(one.cpu / other.cpu for one, other in found)
    met = max(mine / bare, cpu) <= target
    times = (f"{1000 * mine:.1f}", f"{1000 * bare:.1f}", f"{mine / bare:.3f}", f"{cpu:.3f}")
    return [title, *times, f"≤ {target}", "yes" if met else "**no**"]


def _rows(rounds: int, seconds: float) -> list[list[str]]:
    rows = []
    for arch, width in _WIDTHS.items():
        for pair, target in zip(_ways(arch), (TRAIN_TARGET, LOOK_TARGET), strict=True):
            title = f"{NETWORKS[arch].title}, width {width}: {pair[0].name} to {pair[1].name}"
            found = _compare(pair, rounds=rounds, seconds=seconds)
            rows.append(_row(title, found, target=target))
            print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
    return rows


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=0.8, help="of a way in a round, about")
    parser.add_argument("--into", type=Path, help="page whose measured part to replace")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    quiet()
    head = [
        "batches of 16, fastest round",
        "ms a step",
        "bare, ms",
        "ratio",
        "ratio of CPU time",
        "wanted",
        "met",
    ]
    table = markdown_table(head, _rows(args.rounds, args.seconds))
    text = "\n".join(itertools.chain([machine_line(load), "", table]))
    print(text)
    if args.into:
        put_into(args.into, text)


if __name__ == "__main__":
    main()
