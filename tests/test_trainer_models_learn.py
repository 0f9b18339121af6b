"""Each of the eight networks learns: eight images by heart, and more of them at the paper's pace.

As in the paper, SGD with momentum, and each network's own learning rate and clip norm. Narrow
networks and small images, so that a CPU does it in seconds. What is measured is what a trained
network does at inference: with dropout off and the running statistics of batch normalization.
"""

import functools
import math
from collections.abc import Callable

import keras
import numpy as np
import pytest

from tests.trainer_networks import LABELS, SMALL, small_network, stripes
from trainer.networks import NETWORKS

BATCH = 16
CHANCE = math.log(LABELS)
MARGIN = 0.3
PERIOD = 20  # steps between two looks

# What takes most of their time is to trace their graphs of some hundreds of layers.
DEEP = ("inception_v3", "resnet56")
EACH = [pytest.param(name, marks=[pytest.mark.slow] if name in DEEP else []) for name in NETWORKS]


@functools.cache
def traced(name: str) -> tuple[keras.Model, list[np.ndarray]]:
    """Returns a small network and all numbers of it before training; its tests share its graph."""
    model = small_network(name)
    compile_as_in_the_paper(model)
    model.optimizer.build(model.trainable_variables)
    return model, [keras.ops.convert_to_numpy(variable) for variable in everything(model)]


def fresh(name: str) -> keras.Model:
    """Returns a small network as it is before training, compiled as the paper trains it."""
    model, first = traced(name)
    for variable, value in zip(everything(model), first, strict=True):
        variable.assign(value)
    return model


def everything(model: keras.Model) -> list[keras.Variable]:
    return [*model.variables, *model.optimizer.variables]


def compile_as_in_the_paper(model: keras.Model) -> None:
    network = NETWORKS[model.name]
    model.compile(
        keras.optimizers.SGD(
            network.learning_rate, momentum=0.9, global_clipnorm=network.clip_norm
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )


def train(
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    steps: int,
    until: Callable[[], bool],
) -> bool:
    """Trains with batches in a new order each epoch; returns whether `until` came in time."""
    generator = np.random.default_rng(0)
    batches: list[np.ndarray] = []
    for step in range(1, steps + 1):
        if not batches:
            batches = list(generator.permutation(len(labels)).reshape(-1, BATCH))
        chosen = batches.pop()
        model.train_on_batch(images[chosen], labels[chosen])
        if step % PERIOD == 0 and until():
            return True
    return False


def logits(model: keras.Model, images: np.ndarray) -> np.ndarray:
    # in batches of the size that training has: another one would be traced again
    batches = images.reshape(-1, BATCH, *images.shape[1:])
    return np.concatenate([model.predict_on_batch(batch) for batch in batches])


def cross_entropy(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean loss without the loss on weights."""
    scores = logits(model, images).astype(np.float64)
    scores -= scores.max(axis=1, keepdims=True)
    likely = scores[np.arange(len(labels)), labels] - np.log(np.exp(scores).sum(axis=1))
    return float(-likely.mean())


@pytest.mark.parametrize("name", EACH)
def test_a_network_knows_eight_images_by_heart(name):
    small = SMALL[name]
    images, labels = (np.concatenate([part, part]) for part in stripes(8, side=small.side))
    model = fresh(name)

    def known() -> bool:
        return bool((logits(model, images).argmax(axis=1) == labels).all())

    assert not known()
    assert train(model, images, labels, steps=small.steps_of_eight, until=known)


@pytest.mark.parametrize("name", EACH)
def test_a_network_starts_to_learn_under_the_papers_recipe(name):
    small = SMALL[name]
    images, labels = stripes(160, side=small.side)
    unseen = stripes(80, side=small.side, seed=1)
    model = fresh(name)

    def learned() -> bool:
        return cross_entropy(model, *unseen) < CHANCE - MARGIN

    assert not learned()
    assert train(model, images, labels, steps=small.steps, until=learned)


def test_one_gaussian_for_all_layers_leaves_vgg_at_chance():
    """Why `he_normal` is the default: its Gaussians are as wide as each layer's inputs ask."""
    small = SMALL["vgg16"]
    images, labels = stripes(160, side=small.side)
    model = fresh("vgg16")
    model.set_weights(small_network("vgg16", init="gaussian:0.01").get_weights())

    def learned() -> bool:
        return cross_entropy(model, images, labels) < CHANCE - 0.01

    assert not train(model, images, labels, steps=small.steps // 2, until=learned)
