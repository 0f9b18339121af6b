"""The residual networks for small images (He et al., arXiv:1512.03385, section 4.2).

As TFLearn's `residual_block` has them: full pre-activation (arXiv:1603.05027), biases in the
convolutions, shortcuts without parameters.
"""

import keras

from trainer.models.layers import PadChannels
from trainer.models.parts import Parts


def resnet32(parts: Parts, pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Adds 6 * 5 + 2 layers, the logits included."""
    return _resnet(parts, pixels, blocks=5)


def resnet56(parts: Parts, pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Adds 6 * 9 + 2 layers, the logits included."""
    return _resnet(parts, pixels, blocks=9)


def _resnet(parts: Parts, pixels: keras.KerasTensor, *, blocks: int) -> keras.KerasTensor:
    x = parts.conv(parts.rescaled(pixels), 16, kernel=3, name="conv0")
    for stage, channels in enumerate((16, 32, 64), start=1):
        for block in range(1, blocks + 1):
            strides = 2 if stage > 1 and block == 1 else 1
            x = _block(parts, x, channels, strides=strides, name=f"stage{stage}_block{block}")
    x = parts.batch_norm(x, name="last_norm")
    x = keras.layers.ReLU(name="last_relu")(x)
    return keras.layers.GlobalAveragePooling2D(name="mean")(x)


def _block(
    parts: Parts, x: keras.KerasTensor, channels: int, *, strides: int, name: str
) -> keras.KerasTensor:
    shortcut = x
    for number, step in ((1, strides), (2, 1)):
        x = parts.batch_norm(x, name=f"{name}_norm{number}")
        x = keras.layers.ReLU(name=f"{name}_relu{number}")(x)
        x = parts.conv(x, channels, kernel=3, strides=step, name=f"{name}_conv{number}")
    if strides > 1:
        shortcut = keras.layers.AveragePooling2D(
            strides, padding="same", name=f"{name}_shortcut_mean"
        )(shortcut)
        shortcut = PadChannels(x.shape[-1], name=f"{name}_shortcut_pad")(shortcut)
    return keras.layers.Add(name=f"{name}_sum")([x, shortcut])
