"""The networks of convolutions one after another, without batch normalization."""

from collections.abc import Sequence

import keras

from trainer.models.layers import LocalResponseNormalization
from trainer.models.parts import Parts


def crystalnet(parts: Parts, pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Adds CrystalNet: a reconstruction.

    Yann & Tang (AAAI 2016) are said to have four convolutions and three fully connected
    layers; kernels, widths and pools here are ours.
    """
    x = parts.rescaled(pixels)
    x = parts.conv(x, 32, kernel=5, activation="relu", name="conv1")
    x = parts.pool(x, name="pool1")
    x = parts.conv(x, 32, kernel=5, activation="relu", name="conv2")
    x = parts.pool(x, name="pool2")
    x = parts.conv(x, 64, kernel=3, activation="relu", name="conv3")
    x = parts.conv(x, 64, kernel=3, activation="relu", name="conv4")
    x = parts.pool(x, name="pool3")
    return _fully_connected(parts, x, (1024, 1024))


def lcn(parts: Parts, pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Adds Lean CrystalNet: a reconstruction.

    The paper says: CrystalNet with one convolution, two pools and one fully connected layer
    more, and far fewer parameters. The width of the fifth convolution is ours: it makes them
    0.486 of our CrystalNet's.
    """
    x = parts.rescaled(pixels)
    for number, (channels, kernel) in enumerate(
        [(32, 5), (32, 5), (64, 3), (64, 3), (384, 3)], start=1
    ):
        x = parts.conv(x, channels, kernel=kernel, activation="relu", name=f"conv{number}")
        x = parts.pool(x, name=f"pool{number}")
    return _fully_connected(parts, x, (1024, 1024, 1024))


def alexnet(parts: Parts, pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Adds AlexNet (Krizhevsky et al. 2012) in one column, as TFLearn's example has it.

    The fully connected layers end in tanh there, not in the paper's ReLU.
    """
    x = parts.rescaled(pixels)
    x = parts.conv(x, 96, kernel=11, strides=4, activation="relu", name="conv1")
    x = _pool_and_normalize(parts, x, "1")
    x = parts.conv(x, 256, kernel=5, activation="relu", name="conv2")
    x = _pool_and_normalize(parts, x, "2")
    x = parts.conv(x, 384, kernel=3, activation="relu", name="conv3")
    x = parts.conv(x, 384, kernel=3, activation="relu", name="conv4")
    x = parts.conv(x, 256, kernel=3, activation="relu", name="conv5")
    x = _pool_and_normalize(parts, x, "3")
    return _fully_connected(parts, x, (4096, 4096), activation="tanh")


def vgg16(parts: Parts, pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Adds VGG's configuration D (Simonyan & Zisserman, arXiv:1409.1556, Table 1)."""
    return _vgg(parts, pixels, depths=(2, 2, 3, 3, 3))


def vgg19(parts: Parts, pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Adds VGG's configuration E."""
    return _vgg(parts, pixels, depths=(2, 2, 4, 4, 4))


def _vgg(parts: Parts, pixels: keras.KerasTensor, *, depths: Sequence[int]) -> keras.KerasTensor:
    x = parts.rescaled(pixels)
    for block, (depth, channels) in enumerate(
        zip(depths, (64, 128, 256, 512, 512), strict=True), start=1
    ):
        for number in range(1, depth + 1):
            name = f"conv{block}_{number}"
            x = parts.conv(x, channels, kernel=3, activation="relu", name=name)
        x = parts.pool(x, name=f"pool{block}")
    return _fully_connected(parts, x, (4096, 4096))


def _pool_and_normalize(parts: Parts, x: keras.KerasTensor, number: str) -> keras.KerasTensor:
    x = parts.pool(x, size=3, name=f"pool{number}")
    return LocalResponseNormalization(name=f"normalized{number}")(x)


def _fully_connected(
    parts: Parts, x: keras.KerasTensor, units: Sequence[int], *, activation: str = "relu"
) -> keras.KerasTensor:
    x = keras.layers.Flatten(name="flat")(x)
    for number, width in enumerate(units, start=1):
        x = parts.hidden(x, width, activation=activation, name=f"fc{number}")
    return x
