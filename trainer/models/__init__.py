"""Builds the eight networks in Keras: one name, one function.

Every network takes uint8 pixels as the records have them and rescales them to [-1, 1] itself,
so that training, evaluation and inference cannot differ there; it gives logits.

Importing this package registers the layers of ours, so that `keras.models.load_model` reads
what `save` wrote.
"""

import math
from collections.abc import Callable, Mapping

import keras

from trainer.errors import UsageError
from trainer.models import inception, layers, plain, residual
from trainer.models.parts import Parts
from trainer.networks import INITS, NETWORKS, Network, find_network

__all__ = ["INITS", "NETWORKS", "Network", "build_network", "find_network", "layers"]

# Each adds a network's layers to uint8 pixels, up to what goes into the logits.
_BODIES: Mapping[str, Callable[[Parts, keras.KerasTensor], keras.KerasTensor]] = {
    "crystalnet": plain.crystalnet,
    "lcn": plain.lcn,
    "alexnet": plain.alexnet,
    "vgg16": plain.vgg16,
    "vgg19": plain.vgg19,
    "inception_v3": inception.inception_v3,
    "resnet32": residual.resnet32,
    "resnet56": residual.resnet56,
}


def build_network(
    name: str,
    *,
    labels: int,
    side: int = 128,
    width: float = 1.0,
    init: str = "he_normal",
    weight_decay: float | None = None,
    seed: int = 0,
) -> keras.Model:
    """Returns a network with its first weights.

    Args:
        name: a name of `NETWORKS`.
        labels: how many logits it gives, at least 2.
        side: height and width of its input in pixels.
        width: factor of all channels and of the widths of fully connected layers.
        init: of all kernels, one of `INITS`. The paper says "Gaussian" and no more. He normal
            is a Gaussian whose width follows from the layer's inputs (He et al. 2015,
            arXiv:1502.01852); with one width for all layers VGG stays at chance.
        weight_decay: factor of the L2 loss on all kernels but the logits'; None is the
            network's own. It adds to the loss that Keras reports.
        seed: with the layers' names it decides all first weights and dropouts, whatever the
            process has drawn before.

    Returns:
        A functional model from uint8 [N, side, side, 1] to float32 logits [N, labels]; they
        are float32 under a policy of mixed precision too.

    Raises:
        UsageError: if an argument cannot be met.
    """
    network = find_network(name)
    decay = network.weight_decay if weight_decay is None else weight_decay
    if labels < 2:
        raise UsageError(f"a network needs two labels or more, got {labels}")
    if side < network.smallest_side:
        raise UsageError(
            f"{network.title} needs images of {network.smallest_side} pixels a side or more, "
            f"got {side}"
        )
    if not 0 < width <= 16:
        raise UsageError(f"wanted a width above 0 and at most 16, got {width}")
    if not 0 <= decay < math.inf:
        raise UsageError(f"wanted a weight decay of 0 or more, got {decay}")
    parts = Parts(network=name, seed=seed, width=width, init=init, weight_decay=decay)
    pixels = keras.Input((side, side, 1), dtype="uint8", name="image")
    features = _BODIES[name](parts, pixels)
    return keras.Model(pixels, parts.logits(features, labels), name=name)
