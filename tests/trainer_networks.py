"""The eight networks so narrow that a CPU trains them in seconds, and images to learn."""

from typing import NamedTuple

import numpy as np

from trainer.networks import NETWORKS

LABELS = 10


class Small(NamedTuple):
    """What makes a network quick.

    Attributes:
        width: factor of its channels.
        side: of its input in pixels; a record's 128 work with any width.
        steps: of 16 images, within which it has left chance on `stripes`.
        steps_of_eight: within which it knows eight images by heart.
    """

    width: float
    side: int
    steps: int
    steps_of_eight: int


SMALL = {
    "crystalnet": Small(0.25, 32, 160, 160),
    "lcn": Small(0.25, 32, 300, 300),
    "alexnet": Small(0.125, 64, 100, 100),
    "vgg16": Small(0.125, 32, 200, 200),
    "vgg19": Small(0.125, 32, 200, 200),
    "inception_v3": Small(0.125, 75, 200, 200),
    "resnet32": Small(0.25, 32, 160, 160),
    "resnet56": Small(0.25, 32, 160, 160),
}
assert list(SMALL) == list(NETWORKS)


def small_network(name: str, **options):
    """Returns a narrow network; `options` go to `build_network`."""
    from trainer.models import build_network

    small = SMALL[name]
    return build_network(
        name, **{"labels": LABELS, "side": small.side, "width": small.width, **options}
    )


def stripes(count: int, *, side: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Returns images of stripes whose direction is their label, ten of them in turn.

    Returns:
        uint8 [count, side, side, 1] with noise, each with a phase of its own, and int32 [count].
    """
    generator = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int32) % LABELS
    angle = (np.pi * labels / LABELS)[:, None, None]
    phase = generator.uniform(0, 2 * np.pi, (count, 1, 1))
    y, x = np.mgrid[:side, :side]
    waves = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / 8 + phase)
    noisy = 128 + 80 * waves + generator.normal(0, 15, waves.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)[..., None], labels
