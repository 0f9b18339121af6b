"""Augmentation: the numbers that make a variant, drawn from names."""

import dataclasses

from schemas.draws import uniform
from schemas.recipe import AugmentConfig


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What is done to a plate to make one variant.

    Attributes:
        angle: turn about the centre, in degrees, counter-clockwise, 0 to below 360.
        flip_horizontal: whether left and right change places, after the turn.
        flip_vertical: whether top and bottom change places, after the turn.
    """

    angle: float = 0.0
    flip_horizontal: bool = False
    flip_vertical: bool = False


def sample_augmentation(
    seed: int, image_id: str, *, variant: int, config: AugmentConfig
) -> Augmentation:
    """Returns the numbers that make one variant of one image.

    The same arguments give the same numbers on every machine. No variant is
    left plain: unrotated majority images would give their label away.
    """

    def draw(quantity: str) -> float:  # in [0, 1)
        return uniform(seed, image_id, variant, quantity)

    return Augmentation(
        # once more, since a tiny turn to the right gives 360 the first time
        angle=(2 * draw("angle") - 1) * config.max_rotation % 360 % 360,
        flip_horizontal=draw("flip_horizontal") < config.flip_probability,
        flip_vertical=draw("flip_vertical") < config.flip_probability,
    )
