"""Finished versions as others read them: each engine as its own documentation has it.

Nothing of ours reads a byte of the shards here. Every function takes the directory
of a version and, where wanted, one split; no split means all of them. Records come
as plain tuples in the engine's own order: compare them sorted.
"""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

# TensorFlow reads these when it is loaded.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


class ReadRecord(NamedTuple):
    """A record as an engine gave it; equal to a plain tuple of the same values."""

    image: bytes
    label: int
    image_id: str
    group: str
    variant: int
    copies: int
    render_key: str


class ReadImage(NamedTuple):
    """A row of the catalog as mlcroissant gave it."""

    image_id: str
    uri: str
    label: str
    label_index: int
    group: str
    split: str
    copies: int
    shard: str | None
    content_digest: str | None


def shard_paths(version_dir: Path, split: str | None = None) -> list[Path]:
    """Returns the shards that a user's glob finds, in order."""
    return sorted(Path(version_dir).glob(f"*-{split or '*'}.tfrecord-*"))


def _from_arrays(example: dict) -> ReadRecord:
    """Takes a dictionary of numpy values, as TFDS gives it."""
    image = example["image"]
    assert image.shape == (128, 128, 1)
    assert image.dtype == "uint8"
    return ReadRecord(
        image.tobytes(),
        int(example["label"]),
        example["image_id"].decode(),
        example["group"].decode(),
        int(example["variant"]),
        int(example["copies"]),
        example["render_key"].decode(),
    )


def _from_example(serialised: bytes) -> ReadRecord:
    """Takes the bytes of a `tf.train.Example`."""
    import tensorflow as tf

    features = tf.train.Example.FromString(serialised).features.feature
    texts = {key: feature.bytes_list.value for key, feature in features.items()}
    numbers = {key: feature.int64_list.value for key, feature in features.items()}
    return ReadRecord(
        *texts["image"],
        *numbers["label"],
        *(value.decode() for value in texts["image_id"]),
        *(value.decode() for value in texts["group"]),
        *numbers["variant"],
        *numbers["copies"],
        *(value.decode() for value in texts["render_key"]),
    )


def _from_datasets(datasets) -> list[ReadRecord]:
    """Takes what TFDS returns: one dataset, or all splits as {name: dataset}."""
    parts = datasets.values() if isinstance(datasets, dict) else [datasets]
    return [_from_arrays(example) for part in parts for example in part.as_numpy_iterator()]


def read_with_tfds(version_dir: Path, split: str | None = None) -> list[ReadRecord]:
    """Reads by `tfds.builder_from_directory`."""
    import tensorflow_datasets as tfds

    return _from_datasets(tfds.builder_from_directory(version_dir).as_dataset(split=split))


def load_with_tfds(version_dir: Path, split: str | None = None) -> list[ReadRecord]:
    """Reads by `tfds.load("name:1.0.0", data_dir=...)`.

    TFDS looks for DATA_DIR/name/1.0.0, so the dataset's directory must bear its name.
    """
    import tensorflow_datasets as tfds

    dataset_dir = Path(version_dir).parent
    name = f"{dataset_dir.name}:{Path(version_dir).name}"
    return _from_datasets(tfds.load(name, data_dir=dataset_dir.parent, split=split))


def read_pairs_with_tfds(version_dir: Path, split: str) -> list[tuple[bytes, str]]:
    """Reads (image, name of the label) by TFDS's `as_supervised`."""
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(version_dir)
    label_name = builder.info.features["label"].int2str
    pairs = builder.as_dataset(split=split, as_supervised=True).as_numpy_iterator()
    return [(image.tobytes(), label_name(label)) for image, label in pairs]


def read_with_tf_data(version_dir: Path, split: str | None = None) -> list[ReadRecord]:
    """Reads by `tf.data.TFRecordDataset` and `tf.io.parse_single_example`."""
    import tensorflow as tf

    text, number = tf.io.FixedLenFeature([], tf.string), tf.io.FixedLenFeature([], tf.int64)
    features = {
        "image": text,
        "label": number,
        "image_id": text,
        "group": text,
        "variant": number,
        "copies": number,
        "render_key": text,
    }

    def parse(serialised):
        example = tf.io.parse_single_example(serialised, features)
        pixels = tf.io.decode_raw(example["image"], tf.uint8)
        return {**example, "image": tf.reshape(pixels, [128, 128, 1])}

    paths = [str(path) for path in shard_paths(version_dir, split)]
    dataset = tf.data.TFRecordDataset(paths).map(parse)
    return [_from_arrays(example) for example in dataset.as_numpy_iterator()]


def read_with_beam(version_dir: Path, split: str | None = None) -> list[ReadRecord]:
    """Reads by Beam's `ReadFromTFRecord`."""
    import tempfile

    import apache_beam as beam
    from apache_beam.testing.test_pipeline import TestPipeline

    pattern = str(Path(version_dir) / f"*-{split or '*'}.tfrecord-*")
    # Beam has no way to give elements back to the caller but to write them.
    with tempfile.TemporaryDirectory() as folder:
        with TestPipeline(runner="FnApiRunner") as pipeline:
            records = pipeline | beam.io.ReadFromTFRecord(pattern)
            _ = records | beam.io.WriteToTFRecord(f"{folder}/out", file_name_suffix=".tfrecord")
        return read_examples(sorted(Path(folder).iterdir()))


def read_examples(paths: list[Path]) -> list[ReadRecord]:
    """Returns the records of TFRecord files, read by TensorFlow."""
    import tensorflow as tf

    dataset = tf.data.TFRecordDataset([str(path) for path in paths])
    return [_from_example(serialised) for serialised in dataset.as_numpy_iterator()]


def read_with_tfrecord_package(version_dir: Path, split: str | None = None) -> list[ReadRecord]:
    """Reads by the `tfrecord` package, which needs no TensorFlow, with the shards' indices.

    In a process of its own: the package and TensorFlow define the same messages, and
    whichever is imported second fails.
    """
    command = [sys.executable, __file__, str(version_dir), *([split] if split else [])]
    answer = subprocess.run(command, capture_output=True, check=True).stdout
    return [ReadRecord(*values) for values in pickle.loads(answer)]


def _read_here_with_tfrecord_package(version_dir: Path, split: str | None) -> list[tuple]:
    """Reads each shard as two workers would, a half each by the index.

    The package cannot take the index of a shard with fewer than two records: those it
    reads without.
    """
    from tfrecord.reader import tfrecord_loader

    records = []
    for path in shard_paths(version_dir, split):
        index = path.parent / "index" / f"{path.name}.idx"
        halves = [(0, 2), (1, 2)] if len(index.read_text().splitlines()) > 1 else [None]
        for half in halves:
            for example in tfrecord_loader(str(path), str(index) if half else None, shard=half):
                texts = {key: bytes(example[key]).decode() for key in ("image_id", "group")}
                numbers = {key: int(example[key][0]) for key in ("label", "variant", "copies")}
                render_key = bytes(example["render_key"]).decode()
                image = bytes(example["image"])
                records.append(
                    tuple(ReadRecord(image=image, **texts, **numbers, render_key=render_key))
                )
    return records


def read_records_with_croissant(version_dir: Path) -> list[ReadImage]:
    """Reads the catalog's rows by `mlcroissant`, which has texts as bytes."""
    import mlcroissant

    dataset = mlcroissant.Dataset(str(Path(version_dir) / "croissant.json"))
    rows = []
    for record in dataset.records("images"):
        values = (record[f"images/{name}"] for name in ReadImage._fields)
        rows.append(ReadImage(*(v.decode() if isinstance(v, bytes) else v for v in values)))
    return rows


if __name__ == "__main__":
    _version, *_split = sys.argv[1:]
    _records = _read_here_with_tfrecord_package(Path(_version), *(_split or [None]))
    sys.stdout.buffer.write(pickle.dumps(_records))
