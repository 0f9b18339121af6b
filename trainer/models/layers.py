"""Layers that Keras lacks."""

from typing import Any

import keras
from keras import ops

PACKAGE = "crystal_plates"


@keras.saving.register_keras_serializable(package=PACKAGE)
class LocalResponseNormalization(keras.layers.Layer):  # type: ignore[misc]
    """Divides each value by the energy of the channels around it (Krizhevsky et al. 2012, 3.3).

    y = x / (bias + alpha * sum of x^2 over channels c - radius ... c + radius) ** beta,
    where channels outside of the map count as zero: what `tf.nn.local_response_normalization`
    gives. The defaults are TFLearn's.

    Takes and gives [N, height, width, channels]. Computes in float32 under mixed precision
    too: half floats overflow at squares above 65,504.
    """

    def __init__(
        self,
        radius: int = 5,
        *,
        bias: float = 1.0,
        alpha: float = 1e-4,
        beta: float = 0.75,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.radius, self.bias, self.alpha, self.beta = radius, bias, alpha, beta

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Divides each value by the energy around it."""
        x = ops.cast(inputs, "float32")
        window = 2 * self.radius + 1
        squares = ops.pad(ops.square(x), [[0, 0]] * 3 + [[self.radius, self.radius]])
        # A pool over channels alone; the mean of a full window times its length is its sum.
        height, width = inputs.shape[1:3]
        flat = ops.reshape(squares, (-1, height * width, squares.shape[-1], 1))
        means = ops.average_pool(flat, (1, window), (1, 1), "valid", "channels_last")
        sums = window * ops.reshape(means, (-1, height, width, inputs.shape[-1]))
        return ops.cast(x / ops.power(self.bias + self.alpha * sums, self.beta), inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the same shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns what makes the layer again."""
        own = {"radius": self.radius, "bias": self.bias, "alpha": self.alpha, "beta": self.beta}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package=PACKAGE)
class PadChannels(keras.layers.Layer):  # type: ignore[misc]
    """Adds channels of zeros, half of them before and half after those that are there.

    The shortcut without parameters of He et al. (2015, option A), as TFLearn pads it.

    Takes [N, height, width, c], gives [N, height, width, channels]; c <= channels.
    """

    def __init__(self, channels: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.channels = channels

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Adds the zeros."""
        missing = self.channels - inputs.shape[-1]
        before = missing // 2
        return ops.pad(inputs, [[0, 0]] * 3 + [[before, missing - before]])

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape with more channels."""
        return (*input_shape[:-1], self.channels)

    def get_config(self) -> dict[str, Any]:
        """Returns what makes the layer again."""
        return {**super().get_config(), "channels": self.channels}
