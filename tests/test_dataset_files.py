"""A version's descriptive files, held against the programs that they are written for."""

import hashlib
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from schemas.catalog import CATALOG_FILE, CatalogRow, read_catalog, write_catalog
from schemas.croissant import CROISSANT_FILE, croissant_json
from schemas.index import INDEX_DIRECTORY, index_file_name, index_text
from schemas.labels import PAPER10, LabelSet
from schemas.tfds_files import (
    DATASET_INFO_FILE,
    FEATURES_FILE,
    LABEL_NAMES_FILE,
    SplitFacts,
    dataset_info_json,
    features_json,
    label_names_txt,
    shard_file_name,
)
from tests import readers

NAME = "drops"
DESCRIPTION = "Drawn drops, for tests."
# Records in each shard: an empty shard, a shard of one, and no validation records at all.
SHARD_LENGTHS = {"train": (5, 0, 1, 8), "validation": (0, 0), "test": (6,)}

FEATURES_GOLDEN = """\
{
    "featuresDict": {
        "features": {
            "copies": {
                "pythonClassName": "tensorflow_datasets.core.features.tensor_feature.Tensor",
                "tensor": {
                    "dtype": "int64",
                    "encoding": "none",
                    "shape": {}
                }
            },
            "group": {
                "pythonClassName": "tensorflow_datasets.core.features.text_feature.Text",
                "text": {}
            },
            "image": {
                "pythonClassName": "tensorflow_datasets.core.features.tensor_feature.Tensor",
                "tensor": {
                    "dtype": "uint8",
                    "encoding": "bytes",
                    "shape": {
                        "dimensions": [
                            "128",
                            "128",
                            "1"
                        ]
                    }
                }
            },
            "image_id": {
                "pythonClassName": "tensorflow_datasets.core.features.text_feature.Text",
                "text": {}
            },
            "label": {
                "classLabel": {
                    "numClasses": "10"
                },
                "pythonClassName": "tensorflow_datasets.core.features.class_label_feature.ClassLabel"
            },
            "render_key": {
                "pythonClassName": "tensorflow_datasets.core.features.text_feature.Text",
                "text": {}
            },
            "variant": {
                "pythonClassName": "tensorflow_datasets.core.features.tensor_feature.Tensor",
                "tensor": {
                    "dtype": "int64",
                    "encoding": "none",
                    "shape": {}
                }
            }
        }
    },
    "pythonClassName": "tensorflow_datasets.core.features.features_dict.FeaturesDict"
}"""  # noqa: E501


def draw_records() -> dict[str, list[list[readers.ReadRecord]]]:
    """Returns the records of each shard of each split, all different in all they can be."""
    generator = np.random.default_rng(7)
    return {
        split: [
            [
                readers.ReadRecord(
                    image=generator.integers(0, 256, 16384, dtype=np.uint8).tobytes(),
                    label=(3 * place + shard) % len(PAPER10),
                    image_id=f"{split}/plätte {shard}/{place}",
                    group=f"{split}/plätte {shard}",
                    variant=place % 3,
                    copies=3 + shard,
                    render_key=generator.bytes(16).hex(),
                )
                for place in range(length)
            ]
            for shard, length in enumerate(lengths)
        ]
        for split, lengths in SHARD_LENGTHS.items()
    }


def example_bytes(record: readers.ReadRecord) -> bytes:
    import tensorflow as tf

    def text(*values: bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    def number(*values: int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    feature = {
        "image": text(record.image),
        "label": number(record.label),
        "image_id": text(record.image_id.encode()),
        "group": text(record.group.encode()),
        "variant": number(record.variant),
        "copies": number(record.copies),
        "render_key": text(record.render_key.encode()),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def write_shard(path: Path, records: list[readers.ReadRecord]) -> int:
    """Writes a shard and its index; returns the bytes of its records."""
    import tensorflow as tf

    serialised = [example_bytes(record) for record in records]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in serialised:
            writer.write(record)
    index = path.parent / INDEX_DIRECTORY / index_file_name(path.name)
    index.write_text(index_text(len(record) + 16 for record in serialised))
    return sum(map(len, serialised))


def catalog_rows(records: dict[str, list[list[readers.ReadRecord]]]) -> list[CatalogRow]:
    rows = [
        CatalogRow(
            image_id=record.image_id,
            uri=f"{record.image_id}.jpg",
            label=PAPER10.names[record.label],
            label_index=record.label,
            group=record.group,
            split=split,
            copies=record.copies,
            shard=shard_file_name(NAME, split, number, shards=len(shards)),
            content_digest=hashlib.sha256(record.image).hexdigest(),
        )
        for split, shards in records.items()
        for number, shard in enumerate(shards)
        for record in shard
    ]
    reject = CatalogRow("broken", "broken.jpg", "clear", 1, "broken", "train", 0, None, None)
    return [*rows, reject]


@pytest.fixture(scope="module")
def records():
    return draw_records()


@pytest.fixture(scope="module")
def version(records, tmp_path_factory):
    """A version written by hand, but for the files under test."""
    version = tmp_path_factory.mktemp("data") / NAME / "1.0.0"
    (version / INDEX_DIRECTORY).mkdir(parents=True)
    facts = {}
    for split, shards in records.items():
        sizes = [
            write_shard(version / shard_file_name(NAME, split, number, shards=len(shards)), shard)
            for number, shard in enumerate(shards)
        ]
        facts[split] = SplitFacts(SHARD_LENGTHS[split], sum(sizes))
    write_catalog(catalog_rows(records), version / CATALOG_FILE)
    croissant = croissant_json(
        name=NAME,
        version="1.0.0",
        description=DESCRIPTION,
        labels=PAPER10,
        splits=("train", "test"),
        catalog_sha256=hashlib.sha256((version / CATALOG_FILE).read_bytes()).hexdigest(),
        license_url="https://www.apache.org/licenses/LICENSE-2.0",
        url="https://example.org/drops",
        citation="@misc{drops}",
        date_published="2020-02-29",
    )
    info = dataset_info_json(
        name=NAME, version="1.0.0", description=DESCRIPTION, splits=facts,
        homepage="https://example.org/drops", citation="@misc{drops}", license_text="Apache-2.0",
    )  # fmt: skip
    (version / CROISSANT_FILE).write_text(croissant, encoding="utf-8")
    (version / FEATURES_FILE).write_text(features_json(PAPER10), encoding="utf-8")
    (version / LABEL_NAMES_FILE).write_text(label_names_txt(PAPER10), encoding="utf-8")
    (version / "metadata.json").write_text('{"parent": null}')
    (version / DATASET_INFO_FILE).write_text(info, encoding="utf-8")
    return version


def of_split(records, split: str | None) -> list[readers.ReadRecord]:
    return sorted(
        record
        for name, shards in records.items()
        if split in (None, name)
        for shard in shards
        for record in shard
    )


@pytest.mark.parametrize(
    "read",
    [
        readers.read_with_tfds,
        readers.load_with_tfds,
        readers.read_with_tf_data,
        readers.read_with_beam,
        readers.read_with_tfrecord_package,
    ],
)
def test_every_engine_reads_what_was_written(version, records, read):
    assert len(of_split(records, None)) == 20
    assert sorted(read(version)) == of_split(records, None)
    assert sorted(read(version, "test")) == of_split(records, "test")


def test_tfds_knows_sizes_names_and_the_supervised_pair(version, records):
    import tensorflow_datasets as tfds

    info = tfds.builder_from_directory(version).info
    sizes = {split: len(of_split(records, split)) for split in ("train", "test")}
    assert {name: split.num_examples for name, split in info.splits.items()} == sizes
    assert info.splits["train"].shard_lengths == list(SHARD_LENGTHS["train"])
    assert info.dataset_size == sum(map(len, map(example_bytes, of_split(records, None))))
    assert info.full_name == "drops/1.0.0"
    assert info.description == DESCRIPTION
    assert info.homepage == "https://example.org/drops"
    assert info.features["label"].names == list(PAPER10.names)
    assert info.metadata["parent"] is None
    pairs = [(record.image, PAPER10.names[record.label]) for record in of_split(records, "test")]
    assert sorted(readers.read_pairs_with_tfds(version, "test")) == pairs


def test_tfds_would_have_written_the_same(version, tmp_path):
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.dataset_info import DatasetIdentity
    from tensorflow_datasets.core.naming import ShardedFileTemplate
    from tensorflow_datasets.core.splits import SplitDict, SplitInfo

    features = {
        "image": tfds.features.Tensor(shape=(128, 128, 1), dtype=np.uint8, encoding="bytes"),
        "label": tfds.features.ClassLabel(names=list(PAPER10.names)),
        **{name: tfds.features.Text() for name in ("image_id", "group", "render_key")},
        **dict.fromkeys(("variant", "copies"), np.int64),
    }
    identity = DatasetIdentity(
        name=NAME, version=tfds.core.Version("1.0.0"), data_dir=str(tmp_path), module_name=""
    )
    info = tfds.core.DatasetInfo(
        builder=identity,
        features=tfds.features.FeaturesDict(features),
        supervised_keys=("image", "label"),
        description=DESCRIPTION,
        homepage="https://example.org/drops",
        citation="@misc{drops}",
        license="Apache-2.0",
    )
    info.set_file_format("tfrecord")
    written = json.loads((version / DATASET_INFO_FILE).read_text())
    template = ShardedFileTemplate(data_dir=tmp_path, dataset_name=NAME, filetype_suffix="tfrecord")
    splits = [
        SplitInfo(
            name=split["name"],
            shard_lengths=[int(length) for length in split["shardLengths"]],
            num_bytes=int(split["numBytes"]),
            filename_template=template.replace(split=split["name"]),
        )
        for split in written["splits"]
    ]
    info.set_splits(SplitDict(splits))
    info.write_to_directory(tmp_path)
    assert json.loads((tmp_path / DATASET_INFO_FILE).read_text()) == written
    for name in (FEATURES_FILE, LABEL_NAMES_FILE):
        assert (tmp_path / name).read_bytes() == (version / name).read_bytes()


def test_index_is_the_one_that_the_tfrecord_package_makes(version, tmp_path):
    shards = readers.shard_paths(version)
    code = (
        "import os, sys; from tfrecord.tools.tfrecord2idx import create_index\n"
        "for shard in sys.argv[2:]:"
        " create_index(shard, os.path.join(sys.argv[1], os.path.basename(shard)))"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path, *shards], check=True)
    for shard in shards:
        index = version / INDEX_DIRECTORY / index_file_name(shard.name)
        assert index.read_text() == (tmp_path / shard.name).read_text()


def test_mlcroissant_finds_no_fault_and_reads_every_image(version, records):
    command = [Path(sys.executable).parent / "mlcroissant", "validate", "--jsonld"]
    checked = subprocess.run(
        [*command, version / CROISSANT_FILE], capture_output=True, text=True, check=True
    )
    assert "warning" not in (checked.stdout + checked.stderr).lower()
    assert readers.read_records_with_croissant(version) == catalog_rows(records)


def test_mlcroissant_refuses_a_catalog_that_was_changed(version, tmp_path):
    (tmp_path / CROISSANT_FILE).write_bytes((version / CROISSANT_FILE).read_bytes())
    write_catalog([], tmp_path / CATALOG_FILE)
    with pytest.raises(Exception, match="Download") as caught:
        readers.read_records_with_croissant(tmp_path)
    assert "Hash" in str(caught.value.__cause__)


def test_croissant_lists_labels_splits_and_shards(version):
    import mlcroissant

    dataset = mlcroissant.Dataset(str(version / CROISSANT_FILE))
    labels = [record["labels/name"] for record in dataset.records("labels")]
    crystals = {r["labels/name"] for r in dataset.records("labels") if r["labels/crystal"]}
    assert tuple(labels) == PAPER10.names
    assert crystals == PAPER10.crystal_names
    assert [record["splits/name"] for record in dataset.records("splits")] == ["train", "test"]
    for split, file_set in zip(("train", "test"), dataset.metadata.file_sets, strict=True):
        (pattern,) = file_set.includes
        assert sorted(version.glob(pattern)) == readers.shard_paths(version, split)


def test_croissant_invents_nothing():
    text = croissant_json(
        name=NAME, version="1.0.0", description=DESCRIPTION, labels=PAPER10,
        splits=("train",), catalog_sha256="0" * 64,
    )  # fmt: skip
    assert not {"license", "url", "citeAs", "datePublished"} & json.loads(text).keys()


def test_features_are_as_ever():
    assert features_json(PAPER10) == FEATURES_GOLDEN


def test_dataset_info_is_as_ever():
    text = dataset_info_json(
        name=NAME,
        version="1.0.0",
        description=DESCRIPTION,
        splits={"train": SplitFacts((2, 0), 33000), "validation": SplitFacts((), 0)},
    )
    assert json.loads(text) == {
        "description": DESCRIPTION,
        "fileFormat": "tfrecord",
        "name": "drops",
        "splits": [
            {
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                "name": "train",
                "numBytes": "33000",
                "shardLengths": ["2", "0"],
            }
        ],
        "supervisedKeys": {"tuple": {"items": [{"featureKey": "image"}, {"featureKey": "label"}]}},
        "version": "1.0.0",
    }


@pytest.mark.parametrize("name", ["", "7drops", "my-drops", "my drops", "dröps", "drops\n"])
def test_names_that_tfds_cannot_load_are_refused(name):
    with pytest.raises(ValueError, match="name"):
        dataset_info_json(name=name, version="1.0.0", description="", splits={})


@pytest.mark.parametrize("version", ["1.0", "1.0.0-rc1", "latest"])
def test_versions_that_tfds_cannot_load_are_refused(version):
    with pytest.raises(ValueError, match="version"):
        dataset_info_json(name=NAME, version=version, description="", splits={})


def test_label_names_that_tfds_would_change_are_refused():
    for bad in ("clear ", " clear", "cle\nar"):
        labels = LabelSet("odd", (bad, "other"), frozenset())
        with pytest.raises(ValueError, match="label"):
            label_names_txt(labels)


def test_catalog_gives_back_its_rows(records):
    rows = catalog_rows(records)
    stream = io.BytesIO()
    write_catalog(iter(rows), stream)
    assert list(read_catalog(io.BytesIO(stream.getvalue()))) == rows


def test_catalog_has_the_same_bytes_for_the_same_rows(records, tmp_path):
    for name in ("one", "two"):
        write_catalog(catalog_rows(records), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert pq.ParquetFile(tmp_path / "one").metadata.metadata is None


def test_catalog_spans_row_groups(tmp_path):
    rows = [
        CatalogRow(
            f"image{i}", f"image{i}.jpg", "clear", 1, f"well{i // 3}", "train", 1, None, None
        )
        for i in range(20_000)
    ]
    write_catalog(iter(rows), tmp_path / "catalog")
    assert pq.ParquetFile(tmp_path / "catalog").num_row_groups > 1
    assert list(read_catalog(tmp_path / "catalog")) == rows


def test_a_parquet_file_of_something_else_is_no_catalog(tmp_path):
    import pyarrow as pa

    pq.write_table(pa.table({"image_id": ["a"], "uri": ["a.jpg"]}), tmp_path / "other")
    with pytest.raises(ValueError, match="column label"):
        list(read_catalog(tmp_path / "other"))


def test_descriptions_are_written_without_heavy_libraries():
    code = (
        "import sys, schemas.tfds_files, schemas.croissant, schemas.catalog, schemas.index;"
        "print(sorted({'tensorflow', 'tensorflow_datasets', 'mlcroissant', 'apache_beam',"
        " 'pyarrow', 'numpy'} & sys.modules.keys()))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[]"
