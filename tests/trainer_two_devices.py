"""Trains one network on one and on two parts of this CPU and prints what each came to, as JSON.

A process of its own, since a process parts its CPU once. Without dropout, of which devices draw
their own; with all else that could tell one device from two.
"""

import dataclasses
import json

from tests.trainer_runs import SHORT, make_config
from trainer.training.device import Wanted, open_device, quiet

quiet()
import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from trainer.training.learner import Learner, Sums  # noqa: E402

SIDE = 32
SIZES = (16, 16, 5)  # the last one parts into 3 and 2
RECIPE = dataclasses.replace(
    SHORT, clip_norm=0.5, weight_decay=0.01, label_smoothing=0.1, augment=True, ema=0.9
)


def batches(epochs: int) -> tf.data.Dataset:
    generator = np.random.Generator(np.random.PCG64(0))
    images = generator.integers(0, 256, (sum(SIZES), SIDE, SIDE, 1), dtype=np.uint8)
    labels = generator.integers(0, 10, sum(SIZES), dtype=np.int32)
    whole = tf.data.Dataset.from_tensor_slices((images, labels))
    return whole.batch(SIZES[0]).repeat(epochs)


def outcome(devices: int, *, epochs: int = 4) -> dict[str, list[float]]:
    """Returns the loss of each epoch, that of validation, and some numbers of the weights."""
    device = open_device(Wanted(logical_cpus=devices))
    learner = Learner(make_config(RECIPE, side=SIDE), device=device, steps_per_epoch=len(SIZES))
    for layer in learner.network.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0
    feed, losses = learner.feed(batches(epochs)), []
    for epoch in range(epochs):
        learner.begin_epoch(epoch)
        losses.append(learner.train(feed, len(SIZES), so_far=Sums()).mean_loss)
    with learner.averaged():
        looked = learner.guess(learner.feed(batches(1)), len(SIZES), so_far=Sums())
        norms = [float(np.linalg.norm(weight.numpy())) for weight in learner.network.weights]
    assert looked.records == sum(SIZES)
    return {"losses": losses, "validation": [looked.mean_loss, looked.accuracy], "norms": norms}


if __name__ == "__main__":
    found = {devices: outcome(devices) for devices in (2, 1)}
    print(json.dumps(found))
