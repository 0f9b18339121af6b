"""Which drops a demo has, what they are called, and which label each of their images gets."""

import dataclasses

from schemas.draws import uniform
from schemas.labels import PAPER10

FEWEST_IMAGES = 20
CRYSTAL_SHARE = 0.09  # of all images; the paper's figure
SERIES_SHARE = 1 / 3  # of all images are of drops that were imaged several times

# Relative sizes of the labels. That 9 % are crystals and that the largest label has about
# 27.8 % (the paper's records over its images and labels) is published; the rest is ours.
_WEIGHTS = {
    "clear": 27.8,
    "light precipitate": 23.9,
    "heavy precipitate": 17.1,
    "phase separation": 12.4,
    "bad drop": 9.8,
    "small crystals": 2.6,
    "needles & plates": 2.3,
    "medium crystals": 1.8,
    "micro crystals": 1.3,
    "large crystals": 1.0,
}

# What may happen in a drop from one inspection to the next.
_COURSES = (
    ("clear", "clear", "clear"),
    ("clear", "clear", "light precipitate"),
    ("clear", "clear", "small crystals", "medium crystals"),
    ("clear", "small crystals", "small crystals"),
    ("clear", "needles & plates", "needles & plates"),
    ("clear", "medium crystals", "large crystals"),
    ("phase separation", "micro crystals", "small crystals"),
    ("phase separation", "phase separation", "micro crystals"),
    ("phase separation", "phase separation", "phase separation"),
    ("light precipitate", "light precipitate"),
    ("light precipitate", "light precipitate", "heavy precipitate"),
    ("light precipitate", "needles & plates"),
    ("heavy precipitate", "heavy precipitate"),
    ("bad drop", "bad drop"),
)

_CODE_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
_WELLS = [f"{column:02d}{row}" for row in "ABCDEFGH" for column in range(1, 13)]


@dataclasses.dataclass(frozen=True)
class Inspection:
    """One image of one drop.

    Attributes:
        number: number of the drop in the demo, from 0.
        time: number of the inspection, from 1; a drop's later images have larger ones.
        label: name of the label.
    """

    number: int
    time: int
    label: str


def _shared_out(total: int, weights: dict[str, float], least: int) -> dict[str, int]:
    """Returns whole numbers that add up to total, by weight, none below least."""
    whole = sum(weights.values())
    exact = {label: total * weight / whole for label, weight in weights.items()}
    counts = {label: max(least, int(value)) for label, value in exact.items()}
    while (missing := total - sum(counts.values())) != 0:
        step = 1 if missing > 0 else -1
        free = [label for label in counts if step > 0 or counts[label] > least]
        label = max(free, key=lambda name: step * (exact[name] - counts[name]))
        counts[label] += step
    return counts


def count_labels(images: int) -> dict[str, int]:
    """Returns the number of images of each label, in the label set's order.

    Every label gets an image, and from 100 images on at least two. Crystals are 9 %
    (rounded), or more where that is too few for five labels (below 106 images).

    Raises:
        ValueError: if there are too few images for ten labels.

    >>> count_labels(1000)["clear"], count_labels(1000)["large crystals"]
    (278, 10)
    """
    if images < FEWEST_IMAGES:
        raise ValueError(
            f"a demo needs {FEWEST_IMAGES} images or more, so that all ten labels appear, "
            f"got {images}"
        )
    least = 2 if images >= 100 else 1
    crystal = {name: _WEIGHTS[name] for name in PAPER10.names if name in PAPER10.crystal_names}
    other = {name: _WEIGHTS[name] for name in PAPER10.names if name not in PAPER10.crystal_names}
    crystals = max(least * len(crystal), round(CRYSTAL_SHARE * images))
    counts = _shared_out(crystals, crystal, least) | _shared_out(images - crystals, other, least)
    return {name: counts[name] for name in PAPER10.names}


def _marked(weights: list[int], mark: float) -> tuple[str, ...] | None:
    """Returns the course whose stretch of the summed weights holds the mark, None if none has."""
    for course, weight in zip(_COURSES, weights, strict=True):
        mark -= weight
        if mark < 0:
            return course
    return None


def _choose_courses(counts: dict[str, int], wanted: int, seed: int) -> list[tuple[str, ...]]:
    """Takes about `wanted` images out of counts (changed in place), as courses of drops."""
    chosen: list[tuple[str, ...]] = []
    taken = 0
    while taken < wanted:
        # A rare label is taken in proportion to what is left of it.
        weights = [min(counts[label] // course.count(label) for label in course)
                   for course in _COURSES]  # fmt: skip
        mark = uniform(seed, "demo course", len(chosen)) * sum(weights)
        course = _marked(weights, mark)
        if course is None:
            break
        for label in course:
            counts[label] -= 1
        chosen.append(course)
        taken += len(course)
    return chosen


def plan_inspections(images: int, seed: int) -> list[Inspection]:
    """Returns the images of a demo, in the order of drops and times.

    A third of them are of drops imaged several times; the others have drops of their own.
    Courses come in no order, so neither a drop's number nor its name tells a label.
    """
    counts = count_labels(images)
    courses = _choose_courses(counts, round(images * SERIES_SHARE), seed)
    courses += [(label,) for label, count in counts.items() for _ in range(count)]
    order = sorted(range(len(courses)), key=lambda at: uniform(seed, "demo order", at))
    inspections = []
    for number, at in enumerate(order):
        first = 1 + int(4 * uniform(seed, "demo first time", number))
        inspections += [
            Inspection(number, first + later, label) for later, label in enumerate(courses[at])
        ]
    return inspections


def barcode(seed: int, number: int) -> str:
    """Returns the barcode of the plate that holds a drop, four letters or digits.

    No two plates of a demo share one: the step is prime to the number of codes.
    """
    codes = len(_CODE_LETTERS) ** 4
    start = int(uniform(seed, "demo barcode") * codes)
    code = (start + 611_953 * (number // len(_WELLS))) % codes
    letters = ""
    for _ in range(4):
        code, digit = divmod(code, len(_CODE_LETTERS))
        letters += _CODE_LETTERS[digit]
    return letters


def drop_name(seed: int, number: int) -> str:
    """Returns the name of a drop as an imager gives it: barcode, well, drop in the well."""
    place = 1 + int(2 * uniform(seed, "demo place", number))
    return f"{barcode(seed, number)}_{_WELLS[number % len(_WELLS)]}_{place}"
