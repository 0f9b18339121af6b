"""Chance for drawing: numbers and generators that depend on a seed and on names alone."""

import dataclasses
import statistics

import cv2
import numpy as np
import numpy.typing as npt

from schemas.draws import Name, uniform

# Middles of 256 equally likely parts of the normal distribution.
_NORMAL = np.array(
    [statistics.NormalDist().inv_cdf((part + 0.5) / 256) for part in range(256)], np.float32
)


def coarse_normal(
    generator: np.random.Generator, shape: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Returns normal noise, float32, of 256 different values; exact noise takes far longer."""
    parts = np.frombuffer(generator.bytes(shape[0] * shape[1]), np.uint8).reshape(shape)
    return cv2.LUT(parts, _NORMAL).astype(np.float32, copy=False)


@dataclasses.dataclass(frozen=True)
class Chance:
    """Draws for one thing (a plate of wells, a drop, an image), known by its names.

    Attributes:
        seed: seed of the demo.
        names: what the draws are for; equal names give equal draws.
    """

    seed: int
    names: tuple[Name, ...]

    def number(self, quantity: str, low: float = 0.0, high: float = 1.0) -> float:
        """Returns a number evenly drawn from [low, high)."""
        return low + (high - low) * uniform(self.seed, *self.names, quantity)

    def happens(self, quantity: str, probability: float) -> bool:
        """Returns True with the given probability, 0 to 1."""
        return self.number(quantity) < probability

    def generator(self, quantity: str) -> np.random.Generator:
        """Returns a new generator for arrays; each call for a quantity gives the same stream."""
        return np.random.default_rng(int(self.number(quantity) * 2**53))
