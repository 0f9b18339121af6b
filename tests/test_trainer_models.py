"""The eight networks as they are built: structure, first weights, saved and loaded."""

import functools
import subprocess
import sys
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.trainer_networks import LABELS, SMALL, small_network, stripes
from trainer.errors import UsageError
from trainer.models import NETWORKS, build_network
from trainer.models.parts import MULTIPLE

ROOT = Path(__file__).parent.parent
RESIDUAL = ("resnet32", "resnet56")
SHALLOW = ("crystalnet", "lcn", "alexnet")

# network: convolutions, fully connected layers (the logits' too), max-pools, batch
# normalizations, dropouts; and millions of multiplications an image of 128x128
TALLIES = {
    "crystalnet": ((4, 3, 3, 0, 2), 192),
    "lcn": ((5, 4, 5, 0, 3), 169),
    "alexnet": ((5, 3, 3, 0, 2), 401),
    "vgg16": ((13, 3, 5, 0, 2), 5043),
    "vgg19": ((16, 3, 5, 0, 2), 6402),
    "inception_v3": ((94, 1, 4, 94, 0), 728),
    "resnet32": ((31, 1, 0, 31, 0), 1097),
    "resnet56": ((55, 1, 0, 55, 0), 2003),
}


def he(into: int, _: int) -> float:
    return (2 / into) ** 0.5


def glorot(into: int, out: int) -> float:
    return (2 / (into + out)) ** 0.5


# Inception-V3 has 300 layers: to build it takes seconds.
INCEPTION = pytest.param("inception_v3", marks=pytest.mark.slow)
each = pytest.mark.parametrize(
    "name", [INCEPTION if name == "inception_v3" else name for name in NETWORKS]
)
small = functools.cache(small_network)  # not to be changed


def weighty(model: keras.Model) -> list[keras.Layer]:
    return [layer for layer in model.layers if hasattr(layer, "kernel")]


def tally(model: keras.Model) -> tuple[int, ...]:
    kinds = Counter(type(layer).__name__ for layer in model.layers)
    wanted = ("Conv2D", "Dense", "MaxPooling2D", "BatchNormalization", "Dropout")
    return tuple(kinds[kind] for kind in wanted)


def multiplications(model: keras.Model) -> int:
    """Returns those of convolutions and fully connected layers for one image."""
    return sum(
        int(np.prod(layer.kernel.shape)) * int(np.prod(layer.output.shape[1:-1]))
        for layer in weighty(model)
    )


def weights_equal(one: keras.Model, other: keras.Model) -> bool:
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


class TestStructure:
    @each
    def test_a_full_network_is_the_papers_to_the_digit(self, name):
        layers, millions = TALLIES[name]
        model = build_network(name, labels=10)
        assert model.count_params() == NETWORKS[name].parameters
        assert tally(model) == layers
        assert round(multiplications(model) / 1e6) == millions
        assert model.input.shape == (None, 128, 128, 1)
        assert model.output.shape == (None, 10)

    @each
    def test_it_takes_bytes_and_gives_logits(self, name):
        model = small(name)
        images, _ = stripes(3, side=SMALL[name].side)
        assert (model.input.dtype, model.output.dtype) == ("uint8", "float32")
        logits = keras.ops.convert_to_numpy(model(images))
        assert logits.shape == (3, LABELS)
        assert np.isfinite(logits).all()
        assert not np.allclose(logits.sum(axis=1), 1)  # no probabilities
        assert len(np.unique(logits, axis=0)) == 3  # images make a difference

    @each
    def test_pixels_are_rescaled_within(self, name):
        model = small(name)
        rescaled = keras.Model(model.input, model.get_layer("rescaled").output)
        pixels = np.zeros((1, SMALL[name].side, SMALL[name].side, 1), np.uint8)
        pixels[0, 0, :3, 0] = (0, 128, 255)
        found = keras.ops.convert_to_numpy(rescaled(pixels))[0, 0, :3, 0]
        assert found == pytest.approx([-1, 0.5 / 127.5, 1], abs=1e-6)

    @each
    def test_any_labels_and_any_side(self, name):
        model = build_network(name, labels=23, side=101, width=0.05)
        assert model.compute_output_shape((7, 101, 101, 1)) == (7, 23)
        assert tally(model) == TALLIES[name][0]

    @pytest.mark.parametrize(
        ("name", "width"),
        [
            *((name, width) for name in (*SHALLOW, "resnet32") for width in (0.01, 0.3, 0.77)),
            ("resnet56", 0.3),
        ],
    )
    def test_any_width(self, name, width):
        *hidden, logits = weighty(build_network(name, labels=3, side=75, width=width))
        assert logits.kernel.shape[-1] == 3
        assert all(layer.kernel.shape[-1] % MULTIPLE == 0 for layer in hidden)

    def test_width_scales_channels_and_connections(self):
        half = build_network("vgg16", labels=10, side=32, width=0.5)
        assert half.get_layer("conv1_1").filters == 32
        assert half.get_layer("conv5_3").filters == 256
        assert half.get_layer("fc1").units == 2048

    @pytest.mark.parametrize(
        ("into", "block"),
        [("stage1_block1_sum", "stage1_block2"), ("stage1_block5_sum", "stage2_block1")],
    )
    def test_a_residual_block_is_fully_pre_activated(self, into, block):
        model = small("resnet32")
        layer = model.get_layer
        step = keras.Model(layer(into).output, layer(f"{block}_sum").output)
        x = np.random.default_rng(0).normal(size=(2, *layer(into).output.shape[1:]))
        given = y = x = x.astype(np.float32)
        for number in (1, 2):
            y = layer(f"{block}_conv{number}")(np.maximum(layer(f"{block}_norm{number}")(y), 0))
        if block == "stage2_block1":  # half of the side, twice the channels
            x = np.mean([x[:, a::2, b::2] for a in (0, 1) for b in (0, 1)], axis=0)
            half = x.shape[-1] // 2
            x = np.pad(x, [(0, 0)] * 3 + [(half, half)])
        assert np.allclose(step(given), y + x, atol=1e-5)

    def test_alexnet_is_tflearns(self):
        found = [
            getattr(getattr(layer, "activation", None), "__name__", type(layer).__name__)
            for layer in small("alexnet").layers
        ]
        block = ["relu", "MaxPooling2D", "LocalResponseNormalization"]
        dense = ["tanh", "Dropout"]
        assert found == [
            *("InputLayer", "Rescaling", *block, *block, "relu", "relu", *block),
            *("Flatten", *dense, *dense, "linear"),
        ]

    @pytest.mark.slow
    def test_inception_is_the_graph_of_keras(self):
        theirs = keras.applications.InceptionV3(
            weights=None, input_shape=(75, 75, 1), classes=10, classifier_activation=None
        )
        ours = build_network("inception_v3", labels=10, side=75)
        ours.set_weights(theirs.get_weights())
        images, _ = stripes(2, side=75)
        expected = theirs(images / np.float32(127.5) - 1)
        assert np.allclose(ours(images), expected, rtol=1e-4, atol=1e-5)


class TestRefusals:
    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"name": "resnet65"}, "did you mean resnet56"),
            ({"labels": 1}, "two labels or more, got 1"),
            ({"side": 31}, "ResNet-56 needs images of 32 pixels a side or more, got 31"),
            ({"name": "inception_v3", "side": 74}, "of 75 pixels a side or more, got 74"),
            *(({"width": width}, "wanted a width") for width in (0, -1, 17, np.nan, np.inf)),
            *(({"weight_decay": wd}, "wanted a weight decay") for wd in (-1e-4, np.nan, np.inf)),
            ({"init": "he"}, "wanted an init"),
        ],
    )
    def test_what_cannot_be_built_is_refused(self, wrong, message):
        arguments = {"name": "resnet56", "labels": 10, "side": 32, "width": 0.25, **wrong}
        with pytest.raises(UsageError, match=message):
            build_network(**arguments)


class TestDraws:
    @each
    def test_a_seed_decides_all_first_weights(self, name):
        keras.utils.set_random_seed(1)
        keras.random.normal((3,))
        again = small_network(name)  # not the first of its name in this process
        assert weights_equal(small(name), again)
        assert [layer.name for layer in again.layers] == [
            layer.name for layer in small(name).layers
        ]

    @pytest.mark.parametrize("name", ["lcn", "resnet32"])
    def test_another_seed_decides_otherwise(self, name):
        other = small_network(name, seed=1)
        for one, two in zip(weighty(small(name)), weighty(other), strict=True):
            assert not np.array_equal(one.kernel, two.kernel)

    @each
    def test_no_two_layers_share_their_draws(self, name):
        seeds = [
            seed
            for layer in small(name).layers
            for seed in (
                getattr(getattr(layer, "kernel_initializer", None), "seed", None),
                getattr(layer, "seed", None),
            )
            if seed is not None
        ]
        convolutions, dense, _, _, dropouts = TALLIES[name][0]
        assert len(set(seeds)) == len(seeds) == convolutions + dense + dropouts

    @pytest.mark.parametrize("name", SHALLOW)
    def test_dropouts_are_drawn_from_the_seed_too(self, name):
        images, _ = stripes(4, side=SMALL[name].side)
        draws = [np.array(small_network(name)(images, training=True)) for _ in range(2)]
        assert np.array_equal(*draws)
        assert not np.array_equal(draws[0], small(name)(images, training=False))

    @pytest.mark.parametrize(
        ("name", "init", "deviation"),
        [
            *((name, "he_normal", he) for name in ("alexnet", "resnet32")),
            *((name, "glorot_uniform", glorot) for name in ("alexnet", "resnet32")),
            ("vgg16", "gaussian:0.03", lambda _, __: 0.03),
            pytest.param(
                *("inception_v3", "gaussian:0.03", lambda _, __: 0.03), marks=pytest.mark.slow
            ),
        ],
    )
    def test_an_init_is_that_of_every_kernel(self, name, init, deviation):
        for layer in weighty(small(name, init=init, weight_decay=0.01)):
            *field, into, out = layer.kernel.shape
            area = int(np.prod(field))
            expected = deviation(area * into, area * out)
            # four standard errors of a Gaussian's deviation; the others' are smaller
            tolerance = 4 / (2 * layer.kernel.numpy().size) ** 0.5
            assert np.std(layer.kernel) == pytest.approx(expected, rel=tolerance)
            assert layer.bias is None or not np.any(layer.bias)


class TestWeightDecay:
    @pytest.mark.parametrize("name", RESIDUAL)
    def test_residual_networks_have_tflearns(self, name):
        model = small(name)
        squares = sum(float(np.sum(np.square(layer.kernel))) for layer in weighty(model)[:-1])
        assert float(sum(model.losses)) == pytest.approx(1e-4 * squares / 2, rel=1e-4)

    @pytest.mark.parametrize("name", sorted({*TALLIES} - {*RESIDUAL, "inception_v3"}))
    def test_the_others_have_none(self, name):
        assert small(name).losses == []

    @pytest.mark.parametrize("name", ["vgg16", INCEPTION])
    def test_it_can_be_asked_for(self, name):
        model = small(name, init="gaussian:0.03", weight_decay=0.01)
        squares = sum(float(np.sum(np.square(layer.kernel))) for layer in weighty(model)[:-1])
        assert float(sum(model.losses)) == pytest.approx(0.01 * squares / 2, rel=1e-4)

    def test_it_can_be_left_out(self):
        assert small_network("resnet32", weight_decay=0).losses == []


@pytest.fixture
def half_floats():
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    yield
    keras.mixed_precision.set_dtype_policy(before)


class TestMixedPrecision:
    @each
    def test_logits_stay_float32(self, name, half_floats):
        model = small_network(name)
        assert model.output.dtype == "float32"
        computed = {layer.compute_dtype for layer in weighty(model)[:-1]}
        assert computed == {"float16"}
        assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
        if name in SHALLOW:
            images, _ = stripes(3, side=SMALL[name].side)
            assert np.allclose(model(images), small(name)(images), rtol=0.05, atol=0.02)


class TestSaving:
    @each
    def test_a_loaded_network_gives_the_same_logits(self, name, tmp_path):
        model = small(name)
        images, _ = stripes(5, side=SMALL[name].side)
        model.save(tmp_path / "network.keras")
        loaded = keras.models.load_model(tmp_path / "network.keras")
        assert weights_equal(model, loaded)
        assert np.array_equal(model(images), loaded(images))
        assert len(loaded.losses) == len(model.losses)
        pairs = zip(model.layers, loaded.layers, strict=True)
        assert all(one.get_config() == other.get_config() for one, other in pairs)

    @pytest.mark.parametrize("name", ["alexnet", "resnet32"])
    def test_weights_alone_can_be_kept(self, name, tmp_path):
        path = tmp_path / "network.weights.h5"
        small(name).save_weights(path)
        other = small_network(name, seed=5)
        other.load_weights(path)
        assert weights_equal(small(name), other)

    @pytest.mark.slow
    def test_another_process_draws_and_loads_the_same(self, tmp_path):
        """Custom layers are known by `import trainer.models`; draws know no process."""
        code = """
import sys, numpy as np, keras, trainer.models
from tests.trainer_networks import SMALL, small_network, stripes
for name in ("resnet32", "inception_v3", "alexnet"):
    loaded = keras.models.load_model(f"{sys.argv[1]}/{name}.keras")
    drawn = small_network(name).get_weights()
    assert all(map(np.array_equal, drawn, loaded.get_weights())), name
    np.save(f"{sys.argv[1]}/{name}.npy", loaded(stripes(5, side=SMALL[name].side)[0]))
"""
        names = ("resnet32", "inception_v3", "alexnet")
        for name in names:
            small(name).save(tmp_path / f"{name}.keras")
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=True)
        for name in names:
            images, _ = stripes(5, side=SMALL[name].side)
            assert np.allclose(np.load(tmp_path / f"{name}.npy"), small(name)(images), atol=1e-6)
