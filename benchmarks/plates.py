"""The plates that everything is measured on, and their manifests."""

import csv
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from PIL import Image

from pipeline.demo.plates import write_demo

QUALITY = 89  # of the JPEGs, 4:2:0: about 160 KB each, as the imagers' files are
COLUMNS = ("uri", "label", "image_id", "group")
_LINKS = 30_000  # of one file, at most; some file systems end at 65,000

Row = Mapping[str, str]


def draw_plates(folder: Path, count: int) -> list[Row]:
    """Draws plates, unless an earlier run did, and returns the rows of their manifest."""
    source = folder / f"drawn-{count}"
    done = source / "encoded"
    if not done.exists():
        subprocess.run(
            [sys.executable, "-m", "benchmarks.plates", str(source), str(count)], check=True
        )
        done.touch()
    with (source / "plates.csv").open(encoding="utf-8", newline="") as file:
        return [dict(row, uri=str(source / row["uri"])) for row in csv.DictReader(file)]


def _draw(folder: Path, count: int) -> None:
    write_demo(folder, images=count)
    for path in sorted(folder.rglob("*.jpg")):
        with Image.open(path) as image:
            image.load()
        image.save(path, "JPEG", quality=QUALITY)


def write_manifest(path: Path, rows: Sequence[Row], *, columns: Sequence[str] = COLUMNS) -> Path:
    """Writes a manifest and returns its path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def linked(rows: Sequence[Row], count: int, folder: Path) -> list[Row]:
    """Returns as many rows as wanted; each has its own file, a hard link to a plate."""
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Row] = []
    for number, row in enumerate(repeated(rows, count)):
        place = folder / f"{number // 1000:03d}"
        if number % 1000 == 0:
            place.mkdir(exist_ok=True)
        link = place / f"{row['image_id']}.jpg"
        if not link.exists():
            link.hardlink_to(row["uri"])
        found.append(dict(row, uri=str(link)))
    return found


def repeated(rows: Sequence[Row], count: int) -> Iterator[Row]:
    """Gives as many rows as wanted, each with a name and a checksum of its own.

    Raises:
        ValueError: if that needs more links to a file than file systems allow.
    """
    if count > _LINKS * len(rows):
        raise ValueError(f"{count} rows need more than {len(rows)} plates")
    for number in range(count):
        row, turn = rows[number % len(rows)], number // len(rows)
        yield dict(
            row,
            image_id=f"{row['image_id']}_r{turn:04d}",
            group=f"{row['group']}_r{turn:04d}",
            checksum=f"{number:032x}",
        )


if __name__ == "__main__":
    # A process of its own: what drawing starts must be gone when measuring begins.
    _draw(Path(sys.argv[1]), int(sys.argv[2]))
