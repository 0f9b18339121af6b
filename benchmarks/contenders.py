"""The ways to make the records that a build is measured against.

`python -m benchmarks.contenders NAME MANIFEST OUT`: every way reads the same manifest,
makes the same variants (three an image, with the same numbers) and writes all
of them into OUT. Imports are where a script of that kind would have them.
"""

import csv
import functools
import io
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from PIL import Image

from benchmarks.plates import write_manifest
from pipeline.augment import Augmentation, sample_augmentation
from schemas.labels import PAPER10
from schemas.recipe import AugmentConfig, RenderConfig

VARIANTS = 3
Row = Mapping[str, str]


def _rows(manifest: Path) -> list[Row]:
    with manifest.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _augmentation(row: Row, variant: int) -> Augmentation:
    return sample_augmentation(0, row["image_id"], variant=variant, config=AugmentConfig())


# The bare loop: our own kernel in one process, and nothing around it.


def bare_loop(manifest: Path, out: Path) -> None:
    """Reads, decodes, renders and writes in one loop."""
    from pipeline.decode import decode_plate  # noqa: PLC0415
    from pipeline.render import render  # noqa: PLC0415
    from schemas.records import Record, encode_record  # noqa: PLC0415
    from schemas.tfrecord import frame  # noqa: PLC0415

    with (out / "plates.tfrecord").open("wb") as file:
        for row in _rows(manifest):
            plate = decode_plate(Path(row["uri"]).read_bytes())
            for variant in range(VARIANTS):
                image = render(plate, _augmentation(row, variant), RenderConfig())
                record = Record(
                    image=image.tobytes(),
                    label=PAPER10.index(row["label"]),
                    image_id=row["image_id"],
                    group=row["group"],
                    variant=variant,
                    copies=VARIANTS,
                    render_key="0" * 32,
                )
                file.write(frame(encode_record(record)))


def bare_loops(manifest: Path, out: Path) -> None:
    """Runs a bare loop on each core at once, each over its share of the plates.

    What it costs more than one loop is the machine's doing: cores share caches, memory and,
    where they are threads of one, the core itself.
    """
    rows, cores = _rows(manifest), len(os.sched_getaffinity(0))
    loops = []
    for number in range(cores):
        part = out / f"part{number}"
        part.mkdir()
        share = write_manifest(out / f"part{number}.csv", rows[number::cores])
        command = [sys.executable, "-m", "benchmarks.contenders", "loop", str(share), str(part)]
        loops.append(subprocess.Popen(command))
    codes = [loop.wait() for loop in loops]
    if any(codes):
        raise RuntimeError("a bare loop failed")


# The obvious ones: Pillow, step by step, and TensorFlow's own writer.


def _pillow_variant(
    image: Image.Image, augmentation: Augmentation, *, careful: bool
) -> Image.Image:
    """Returns a variant as Pillow's methods make it.

    Args:
        image: full-size luma.
        augmentation: the numbers of the variant.
        careful: bicubic rotation and Lanczos; else what the methods do by default
            (nearest pixel, and bicubic).
    """
    if careful:
        image = image.rotate(augmentation.angle, resample=Image.Resampling.BICUBIC)
    else:
        image = image.rotate(augmentation.angle)
    if augmentation.flip_horizontal:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if augmentation.flip_vertical:
        image = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side))
    return image.resize((128, 128), Image.Resampling.LANCZOS if careful else None)


def _example(row: Row, variant: int, image: Image.Image) -> bytes:
    import tensorflow as tf  # type: ignore[import-untyped]  # noqa: PLC0415

    def text(value: str) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))

    def number(value: int) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    pixels = tf.train.Feature(bytes_list=tf.train.BytesList(value=[image.tobytes()]))
    feature = {
        "image": pixels,
        "label": number(PAPER10.index(row["label"])),
        "image_id": text(row["image_id"]),
        "group": text(row["group"]),
        "variant": number(variant),
        "copies": number(VARIANTS),
        "render_key": text("0" * 32),
    }
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    serialised: bytes = example.SerializeToString()
    return serialised


def _pillow_image(row: Row, *, careful: bool) -> list[bytes]:
    with Image.open(row["uri"]) as file:
        image = file.convert("L")
    return [
        _example(row, variant, _pillow_variant(image, _augmentation(row, variant), careful=careful))
        for variant in range(VARIANTS)
    ]


def pool_script(manifest: Path, out: Path, *, careful: bool) -> None:
    """Maps over the plates with a pool of processes and writes what comes back."""
    import tensorflow as tf  # noqa: PLC0415

    work = functools.partial(_pillow_image, careful=careful)
    with (
        multiprocessing.get_context("fork").Pool() as pool,
        tf.io.TFRecordWriter(str(out / "plates.tfrecord")) as writer,
    ):
        for examples in pool.imap(work, _rows(manifest)):
            for example in examples:
                writer.write(example)


def _beam_variant(item: tuple[Row, int]) -> bytes:
    row, variant = item
    with Image.open(io.BytesIO(Path(row["uri"]).read_bytes())) as file:
        image = file.convert("L")
    augmentation = _augmentation(row, variant)
    return _example(row, variant, _pillow_variant(image, augmentation, careful=True))


def _variants_of(row: Row) -> Iterable[tuple[Row, int]]:
    return [(row, variant) for variant in range(VARIANTS)]


def beam_job(manifest: Path, out: Path) -> None:
    """Makes each variant an element: decoded, rendered and written by itself."""
    import apache_beam as beam  # noqa: PLC0415
    import tensorflow as tf  # noqa: F401, PLC0415 - its import is part of the start

    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        (
            pipeline
            | beam.Create(_rows(manifest))
            # Row
            | beam.FlatMap(_variants_of)
            # a row and the number of a variant
            | beam.Map(_beam_variant)
            # serialised tf.train.Example
            | beam.io.WriteToTFRecord(str(out / "plates"), file_name_suffix=".tfrecord")
        )


CONTENDERS: Mapping[str, Callable[[Path, Path], None]] = {
    "loop": bare_loop,
    "loops": bare_loops,
    "pool": functools.partial(pool_script, careful=True),
    "pool-defaults": functools.partial(pool_script, careful=False),
    "beam": beam_job,
}


def read_images(folder: Path) -> Iterator[tuple[tuple[str, int], bytes]]:
    """Gives ((image id, variant), pixels) of every record below a folder."""
    import tensorflow as tf  # noqa: PLC0415

    from schemas.tfrecord import read_frames  # noqa: PLC0415

    for path in sorted(folder.rglob("*.tfrecord")):
        with path.open("rb") as stream:
            for _, data in read_frames(stream):
                feature = tf.train.Example.FromString(data).features.feature
                key = feature["image_id"].bytes_list.value[0].decode()
                variant = feature["variant"].int64_list.value[0]
                yield (key, variant), feature["image"].bytes_list.value[0]


def compare(wanted: Path, got: Path) -> None:
    """Prints the PSNR in dB of all records of one folder against another's; inf if equal.

    Raises:
        ValueError: if they do not hold the same variants of the same images.
    """
    import numpy as np  # noqa: PLC0415

    ours, theirs = dict(read_images(wanted)), dict(read_images(got))
    if not ours or ours.keys() != theirs.keys():
        raise ValueError(f"{wanted} holds {len(ours)} variants, {got} {len(theirs)}, or others")
    pixels = [
        np.frombuffer(b"".join(images[key] for key in sorted(ours)), np.uint8).astype(float)
        for images in (ours, theirs)
    ]
    error = float(np.mean((pixels[0] - pixels[1]) ** 2))
    print(10 * np.log10(255**2 / error) if error else float("inf"))


if __name__ == "__main__":
    if sys.argv[1] == "compare":
        compare(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        Path(sys.argv[3]).mkdir(parents=True, exist_ok=True)
        CONTENDERS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
