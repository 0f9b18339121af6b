"""Draws the plates of a demo and writes them with their manifest."""

import csv
import functools
import io
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from pipeline.demo.chance import Chance
from pipeline.demo.contents import look_of, paint_contents
from pipeline.demo.courses import Inspection, barcode, drop_name, plan_inspections
from pipeline.demo.crystals import CLEAR
from pipeline.demo.dirt import paint_dirt
from pipeline.demo.optics import encode_jpeg, take_picture
from pipeline.demo.scene import HEIGHT, WIDTH, Bytes, draw_scene, find_drop, find_well
from schemas.atomic import write_atomic
from schemas.labels import PAPER10
from schemas.manifest import DRAWN

MANIFEST = "plates.csv"
CORRECTIONS = "corrections.csv"
MOST_CORRECTIONS = 20


def draw_plate(seed: int, number: int, *, label: str, time: int = 1) -> Bytes:
    """Returns a micrograph of a drop, uint8 [960, 1280, 3], RGB.

    Depends on the arguments alone. The same seed and number are the same drop in the
    same well; another time is another day: other light, noise and dirt, crystals grown.

    Args:
        seed: seed of the demo.
        number: number of the drop, from 0.
        label: one of the paper's ten labels, in any spelling that the label set knows.
        time: number of the inspection, from 1.

    Raises:
        ValueError: if there is no such label.
    """
    try:
        label = PAPER10.names[PAPER10.index(label)]
    except KeyError:
        raise ValueError(f"wanted one of {', '.join(PAPER10.names)}, got {label!r}") from None
    kit = Chance(seed, ("demo kit", barcode(seed, number)))
    drop = Chance(seed, ("demo drop", drop_name(seed, number)))
    image = Chance(seed, ("demo image", drop_name(seed, number), time))
    shift = (image.number("shift x", -6, 6), image.number("shift y", -6, 6))
    well = find_well(kit, drop, shift)
    edge = find_drop(drop, well)
    layer = np.full((HEIGHT, WIDTH), CLEAR, np.uint8)
    growth = 0.9 + 0.04 * min(time, 6)
    paint_contents(layer, look_of(label, drop), drop, edge, growth=growth)
    layer[edge.mask() == 0] = CLEAR
    paint_dirt(layer, image, well)
    light = cv2.multiply(draw_scene(well, edge, kit, drop), layer, scale=1 / CLEAR)
    return take_picture(light.astype(np.uint8), kit, image)


def _image_id(seed: int, inspection: Inspection) -> str:
    return f"{drop_name(seed, inspection.number)}_t{inspection.time}"


def _uri(seed: int, inspection: Inspection) -> str:
    return f"plates/{barcode(seed, inspection.number)}/{_image_id(seed, inspection)}.jpg"


def _write_plate(folder: Path, seed: int, inspection: Inspection) -> None:
    plate = draw_plate(seed, inspection.number, label=inspection.label, time=inspection.time)
    name = drop_name(seed, inspection.number)
    data = encode_jpeg(plate, Chance(seed, ("demo image", name, inspection.time)))
    path = folder / _uri(seed, inspection)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, data, durable=False)  # a disk's round for each plate takes longer than it


def _no_threads() -> None:
    """Keeps OpenCV to one thread: there is a process for each core already."""
    cv2.setNumThreads(1)


def _write_plates(
    folder: Path, seed: int, inspections: list[Inspection], workers: int
) -> Iterator[None]:
    """Writes the plates; gives one item after each of them."""
    if workers == 1:
        for inspection in inspections:
            _write_plate(folder, seed, inspection)
            yield
        return
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_no_threads) as executor:
        write = functools.partial(_write_plate, folder, seed)
        chunk = max(1, min(16, len(inspections) // (4 * workers)))
        yield from executor.map(write, inspections, chunksize=chunk)


def _csv(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _manifest(seed: int, inspections: list[Inspection]) -> str:
    rows = [
        (
            _uri(seed, inspection),
            inspection.label,
            _image_id(seed, inspection),
            drop_name(seed, inspection.number),
            DRAWN,
        )
        for inspection in inspections
    ]
    return _csv([("uri", "label", "image_id", "group", "origin"), *rows])


def _corrections(seed: int, inspections: list[Inspection]) -> str:
    """Returns what an expert would correct: labels that are not what was drawn."""
    rows = []
    for inspection in inspections:
        drop = Chance(seed, ("demo drop", drop_name(seed, inspection.number)))
        look = look_of(inspection.label, drop)
        if look != inspection.label:
            rows.append((_image_id(seed, inspection), look))
    return _csv([("image_id", "label"), *rows[:MOST_CORRECTIONS]])


def write_demo(
    folder: Path,
    *,
    images: int,
    seed: int = 0,
    workers: int | None = None,
    on_image: Callable[[int], None] | None = None,
) -> Path:
    """Draws a labelled collection of plates into a new folder.

    Args:
        folder: where `plates/`, `plates.csv` and `corrections.csv` (labels that an expert
            would correct) go; must not exist or be empty.
        images: number of plates.
        seed: seed of every draw; other seeds give other drops.
        workers: number of processes; None: one for each core this process may use.
            The files are the same for any number.
        on_image: called after each plate with the number of plates done.

    Returns:
        Path of the manifest (columns uri, label, image_id, group and origin, which is
        "drawn"), written last.

    Raises:
        ValueError: if there are too few images or workers, or the folder holds anything.
    """
    folder = Path(folder)
    inspections = plan_inspections(images, seed)
    if workers is None:
        workers = len(os.sched_getaffinity(0))
    if workers < 1:
        raise ValueError(f"workers must be 1 or more, got {workers}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"a demo wants a new or empty folder, and {folder} holds something")
    folder.mkdir(parents=True, exist_ok=True)
    for done, _ in enumerate(_write_plates(folder, seed, inspections, workers), start=1):
        if on_image is not None:
            on_image(done)
    write_atomic(folder / CORRECTIONS, _corrections(seed, inspections))
    write_atomic(folder / MANIFEST, _manifest(seed, inspections))
    return folder / MANIFEST
