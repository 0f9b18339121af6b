"""What is seen in a drop: one look for each label."""

from collections.abc import Callable

import cv2
import numpy as np

from pipeline.demo.chance import Chance
from pipeline.demo.crystals import (
    CLEAR,
    FRACTION_BITS,
    paint_crystals,
    paint_needles,
    paint_plates,
    trace,
)
from pipeline.demo.scene import ANGLES, HEIGHT, WIDTH, Bytes, Floats, Outline

Painter = Callable[[Bytes, Chance, Outline, float], None]

# What drops with a label may look like instead, since experts err and differ, and how often.
MISTAKEN = {
    "bad drop": ("clear",),
    "clear": ("light precipitate", "bad drop"),
    "heavy precipitate": ("light precipitate",),
    "large crystals": ("medium crystals",),
    "light precipitate": ("clear", "heavy precipitate"),
    "medium crystals": ("small crystals", "large crystals", "needles & plates"),
    "micro crystals": ("phase separation", "light precipitate"),
    "needles & plates": ("medium crystals",),
    "phase separation": ("micro crystals",),
    "small crystals": ("medium crystals", "micro crystals"),
}
MISTAKES = 0.03

# Number of crystals (least, most), median width in pixels (least, most) and spread of the
# width. The ranges of neighbouring labels overlap, as experts' do.
_SIZES = {
    "micro crystals": ((90, 320), (8, 15), 0.22),
    "small crystals": ((10, 45), (22, 42), 0.28),
    "medium crystals": ((4, 14), (46, 84), 0.26),
    "large crystals": ((1, 4.99), (105, 185), 0.2),
}


def _cloud(generator: np.random.Generator, cell: float) -> Floats:
    """Returns soft noise at half size, deviation about 1; cell is its grain in pixels."""
    shape = (round(HEIGHT / cell) + 2, round(WIDTH / cell) + 2)
    coarse = generator.standard_normal(shape, dtype=np.float32)
    size = (WIDTH // 2, HEIGHT // 2)
    return cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC).astype(np.float32)


def _darken(layer: Bytes, shade: Floats) -> None:
    """Multiplies the layer by a shade drawn at half size, 1 lets all light through."""
    small = np.clip(shade * CLEAR, 0, 255).astype(np.uint8)
    full = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    cv2.multiply(layer, full, layer, 1 / CLEAR)


def _paint_grains(
    layer: Bytes, drop: Chance, *, grain: float, strength: float, cover: float
) -> None:
    """Paints precipitate.

    Args:
        grain: size of its grains, pixels.
        strength: how much light a grain takes, 0 to 1.
        cover: share of the drop that is covered, roughly, 0 to 1.
    """
    generator = drop.generator("grains")
    patches = _cloud(generator, drop.number("patch", 70, 220)) + 0.5 * _cloud(generator, 45)
    grains = _cloud(generator, grain) + 0.6 * _cloud(generator, 3.2) + 0.45 * patches
    covered = np.clip(1.2 * (patches + 3 * cover - 1.5) + 0.5, 0, 1)
    _darken(layer, 1 - strength * covered * np.clip(0.3 + 0.55 * grains, 0, 1.15))


def _paint_specks(layer: Bytes, drop: Chance, edge: Outline, *, count: int, shade: float) -> None:
    """Paints single dark grains of a few pixels."""
    generator = drop.generator("specks")
    turn, reach, size = generator.random((3, count), dtype=np.float32)
    points = edge.at(turn, 0.95 * np.sqrt(reach))
    for point, width in zip(points, size, strict=True):
        end = point + np.array((1, 0.5)) * (1 + 2.5 * width)
        trace(layer, np.stack((point, end)), shade, width=1.6 + 2.6 * width)


def _paint_light_precipitate(layer: Bytes, drop: Chance, edge: Outline, growth: float) -> None:
    if drop.happens("light grains", 0.75):
        _paint_grains(
            layer,
            drop,
            grain=drop.number("grain", 5, 11),
            strength=drop.number("light strength", 0.16, 0.34) * growth,
            cover=drop.number("light cover", 0.3, 0.75),
        )
    count = int(drop.number("speck count", 30, 420))
    _paint_specks(layer, drop, edge, count=count, shade=drop.number("speck shade", 0.35, 0.7))


def _paint_heavy_precipitate(layer: Bytes, drop: Chance, edge: Outline, growth: float) -> None:
    _paint_grains(
        layer,
        drop,
        grain=drop.number("grain", 6, 15),
        strength=drop.number("heavy strength", 0.42, 0.85) * growth,
        cover=drop.number("heavy cover", 0.5, 0.95),
    )
    _paint_specks(layer, drop, edge, count=int(drop.number("speck count", 30, 420)), shade=0.4)


def paint_droplet(layer: Bytes, x: float, y: float, *, radius: float, contrast: float) -> None:
    """Paints a round droplet or bubble: a lens with a dark rim and a bright middle."""
    one = 1 << FRACTION_BITS  # a pixel, in OpenCV's fractions
    centre = (round(x * one), round(y * one))
    grey = [int(np.clip(CLEAR * shade, 0, 255)) for shade in
            (1 + 0.12 * contrast, 1 - 0.75 * contrast, 1 + 0.6 * contrast)]  # fmt: skip
    cv2.circle(layer, centre, round(radius * one), grey[0], -1, cv2.LINE_AA, FRACTION_BITS)
    width = max(1, round(radius * 0.28))
    cv2.circle(layer, centre, round(radius * one), grey[1], width, cv2.LINE_AA, FRACTION_BITS)
    cv2.circle(
        layer, centre, max(6, round(0.375 * radius * one)), grey[2], -1, cv2.LINE_AA, FRACTION_BITS
    )


def _paint_phase_separation(layer: Bytes, drop: Chance, edge: Outline, growth: float) -> None:
    generator = drop.generator("droplets")
    count = int(drop.number("droplet count", 60, 300))
    typical = drop.number("droplet radius", 4.2, 8.5) * growth
    contrast = drop.number("droplet contrast", 0.25, 0.75)
    turn, reach = generator.random((2, count), dtype=np.float32)
    points = edge.at(turn, 0.92 * np.sqrt(reach))
    # A few droplets have swallowed their neighbours.
    radii = typical * np.exp(generator.normal(0, 0.4, count))
    for (x, y), radius in zip(points, np.clip(radii, 3, 46), strict=True):
        paint_droplet(layer, float(x), float(y), radius=float(radius), contrast=contrast)


def _paint_solid(label: str) -> Painter:
    (fewest, most), (least, largest), spread = _SIZES[label]

    def paint(layer: Bytes, drop: Chance, edge: Outline, growth: float) -> None:
        paint_crystals(
            layer,
            drop,
            edge,
            count=int(drop.number("crystal count", fewest, most)),
            typical=drop.number("crystal size", least, largest),
            spread=spread,
            growth=growth,
        )

    return paint


def _paint_needles_and_plates(layer: Bytes, drop: Chance, edge: Outline, growth: float) -> None:
    paint = paint_needles if drop.happens("needles", 0.6) else paint_plates
    paint(layer, drop, edge, growth)


def _paint_clear(layer: Bytes, drop: Chance, edge: Outline, growth: float) -> None:
    if drop.happens("a few specks", 0.3):
        _paint_specks(layer, drop, edge, count=int(drop.number("speck count", 3, 30)), shade=0.5)


def _curve(edge: Outline, *, turn: float, reach: float, size: float, wobble: Floats) -> Floats:
    """Returns a closed wobbly curve in the drop, float32 [ANGLES, 2]."""
    centre = edge.point(turn, reach)
    radius = size * float(np.median(edge.radius)) * (1 + 0.12 * wobble)
    angle = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
    points = np.stack((np.cos(angle) * radius, np.sin(angle) * radius), axis=1)
    return points + centre


def _waves(generator: np.random.Generator, most: int) -> Floats:
    """Returns a closed smooth curve around 0, deviation about 1, float32 [ANGLES]."""
    angle = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
    waves = np.arange(2, most)
    height = generator.standard_normal((2, len(waves))) / waves
    curve: Floats = height[0] @ np.cos(np.outer(waves, angle)) + height[1] @ np.sin(
        np.outer(waves, angle)
    )
    return curve


def _paint_unmixed(layer: Bytes, drop: Chance, edge: Outline) -> None:
    """Two drops that did not mix: borders inside the drop, dark on one side."""
    generator = drop.generator("unmixed")
    for turn, reach, size, width in generator.random((int(drop.number("lobes", 1, 4)), 4)):
        curve = _curve(edge, turn=turn, reach=0.3 + 0.5 * reach, size=0.3 + 0.35 * size,
                       wobble=_waves(generator, 6))  # fmt: skip
        body = layer.copy()
        cv2.fillPoly(body, [np.rint(curve).astype(np.int32)], int(CLEAR * (0.8 + 0.25 * width)))
        trace(body, curve, 0.4, width=4 + 8 * width, closed=True)
        trace(body, curve[:240], 0.15, width=10 + 14 * width)
        layer[:] = body


def _paint_skin(layer: Bytes, drop: Chance, edge: Outline) -> None:
    """A wrinkled skin on the drop: long soft folds side by side."""
    generator = drop.generator("skin")
    turn, reach = generator.random(2)
    count, start = int(drop.number("folds", 4, 12)), int(drop.number("fold start", 0, ANGLES))
    wobble = _waves(generator, 6)
    for number, (share, dark) in enumerate(generator.random((count, 2))):
        fold = wobble + 0.12 * _waves(generator, 8)
        curve = _curve(edge, turn=turn, reach=0.4 * reach, size=0.22 + 0.06 * number, wobble=fold)
        curve = np.roll(curve, start + int(60 * share), axis=0)
        length = 120 + int(350 * share)
        trace(layer, curve[:length], 0.3 + 0.4 * dark, width=2 + 6 * dark)
        trace(layer, curve[10 : length - 10] + (3 + 3 * dark), 1.12, width=2)


def _paint_burst(layer: Bytes, drop: Chance, edge: Outline) -> None:
    """A drop that fell apart: a few large pools with dark borders."""
    generator = drop.generator("burst")
    count = int(drop.number("pools", 4, 11))
    for turn, reach, size, dark in generator.random((count, 4)):
        curve = _curve(edge, turn=turn, reach=0.85 * np.sqrt(reach), size=0.1 + 0.18 * size,
                       wobble=_waves(generator, 5))  # fmt: skip
        cv2.fillPoly(layer, [np.rint(curve).astype(np.int32)], int(CLEAR * (0.9 + 0.2 * dark)))
        trace(layer, curve, 0.25 + 0.3 * dark, width=5 + 9 * size, closed=True)


def _paint_bad_drop(layer: Bytes, drop: Chance, edge: Outline, growth: float) -> None:
    kinds = (_paint_unmixed, _paint_skin, _paint_burst)
    kinds[int(drop.number("bad kind", 0, len(kinds)))](layer, drop, edge)
    cv2.GaussianBlur(layer, (0, 0), drop.number("bad softness", 0.8, 3), layer)  # no solid edges


PAINTERS: dict[str, Painter] = {
    "bad drop": _paint_bad_drop,
    "clear": _paint_clear,
    "heavy precipitate": _paint_heavy_precipitate,
    "light precipitate": _paint_light_precipitate,
    "needles & plates": _paint_needles_and_plates,
    "phase separation": _paint_phase_separation,
} | {label: _paint_solid(label) for label in _SIZES}


def look_of(label: str, drop: Chance) -> str:
    """Returns the label whose look is drawn: nearly always the label itself."""
    if not drop.happens(f"mistake {label}", MISTAKES):
        return label
    others = MISTAKEN[label]
    return others[int(drop.number("mistaken for", 0, len(others)))]


def paint_contents(layer: Bytes, label: str, drop: Chance, edge: Outline, *, growth: float) -> None:
    """Paints what a drop of this label holds.

    Args:
        layer: uint8 [HEIGHT, WIDTH], changed in place; CLEAR where nothing is.
        label: name of one of the ten labels.
        drop: draws for the drop; the same drop holds the same things.
        edge: edge of the drop.
        growth: factor on sizes, about 1.
    """
    solid = label in _SIZES or label == "needles & plates"
    if solid and drop.happens("grainy", 0.2):  # crystals often grow out of some precipitate
        count = int(drop.number("speck count", 20, 160))
        _paint_specks(layer, drop, edge, count=count, shade=0.6)
    PAINTERS[label](layer, drop, edge, growth)
