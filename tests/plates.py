"""Small drawn plates and their manifests.

Quick to write and to decode, each different from all others, and the same bytes
on every call. `pipeline.demo` draws plates that look like plates; these do not.
"""

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (320, 240)  # width, height in pixels

# Uneven, so that balance makes several variants of the rare ones.
COUNTS = {"clear": 16, "heavy precipitate": 9, "large crystals": 3, "needles & plates": 6}


def plate_pixels(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Returns a plate, uint8 array of shape [height, width, 3]: a disc on a slope of light."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    angle = 0.7 * number
    slope = 110 + 60 * (np.cos(angle) * x / width + np.sin(angle) * y / height)
    centre_x = width * (0.5 + 0.2 * np.cos(2.3 * number))
    centre_y = height * (0.5 + 0.2 * np.sin(1.7 * number))
    disc = np.hypot(x - centre_x, y - centre_y) < height * (0.1 + 0.02 * (number % 7))
    gray = np.where(disc, 230 - 3 * (number % 40), slope)
    return np.stack([gray, 0.9 * gray, 0.8 * gray], axis=-1).clip(0, 255).astype(np.uint8)


def draw_plate(path: Path, number: int, *, size: tuple[int, int] = SIZE, **options) -> None:
    """Writes a plate in the format of the path's extension."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(plate_pixels(number, size)).save(path, **options)


def image_id(number: int) -> str:
    """Returns the id of a plate of `draw_plates`."""
    return f"p{number:03d}"


def draw_plates(folder: Path, counts: Mapping[str, int] | None = None) -> Path:
    """Draws so many plates of each label and returns the path of their manifest.

    Mostly JPEG; each fifth a PNG and each eleventh a TIFF. Two neighbours are a group.
    """
    rows = []
    labels = [label for label, count in (counts or COUNTS).items() for _ in range(count)]
    for number, label in enumerate(labels):
        extension = "tif" if number % 11 == 10 else "png" if number % 5 == 4 else "jpg"
        uri = f"plates/{image_id(number)}.{extension}"
        draw_plate(folder / uri, number)
        rows.append((uri, label, image_id(number), f"drop{number // 2}"))
    return write_rows(folder / "plates.csv", rows)


def write_rows(
    path: Path,
    rows: Sequence[Sequence[str]],
    columns: Sequence[str] = ("uri", "label", "image_id", "group"),
) -> Path:
    """Writes a manifest and returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])
    return path


def read_rows(path: Path) -> list[list[str]]:
    """Returns the rows of a manifest, without its header."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def touch(path: Path, seconds: int = 1) -> None:
    """Makes a file so much younger; its content stays."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + seconds * 10**9))
