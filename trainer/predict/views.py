"""The views of a plate that are shown to a network, and their pixels.

A network has seen every plate turned and flipped at random, so how a plate lies should not
matter to it; a little it does. The mean over views evens that out: over eight, which are the
eight ways to lay a square (four quarter turns, plain and mirrored), the answer is the same
however the camera was mounted. Quarter turns and flips of a variant are exact and cost no
second rendering.
"""

import numpy as np

from pipeline.augment import Augmentation
from pipeline.decode import Plate, decode_plate
from pipeline.render import SIDE, render
from schemas.recipe import RenderConfig
from trainer.predict.config import check_views


def view_augmentations(count: int) -> list[Augmentation]:
    """Returns what makes the views of a plate.

    Args:
        count: 1 for the plate as it lies, or an even number: half as many turns, evenly
            spaced from 0 degrees, each plain and mirrored.

    Raises:
        ValueError: if it is another number.

    >>> [(view.angle, view.flip_horizontal) for view in view_augmentations(4)]
    [(0.0, False), (0.0, True), (180.0, False), (180.0, True)]
    """
    check_views(count)
    if count == 1:
        return [Augmentation()]
    turns = count // 2
    return [
        Augmentation(angle=360 * turn / turns, flip_horizontal=mirrored)
        for turn in range(turns)
        for mirrored in (False, True)
    ]


def render_views(plate: Plate, count: int, config: RenderConfig) -> np.ndarray:
    """Returns the views of a plate, in the order of `view_augmentations`.

    Each is the bytes that `pipeline.render.render` gives for it; see there for why those a
    quarter turn or a flip apart need be rendered once only.

    Returns:
        uint8 array of shape [count, 128, 128].
    """
    views = np.empty((count, SIDE, SIDE), np.uint8)
    rendered: dict[float, np.ndarray] = {}
    for view, augmentation in zip(views, view_augmentations(count), strict=True):
        quarters, rest = divmod(augmentation.angle, 90.0)
        if rest not in rendered:
            rendered[rest] = render(plate, Augmentation(angle=rest), config)
        turned = np.rot90(rendered[rest], int(quarters))
        view[:] = turned[:, ::-1] if augmentation.flip_horizontal else turned
    return views


def views_of(content: bytes, count: int, config: RenderConfig) -> np.ndarray:
    """Returns the views of the plate that an image file shows; see `render_views`.

    Raises:
        UnreadableImage: if there is no usable image in the content.
    """
    return render_views(decode_plate(content), count, config)
