"""Opening a version: what it says is what the build wrote, and every fault is named."""

import json
from pathlib import Path

import pytest

from schemas.dataset import METADATA_FILE
from schemas.labels import PAPER10
from schemas.recipe import RenderConfig
from schemas.tfds_files import DATASET_INFO_FILE
from tests import builds
from trainer.dataset import open_dataset
from trainer.errors import DataError


@pytest.fixture
def version(workshop) -> Path:
    return workshop.out / "1.0.0"


def edit(version: Path, **values: object) -> None:
    """Changes entries of `metadata.json`; None removes one."""
    path = version / METADATA_FILE
    metadata = {**json.loads(path.read_text(encoding="utf-8")), **values}
    kept = {key: value for key, value in metadata.items() if value is not None}
    path.write_text(json.dumps(kept), encoding="utf-8")


def test_a_version_is_what_the_build_wrote(built):
    version = open_dataset(built / "1.0.0")
    metadata = builds.metadata(built / "1.0.0")
    assert (version.name, version.version) == (builds.NAME, "1.0.0")
    assert version.digest == metadata["digests"]["shards"]
    assert version.labels.names == PAPER10.names
    assert version.labels.crystal_names == PAPER10.crystal_names
    assert version.render == RenderConfig()
    assert set(version.splits) == {entry["key"].partition("-")[0] for entry in metadata["shards"]}
    found = {shard.path for shards in version.splits.values() for shard in shards}
    assert found == set((built / "1.0.0").glob("*.tfrecord-*"))
    for split, shards in version.splits.items():
        assert sum(shard.records for shard in shards) == sum(version.records[split])
        assert list(shards) == sorted(shards, key=lambda shard: shard.path)
        assert version.shards(split) == shards
        for shard in shards:
            assert shard.bytes == shard.path.stat().st_size


def test_the_records_of_labels_are_those_in_the_shards(built):
    version = open_dataset(built / "1.0.0")
    counted = [0] * len(PAPER10.names)
    for record in builds.records(built / "1.0.0"):
        counted[record.label] += 1
    assert [sum(numbers) for numbers in zip(*version.records.values(), strict=True)] == counted


@pytest.mark.parametrize(
    ("origins", "drawn"), [({"drawn": 34}, True), ({"drawn": 0, "lab": 3}, False), (None, False)]
)
def test_drawn_plates_are_known_as_such(version, origins, drawn):
    edit(version, origins=origins)
    opened = open_dataset(version)
    assert opened.origins == (origins or {})
    assert opened.drawn is drawn


def test_an_unfinished_version_is_refused(version):
    (version / DATASET_INFO_FILE).unlink()
    with pytest.raises(DataError, match=f"finished version, but {version} has no dataset_info"):
        open_dataset(version)


@pytest.mark.parametrize("folder", ["", "nowhere", "pool"])
def test_a_folder_that_is_no_version_is_refused(workshop, folder):
    with pytest.raises(DataError, match="give the folder of a finished version, such as"):
        open_dataset(workshop.out / folder)


def test_a_foreign_dataset_is_refused(tmp_path):
    # as tensorflow_datasets itself writes one: its own description, and none of ours
    (tmp_path / DATASET_INFO_FILE).write_text('{"name": "mnist"}', encoding="utf-8")
    with pytest.raises(DataError, match="is no description of a dataset of ours"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"text"', '{"format": 1}'])
def test_metadata_of_another_kind_are_refused(version, text):
    (version / METADATA_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="is no description of a dataset of ours"):
        open_dataset(version)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 2, wanted 1"),
        ({"recipe": None}, "recipe"),
        ({"recipe": {"seed": 0}}, "no description"),
        ({"digests": None}, "digests"),
        ({"shards": [{"key": "train-1-of-2", "records": 1, "bytes": 1}]}, "wanted a shard key"),
        ({"shards": [{"key": "train-00000-of-00001"}]}, "records"),
        ({"records": None}, "records"),
        ({"name": None}, "name"),
    ],
)
def test_a_faulty_entry_is_named(version, change, message):
    edit(version, **change)
    with pytest.raises(DataError, match=message):
        open_dataset(version)


def test_a_missing_shard_is_named(version):
    shard = min(version.glob("*.tfrecord-*"))
    size = shard.stat().st_size
    shard.unlink()
    with pytest.raises(DataError, match=f"wanted {size} bytes in {shard}, which is missing"):
        open_dataset(version)


@pytest.mark.parametrize("change", [-1, 1])
def test_a_shard_of_another_size_is_named(version, change):
    shard = max(version.glob("*.tfrecord-*"))
    content = shard.read_bytes()
    shard.unlink()  # it is a hard link into the pool
    shard.write_bytes(content[:-1] if change < 0 else content + b"\0")
    came = f"has {len(content) + change} bytes; .* `build --repair` mends it"
    with pytest.raises(DataError, match=f"wanted {len(content)} bytes in {shard}, which {came}"):
        open_dataset(version)


@pytest.mark.parametrize("kept", [0, 1])
def test_an_empty_split_is_refused(version, kept):
    metadata = builds.metadata(version)
    # without shards of the split, and with one that has no records
    shards = [entry for entry in metadata["shards"] if not entry["key"].startswith("validation")]
    empty = {"key": "validation-00000-of-00001", "records": 0, "bytes": 0}
    file = version / f"{builds.NAME}-validation.tfrecord-00000-of-00001"
    file.unlink(missing_ok=True)
    file.touch()
    edit(version, shards=shards + [empty] * kept)
    opened = open_dataset(version)
    with pytest.raises(DataError, match=f"split validation, but {version} has none there"):
        opened.shards("validation")
    assert opened.shards("train")


def test_a_split_of_no_dataset_is_refused(built):
    with pytest.raises(DataError, match="split practice"):
        open_dataset(built / "1.0.0").shards("practice")
