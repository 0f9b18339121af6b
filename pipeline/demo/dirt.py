"""What may lie on any plate and says nothing about its label: hairs, dust, scratches, bubbles."""

import numpy as np

from pipeline.demo.chance import Chance
from pipeline.demo.contents import paint_droplet
from pipeline.demo.crystals import trace
from pipeline.demo.scene import HEIGHT, WIDTH, Bytes, Floats, Outline


def _curl(generator: np.random.Generator, *, length: float, bend: float) -> Floats:
    """Returns a curling line somewhere on the plate, float32 [60, 2]."""
    heading = generator.random() * 2 * np.pi + np.cumsum(generator.normal(0, bend, 60))
    steps = np.stack((np.cos(heading), np.sin(heading)), axis=1) * (length / 60)
    start = generator.random(2) * (0.7 * WIDTH, 0.7 * HEIGHT) + (0.15 * WIDTH, 0.15 * HEIGHT)
    return (start + np.cumsum(steps, axis=0)).astype(np.float32)


def paint_dirt(layer: Bytes, image: Chance, well: Outline) -> None:
    """Paints dust always, and now and then a hair, scratches or bubbles.

    Args:
        layer: uint8 [HEIGHT, WIDTH], changed in place; CLEAR where nothing is.
        image: draws for the image; dirt never depends on the label.
        well: the wall of the well.
    """
    generator = image.generator("dirt")
    count = int(40 * image.number("dust") ** 3)
    turns, reaches, widths = generator.random((3, count))
    for point, width in zip(well.at(turns, reaches), widths, strict=True):
        end = point + np.array((4, 2)) * width
        trace(layer, np.stack((point, end)), 0.35 + 0.4 * width, width=1 + 5 * width)
    if image.happens("hair", 0.1):
        hair = _curl(generator, length=image.number("hair length", 150, 700), bend=0.12)
        width = image.number("hair width", 2, 5)
        trace(layer, hair, image.number("hair shade", 0.3, 0.6), width=width)
    if image.happens("scratches", 0.2):
        for _ in range(int(image.number("scratch count", 1, 5))):
            scratch = _curl(generator, length=image.number("scratch length", 100, 600), bend=0.004)
            trace(layer, scratch, image.number("scratch shade", 0.75, 0.93), width=2)
    if image.happens("bubbles", 0.12):
        bubbles = int(image.number("bubble count", 1, 5))
        for turn, reach, size in generator.random((bubbles, 3)):
            x, y = well.point(turn, 0.85 * reach)
            paint_droplet(layer, x, y, radius=10 + 38 * size**2, contrast=0.65)
