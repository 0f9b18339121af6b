"""Inception-V3 (Szegedy et al., arXiv:1512.00567) with the graph of Keras Applications."""

import collections
from typing import Any

import keras

from trainer.models.parts import BATCH_NORM_MOMENTUM, Parts


def inception_v3(parts: Parts, pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Adds Keras' graph, with each layer at our width and with our draws."""
    graph = _graph(parts, side=pixels.shape[1])
    names = _names(graph)

    def remade(layer: keras.Layer) -> keras.Layer:
        return _remade(parts, layer, name=names[layer.name])

    return keras.models.clone_model(graph, input_tensors=[pixels], clone_function=remade).output


def _graph(parts: Parts, *, side: int) -> keras.Model:
    # On an input of its own: what is built on ours would live as long as the network.
    pixels = keras.Input((side, side, 1), dtype="uint8", name="image")
    return keras.applications.InceptionV3(
        include_top=False, weights=None, input_tensor=parts.rescaled(pixels), pooling="avg"
    )


def _names(graph: keras.Model) -> dict[str, str]:
    """Returns new names of the layers, since Keras' depend on what was built before."""
    counts: collections.Counter[str] = collections.Counter()
    names = {}
    for layer in graph.layers:
        if isinstance(layer, keras.layers.Rescaling):  # ours
            names[layer.name] = layer.name
            continue
        kind = type(layer).__name__.lower()
        counts[kind] += 1
        names[layer.name] = f"{kind}_{counts[kind]}"
    return names


def _remade(parts: Parts, layer: keras.Layer, *, name: str) -> keras.Layer:
    config: dict[str, Any] = {**layer.get_config(), "name": name}
    if isinstance(layer, keras.layers.Conv2D):
        config["filters"] = parts.channels(config["filters"])
        config["kernel_initializer"] = parts.initializer(name)
        config["kernel_regularizer"] = parts.regularizer()
    elif isinstance(layer, keras.layers.BatchNormalization):
        config["momentum"] = BATCH_NORM_MOMENTUM
    return type(layer).from_config(config)
