"""How fast a device trains on a version: the loader alone, the steps alone, both.

The slower of the first two bounds the third. On a new node this replaces every estimate.
"""

import dataclasses
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from trainer.dataset import DatasetVersion
from trainer.input import SplitReader, data_errors, open_split
from trainer.run_config import RunConfig
from trainer.training.device import Device
from trainer.training.learner import Learner, Sums

_MANY_EPOCHS = 1 << 20
_TURNS = 3  # each way is measured so often, in turn: what disturbs, disturbs all


@dataclasses.dataclass(frozen=True)
class Rates:
    """Records a second of one network on one device.

    Attributes:
        arch: the network.
        loader: batches taken from the reader and thrown away.
        step: training steps on one batch that lies on the device.
        both: training as it is.
        validation: looking without learning, on one batch that lies on the device.
        first_step_seconds: until the first training step is done, compiling included.
    """

    arch: str
    loader: float
    step: float
    both: float
    validation: float
    first_step_seconds: float


def measure_loader(reader: SplitReader, *, batch_size: int, seconds: float) -> Callable[[], float]:
    """Returns a function that reads batches for so long and returns records a second."""
    batches = iter(reader.epochs(0, _MANY_EPOCHS, seed=0, batch_size=batch_size))

    def read() -> float:
        done, began = 0, time.perf_counter()
        while (passed := time.perf_counter() - began) < seconds:
            done += int(next(batches)[1].shape[0])
        return done / passed

    with data_errors():
        next(batches)
    return read


def measure(
    config: RunConfig, version: DatasetVersion, *, device: Device, cache: str, seconds: float
) -> Rates:
    """Measures one network.

    Args:
        config: as of a run.
        version: where records come from.
        device: what to train on.
        cache: as of `open_split`.
        seconds: how long each of the four ways is tried, in all.
    """
    size = config.recipe.batch_size
    reader = open_split(version, "train", cache=cache)
    learner = Learner(config, device=device, steps_per_epoch=reader.steps(size))
    epochs = reader.epochs(0, _MANY_EPOCHS, seed=config.seed, batch_size=size)
    with data_errors():
        batch = next(iter(epochs))
        kept = tf.data.Dataset.from_tensors(batch).repeat()
        began = time.perf_counter()
        same = learner.feed(kept)
        learner.train(same, 1, so_far=Sums())
        first = time.perf_counter() - began
        share = seconds / _TURNS
        ways = {
            "loader": measure_loader(reader, batch_size=size, seconds=share),
            "step": _stepping(learner.train, same, share),
            "both": _stepping(learner.train, learner.feed(epochs), share),
            "validation": _stepping(learner.guess, same, share),
        }
        found = {name: [way() for _ in range(_TURNS)] for name, way in ways.items()}
    rates = {name: statistics.median(values) for name, values in found.items()}
    return Rates(config.arch, first_step_seconds=first, **rates)


def _stepping(
    advance: Callable[..., Sums], batches: Iterator[Any], seconds: float
) -> Callable[[], float]:
    """Returns a function that steps for so long and returns records a second."""
    advance(batches, 1, so_far=Sums())  # compiles

    def step() -> float:
        sums, began, count = Sums(), time.perf_counter(), 1
        for turn in itertools.count():
            sums = advance(batches, count, so_far=sums)
            passed = time.perf_counter() - began
            if passed >= seconds:
                break
            count = min(2 ** min(turn, 6), 1 + int(count * (seconds - passed) / passed))
        return sums.records / passed

    return step
