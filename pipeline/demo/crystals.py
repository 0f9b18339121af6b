"""Crystals: solid ones with facets, needles and thin plates.

Everything is painted on a layer, uint8 [HEIGHT, WIDTH], by which the light of the scene
is multiplied: CLEAR passes all light, less darkens, more is a glint.
"""

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.demo.chance import Chance
from pipeline.demo.scene import Bytes, Floats, Outline

CLEAR = 128
FRACTION_BITS = 3  # OpenCV draws at positions in eighths of a pixel

# Corners of the habits, half-width 1: bipyramid, block, hexagonal prism, wedge.
_HABITS: tuple[Floats, ...] = tuple(
    np.array(corners, np.float32)
    for corners in (
        [(1, 0), (0, 0.6), (-1, 0), (0, -0.6)],
        [(0.9, 0.55), (-0.75, 0.6), (-0.9, -0.55), (0.75, -0.6)],
        [(1, 0), (0.5, 0.8), (-0.5, 0.8), (-1, 0), (-0.5, -0.8), (0.5, -0.8)],
        [(0.95, 0.3), (0.1, 0.75), (-0.9, 0.35), (-0.6, -0.6), (0.6, -0.55)],
    )
)


def fixed(points: Floats) -> npt.NDArray[np.int32]:
    """Returns points as OpenCV wants them where `shift` is `FRACTION_BITS`."""
    return np.rint(points * (1 << FRACTION_BITS)).astype(np.int32)


def fill(layer: Bytes, points: Floats, shade: float) -> None:
    """Fills a convex polygon, float32 [n, 2], smoothly; shade 1 lets all light through."""
    grey = int(np.clip(shade * CLEAR, 0, 255))
    cv2.fillConvexPoly(layer, fixed(points), grey, cv2.LINE_AA, FRACTION_BITS)


def trace(
    layer: Bytes, points: Floats, shade: float, *, width: float, closed: bool = False
) -> None:
    """Draws a line through points, float32 [n, 2]; width in pixels."""
    grey = int(np.clip(shade * CLEAR, 0, 255))
    thickness = max(1, round(width))
    cv2.polylines(layer, [fixed(points)], closed, grey, thickness, cv2.LINE_AA, FRACTION_BITS)


def turned(points: Floats, angle: float) -> Floats:
    """Returns points turned about the origin; angle in radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    spun: Floats = points @ np.array([[cos, sin], [-sin, cos]], np.float32)
    return spun


def paint_crystal(
    layer: Bytes,
    generator: np.random.Generator,
    *,
    centre: Floats,
    size: float,
    habit: int,
    contrast: float,
    sun: float,
) -> None:
    """Paints one crystal with its facets.

    Always takes the same amount from the generator, so that a crystal that grew
    leaves the others as they were.

    Args:
        centre: x and y, pixels.
        size: largest width, pixels.
        habit: which shape, any integer.
        contrast: how much facets and edges differ from the drop, 0 to 1.
        sun: direction the light comes from, radians.
    """
    corners = _HABITS[habit % len(_HABITS)]
    jitter = generator.normal(0, 0.07, (6, 2))[: len(corners)]
    slim, angle, table, lean_x, lean_y = generator.random(5)
    outer: Floats = (corners + jitter) * (1, 0.65 + 0.35 * slim) * (size / 2)
    # The upper face: none for a pyramid, else smaller and a little aside.
    share = 0.0 if table < 0.3 else 0.35 + 0.4 * table
    inner: Floats = outer * share + (np.array((lean_x, lean_y)) - 0.5) * 0.25 * size
    outer = turned(outer, angle * 2 * np.pi) + centre
    inner = turned(inner, angle * 2 * np.pi) + centre
    for i in range(len(outer)):
        j = (i + 1) % len(outer)
        x, y = (outer[i] + outer[j]) / 2 - centre
        light = np.cos(np.arctan2(y, x) - sun)
        facet = np.stack((outer[i], outer[j], inner[j], inner[i]))
        fill(layer, facet, 1 - 0.04 * contrast + 0.4 * contrast * light)
        if size > 25:
            edge = np.stack((outer[i], inner[i]))
            trace(layer, edge, 1 - 0.5 * contrast, width=size / 60)
    if share:
        fill(layer, inner, 1 + 0.05 * contrast)
        if size > 25:
            trace(layer, inner, 1 - 0.4 * contrast, width=size / 70, closed=True)
    trace(layer, outer, 1 - 0.85 * contrast, width=0.5 + size / 38, closed=True)


def paint_crystals(
    layer: Bytes,
    drop: Chance,
    edge: Outline,
    *,
    count: int,
    typical: float,
    spread: float,
    growth: float,
) -> None:
    """Paints solid crystals, most of one habit.

    Places, habits and order depend on the drop alone: a later image of the drop shows
    the same crystals, grown; the last of them may be gone (ripening).

    Args:
        count: number of crystals.
        typical: median width in pixels.
        spread: standard deviation of the logarithm of the width.
        growth: factor on all widths.
    """
    generator = drop.generator("crystals")
    sun = drop.number("sun", 0, 2 * np.pi)
    main = int(drop.number("habit", 0, len(_HABITS)))
    contrast = drop.number("crystal contrast", 0.45, 0.95)
    heap = drop.happens("heap", 0.35)
    heap_turn, heap_reach = drop.number("heap turn"), drop.number("heap reach", 0.2, 0.7)
    for _ in range(count):
        turn, reach, other, deviation = generator.random(4)
        if heap and other < 0.6:  # crystals often share a corner of the drop
            turn, reach = heap_turn + 0.12 * (turn - 0.5), heap_reach + 0.25 * (reach - 0.5)
        reach = 0.84 * np.sqrt(np.clip(reach, 0, 1))
        centre = edge.point(turn % 1, reach)
        # A sum of three is near enough to a normal deviation, and bounded.
        normal = 2 * (deviation + generator.random(2).sum() - 1.5)
        size = float(np.clip(typical * growth * np.exp(spread * normal), 5, 260))
        paint_crystal(
            layer,
            generator,
            centre=centre,
            size=size,
            habit=main + (1 if 0.6 < other < 0.7 else 0),
            contrast=contrast,
            sun=sun,
        )


def _paint_star(
    layer: Bytes, generator: np.random.Generator, centre: Floats, *, rays: int, length: float,
    width: float, fan: float, shade: float,
) -> None:  # fmt: skip
    """Paints needles that start near one point, within a fan of so many radians."""
    towards = generator.random() * 2 * np.pi
    for angle, share, aside in generator.random((rays, 3)):
        direction = towards + fan * (angle - 0.5)
        step = np.array((np.cos(direction), np.sin(direction))) * length * (0.4 + 0.6 * share)
        start = centre + (aside - 0.5) * 0.5 * step
        across = np.array((-step[1], step[0])) / np.hypot(*step) * width * (0.3 + 0.5 * share)
        # Tapered: pointed where it grows.
        corners = (start - 0.3 * across, start + 0.7 * step - across,
                   start + step, start + 0.7 * step + across)  # fmt: skip
        fill(layer, np.array(corners, np.float32), shade)
        if width * share > 2.2:  # a thick needle has a bright middle
            trace(layer, np.stack((start + 0.1 * step, start + 0.8 * step)), 1.15, width=1)


def paint_needles(layer: Bytes, drop: Chance, edge: Outline, growth: float) -> None:
    """Paints needles: single ones, sheaves and stars."""
    generator = drop.generator("needles")
    stars = int(drop.number("needle stars", 5, 26))
    length = drop.number("needle length", 55, 170) * growth
    width = drop.number("needle width", 2.2, 6)
    shade = drop.number("needle shade", 0.2, 0.62)
    fan = drop.number("needle fan", 0.3, 2 * np.pi)
    rays = int(drop.number("needle rays", 1.5, 11))
    for turn, reach, many in generator.random((stars, 3)):
        centre = edge.point(turn, 0.8 * np.sqrt(reach))
        number = 1 + int(many * rays)
        _paint_star(layer, generator, centre, rays=number, length=length * (0.6 + 0.6 * many),
                    width=width, fan=fan, shade=shade)  # fmt: skip


def paint_plates(layer: Bytes, drop: Chance, edge: Outline, growth: float) -> None:
    """Paints thin plates: pale, sharp-edged, some seen from the side, some stacked."""
    generator = drop.generator("plates")
    count = int(drop.number("plate count", 4, 20))
    typical = drop.number("plate size", 45, 120) * growth
    for turn, reach, big, angle, tilt, stack, pale in generator.random((count, 7)):
        centre = edge.point(turn, 0.8 * np.sqrt(reach))
        size = typical * (0.5 + big)
        slim = 0.05 + 0.4 * tilt**1.5
        corners = np.array([(1, slim), (-0.8, slim), (-1, -slim), (0.8, -slim)]) * size / 2
        outline = turned(corners, 2 * np.pi * angle)
        for sheet in range(1 + int(3 * stack)):
            here = outline + centre + sheet * size * np.array((0.05, 0.07))
            fill(layer, here, 0.86 + 0.26 * pale)
            trace(layer, here, 0.35 + 0.3 * pale, width=size / 40, closed=True)
