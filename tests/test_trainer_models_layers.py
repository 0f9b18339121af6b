"""The layers that Keras lacks, against their formulas and against TensorFlow's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.models.layers import LocalResponseNormalization, PadChannels


def maps(*shape: int, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(0).normal(0, scale, shape).astype(np.float32)


def as_the_formula_says(x: np.ndarray, *, radius: int, bias: float, alpha: float, beta: float):
    channels = x.shape[-1]
    sums = np.stack(
        [
            np.square(x[..., max(0, c - radius) : min(channels, c + radius + 1)]).sum(axis=-1)
            for c in range(channels)
        ],
        axis=-1,
    )
    return x / (bias + alpha * sums) ** beta


class TestLocalResponseNormalization:
    @pytest.mark.parametrize("channels", [1, 4, 11, 96])
    @pytest.mark.parametrize(
        "constants",
        [
            {"radius": 5, "bias": 1.0, "alpha": 1e-4, "beta": 0.75},
            {"radius": 2, "bias": 2.0, "alpha": 0.1, "beta": 0.5},
            {"radius": 0, "bias": 0.5, "alpha": 1.0, "beta": 1.0},
        ],
    )
    def test_it_is_the_formula(self, channels, constants):
        x = maps(3, 5, 4, channels, scale=20)
        found = LocalResponseNormalization(**constants)(x)
        assert np.allclose(found, as_the_formula_says(x, **constants), rtol=1e-5, atol=1e-6)

    def test_it_is_tensorflows(self):
        x = tf.constant(maps(2, 7, 7, 32, scale=30))
        layer = LocalResponseNormalization()
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            ours = layer(x)
            theirs = tf.nn.local_response_normalization(
                x, depth_radius=5, bias=1.0, alpha=1e-4, beta=0.75
            )
        assert np.allclose(ours, theirs, rtol=1e-6, atol=1e-6)
        assert np.allclose(tape.gradient(ours, x), tape.gradient(theirs, x), rtol=1e-4, atol=1e-6)

    def test_half_floats_do_not_overflow(self):
        x = maps(1, 2, 2, 8, scale=1) * 1000  # squares far above 65,504
        layer = LocalResponseNormalization(dtype="mixed_float16")
        found = layer(x)
        assert found.dtype == "float16"
        constants = {"radius": 5, "bias": 1.0, "alpha": 1e-4, "beta": 0.75}
        assert np.allclose(found, as_the_formula_says(x, **constants), rtol=2e-3)


class TestPadChannels:
    @pytest.mark.parametrize(("channels", "before", "after"), [(5, 0, 0), (8, 1, 2), (9, 2, 2)])
    def test_half_of_the_zeros_go_before(self, channels, before, after):
        x = maps(2, 3, 3, 5)
        expected = np.pad(x, [(0, 0)] * 3 + [(before, after)])
        assert np.array_equal(PadChannels(channels)(x), expected)


@pytest.mark.parametrize(
    "layer",
    [
        LocalResponseNormalization(3, bias=2.0, alpha=0.5, beta=0.25, name="energy"),
        PadChannels(12, name="pad"),
    ],
)
def test_a_layer_survives_its_config(layer):
    config = keras.saving.serialize_keras_object(layer)
    assert config["registered_name"].startswith("crystal_plates>")
    again = keras.saving.deserialize_keras_object(config)
    x = maps(2, 3, 3, 6)
    assert np.array_equal(layer(x), again(x))
    assert again.get_config() == layer.get_config()
    assert layer.compute_output_shape(x.shape) == layer(x).shape
