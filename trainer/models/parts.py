"""Layers as the networks need them: widths scaled, weights and dropouts drawn from names."""

import dataclasses
from typing import Any

import keras

from schemas.draws import uniform
from trainer.networks import gaussian_deviation

MULTIPLE = 4  # of channels, at any width: shortcuts pad the halves of even differences

# TFLearn's batch normalization (tflearn/layers/normalization.py). Keras' momentum of 0.99
# would leave the statistics of a short training near their first values.
BATCH_NORM_MOMENTUM = 0.9
BATCH_NORM_EPSILON = 1e-5


@dataclasses.dataclass(frozen=True)
class Parts:
    """Makes a network's layers.

    Each has a name that is its own in the network: it decides the layer's draws, and it does
    not depend on what the process built before.

    Attributes:
        network: name of the network.
        seed: of all draws.
        width: factor of channels.
        init: of kernels, one of `trainer.networks.INITS`.
        weight_decay: wd in wd * sum(w^2) / 2 on every kernel but the logits'.
    """

    network: str
    seed: int
    width: float
    init: str
    weight_decay: float

    def __post_init__(self) -> None:
        gaussian_deviation(self.init)

    def channels(self, full: int) -> int:
        """Returns the scaled width of what has `full` channels at width 1.

        >>> Parts("vgg16", seed=0, width=0.3, init="he_normal", weight_decay=0).channels(64)
        20
        """
        return max(MULTIPLE, MULTIPLE * int(full * self.width / MULTIPLE + 0.5))

    def drawn_seed(self, name: str) -> int:
        """Returns the seed of a layer's draws, in [0, 2^31)."""
        return int(uniform(self.seed, "network", self.network, name) * 2**31)

    def initializer(self, name: str) -> keras.Initializer:
        """Returns what draws a layer's kernel."""
        seed = self.drawn_seed(name)
        deviation = gaussian_deviation(self.init)
        if deviation is not None:
            return keras.initializers.RandomNormal(stddev=deviation, seed=seed)
        kinds = {
            "he_normal": keras.initializers.HeNormal,
            "glorot_uniform": keras.initializers.GlorotUniform,
        }
        return kinds[self.init](seed=seed)

    def regularizer(self) -> keras.Regularizer | None:
        """Returns the loss on a kernel; Keras' L2 lacks TFLearn's half."""
        return keras.regularizers.L2(self.weight_decay / 2) if self.weight_decay else None

    def rescaled(self, pixels: keras.KerasTensor) -> keras.KerasTensor:
        """Adds what takes uint8 to [-1, 1]."""
        return keras.layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32", name="rescaled")(
            pixels
        )

    def conv(
        self, x: keras.KerasTensor, channels: int, *, kernel: int, name: str, **options: Any
    ) -> keras.KerasTensor:
        """Adds a convolution of `channels` at width 1 that keeps the map's size."""
        return keras.layers.Conv2D(
            self.channels(channels),
            kernel,
            padding="same",
            kernel_initializer=self.initializer(name),
            kernel_regularizer=self.regularizer(),
            name=name,
            **options,
        )(x)

    def pool(
        self, x: keras.KerasTensor, *, name: str, size: int = 2, strides: int = 2
    ) -> keras.KerasTensor:
        """Adds a max-pool; of an odd side, the last row counts too, as in TFLearn."""
        return keras.layers.MaxPooling2D(size, strides, padding="same", name=name)(x)

    def batch_norm(self, x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
        """Adds a batch normalization."""
        return keras.layers.BatchNormalization(
            momentum=BATCH_NORM_MOMENTUM, epsilon=BATCH_NORM_EPSILON, name=name
        )(x)

    def hidden(
        self, x: keras.KerasTensor, units: int, *, name: str, activation: str = "relu"
    ) -> keras.KerasTensor:
        """Adds a fully connected layer of `units` at width 1, and a dropout of one half."""
        x = keras.layers.Dense(
            self.channels(units),
            activation=activation,
            kernel_initializer=self.initializer(name),
            kernel_regularizer=self.regularizer(),
            name=name,
        )(x)
        dropout = f"{name}_dropout"
        return keras.layers.Dropout(0.5, seed=self.drawn_seed(dropout), name=dropout)(x)

    def logits(self, x: keras.KerasTensor, labels: int) -> keras.KerasTensor:
        """Adds the last layer, float32 under any policy: losses of half floats overflow."""
        name = "logits"
        return keras.layers.Dense(
            labels, kernel_initializer=self.initializer(name), dtype="float32", name=name
        )(x)
