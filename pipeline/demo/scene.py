"""The well and the drop in it, before anything happens in the drop.

Lengths are in pixels of the full-size plate, angles in radians from the x axis
towards the y axis (downwards). What lets light through is 1, what blocks it 0.
"""

import dataclasses
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.demo.chance import Chance, coarse_normal

HEIGHT, WIDTH = 960, 1280  # pixels
ANGLES = 720  # directions in which an outline is known
_STEP = 2  # the scene has no detail finer than this, so it is drawn at half size

Floats = npt.NDArray[np.floating[Any]]  # float32, if not said otherwise
Bytes = npt.NDArray[np.uint8]

_TURN = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False, dtype=np.float32)
_Y, _X = np.mgrid[0:HEIGHT:_STEP, 0:WIDTH:_STEP].astype(np.float32) + np.float32(0.5)


@dataclasses.dataclass(frozen=True)
class Outline:
    """A closed curve around a centre.

    Attributes:
        centre: x and y, pixels.
        radius: distance of the curve from the centre, pixels, float32 [ANGLES].
    """

    centre: tuple[float, float]
    radius: Floats

    def at(self, turn: Floats, reach: Floats) -> Floats:
        """Returns points in the outline, float32 [n, 2].

        Args:
            turn: direction from the centre as a share of a full turn, [n], 0 to 1.
            reach: distance from the centre as a share of the outline's, [n].
        """
        radius = self.radius[(turn * ANGLES).astype(np.intp) % ANGLES] * reach
        angle = 2 * np.pi * turn
        points = np.stack((np.cos(angle) * radius, np.sin(angle) * radius), axis=1)
        return (points + self.centre).astype(np.float32)

    def point(self, turn: float, reach: float) -> Floats:
        """Returns one point, float32 [2]; arguments as for `at`."""
        place: Floats = self.at(np.array([turn]), np.array([reach]))[0]
        return place

    def mask(self) -> Bytes:
        """Returns 255 inside and 0 outside, uint8 [HEIGHT, WIDTH]."""
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        points = self.at(_TURN / (2 * np.pi), np.ones(ANGLES, np.float32))
        cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], 255)
        return mask


def find_well(kit: Chance, drop: Chance, shift: tuple[float, float]) -> Outline:
    """Returns the well's wall.

    Args:
        kit: draws for the plate of wells (all its wells are of one make).
        drop: draws for the drop.
        shift: where the stage stopped this time, x and y, pixels.
    """
    radius = kit.number("well radius", 442, 482)
    flat = kit.number("well flat", 0.93, 1.15) * radius  # a chord instead of an arc, if below 1
    sine = np.maximum(np.sin(_TURN), 0.01) * (1 if kit.happens("flat below", 0.7) else -1)
    chord = flat / np.where(sine > 0.01, sine, 0.01)
    centre = (
        WIDTH / 2 + drop.number("well x", -28, 28) + shift[0],
        HEIGHT / 2 + drop.number("well y", -18, 18) + shift[1],
    )
    curve = np.minimum(radius, chord).astype(np.float32)
    rounded = np.convolve(np.tile(curve, 3), np.full(25, 1 / 25), "same")[ANGLES : 2 * ANGLES]
    return Outline(centre, rounded.astype(np.float32))


def find_drop(drop: Chance, well: Outline) -> Outline:
    """Returns the edge of the drop, which may lie against the wall of the well."""
    wall = float(well.radius.max())
    size = wall * drop.number("drop size", 0.46, 0.72)
    away = wall * 0.5 * drop.number("drop away") ** 0.7
    towards = drop.number("drop towards", 0, 2 * np.pi)
    offset_x, offset_y = away * np.cos(towards), away * np.sin(towards)
    shape = np.ones(ANGLES, np.float32)
    for waves, most in ((2, 0.17), (3, 0.07), (4, 0.035), (5, 0.02), (9, 0.006)):
        height = drop.number(f"drop wave {waves}", 0, most)
        shape += height * np.cos(waves * _TURN + drop.number(f"drop phase {waves}", 0, 2 * np.pi))
    # Distance to the wall: a ray from a point inside a circle.
    along = offset_x * np.cos(_TURN) + offset_y * np.sin(_TURN)
    free = -along + np.sqrt(along**2 + (0.985 * wall) ** 2 - away**2)
    centre = (well.centre[0] + offset_x, well.centre[1] + offset_y)
    return Outline(centre, np.minimum(size * shape, free).astype(np.float32))


def _wavy(generator: np.random.Generator, knots: int) -> Floats:
    """Returns a smooth closed random curve around 0 with deviation about 1, float32 [ANGLES]."""
    values = generator.standard_normal(knots, dtype=np.float32)
    row = np.concatenate((values, values, values))[None]
    smooth = cv2.resize(row, (3 * ANGLES, 1), interpolation=cv2.INTER_CUBIC)
    return smooth[0, ANGLES : 2 * ANGLES].astype(np.float32)


def _polar(outline: Outline) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Returns distance from the centre (pixels) and index of the direction, at half size."""
    x, y = outline.centre
    distance, angle = cv2.cartToPolar(_X - np.float32(x), _Y - np.float32(y))
    index = (angle * np.float32(ANGLES / (2 * np.pi))).astype(np.intp)
    return distance, np.minimum(index, ANGLES - 1)


def _shade_well(well: Outline, kit: Chance, drop: Chance) -> Floats:
    """Returns the light through an empty well and its black rim, at half size."""
    distance, direction = _polar(well)
    depth = well.radius[direction] - distance  # pixels from the wall, inwards
    floor = np.clip((depth + 2) / 5, 0, 1)
    lip = drop.number("lip darkness", 0.1, 0.6) * (1 + 0.6 * _wavy(drop.generator("lip"), 7))
    lip_at = kit.number("lip at", 6, 26)
    ring = np.exp(-np.square((depth - lip_at) / np.float32(kit.number("lip width", 2.5, 6))))
    floor *= 1 - np.clip(lip, 0, 0.8)[direction] * ring
    outer = float(well.radius.max()) + kit.number("rim", 105, 175)
    edge = outer * (1 - 0.05 * np.cos(4 * _TURN)) + 3 * _wavy(drop.generator("rim edge"), 40)
    body = np.clip((distance - edge.astype(np.float32)[direction]) / np.float32(40), 0, 1)
    grain = coarse_normal(drop.generator("rim grain"), (HEIGHT // _STEP, WIDTH // _STEP))
    grain = cv2.GaussianBlur(grain, (0, 0), 1.6).astype(np.float32, copy=False)
    black = kit.number("rim light", 0.02, 0.09) + kit.number("rim grain", 0.01, 0.1) * grain
    outside = np.maximum(black, 0) * (1 - body) + kit.number("body", 0.45, 0.85) * body
    shaded: Floats = floor + (1 - np.clip((depth + 2) / 5, 0, 1)) * outside
    return shaded.astype(np.float32)


def _shade_drop(light: Floats, edge: Outline, drop: Chance) -> None:
    """Darkens `light` (half size, changed in place) by the drop: meniscus, lens, streaks."""
    distance, direction = _polar(edge)
    depth = edge.radius[direction] - distance
    inside = np.clip((depth + 1) / 3, 0, 1)
    # Where the surface is steep the meniscus is a broad black band, elsewhere a thin line.
    steep = np.clip(_wavy(drop.generator("steep"), 5) - drop.number("steepness", -0.1, 0.7), 0, 2)
    ragged = 1 + 0.15 * _wavy(drop.generator("ragged"), 40)
    width = (2.5 + drop.number("meniscus", 10, 34) * steep) * np.maximum(ragged, 0.3)
    darkness = np.clip(drop.number("edge darkness", 0.3, 0.75) + 0.5 * steep, 0, 0.97)
    width_here = np.where(depth > 0, width.astype(np.float32)[direction], np.float32(2.0))
    light *= 1 - darkness.astype(np.float32)[direction] * np.exp(-np.abs(depth) / width_here)
    bulge = np.clip(distance / edge.radius[direction], 0, 1)
    lens = drop.number("lens", 0.0, 0.16) * bulge**3 + drop.number("absorbs", -0.04, 0.07)
    streaks = drop.number("streaks", 0, 0.02) * _wavy(drop.generator("streaks"), 120)
    light *= 1 - inside * (lens + streaks[direction] * bulge)


def draw_scene(well: Outline, edge: Outline, kit: Chance, drop: Chance) -> Bytes:
    """Returns the light through well and drop, uint8 [HEIGHT, WIDTH], 160 where all passes."""
    light = _shade_well(well, kit, drop)
    _shade_drop(light, edge, drop)
    small = np.clip(light * 160, 0, 255).astype(np.uint8)
    full = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    return full.astype(np.uint8)
