"""Built versions as others read them: every engine gives the very values that were stored."""

import csv
import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.labels import MARCO4
from schemas.recipe import SplitConfig
from tests import readers
from tests.builds import NAME, RECIPE, build_quietly, catalog, records, run

READERS = {
    "tfds": readers.read_with_tfds,
    "tfds by name": readers.load_with_tfds,
    "tf.data": readers.read_with_tf_data,
    "beam": readers.read_with_beam,
    "tfrecord package": readers.read_with_tfrecord_package,
}

pytestmark = pytest.mark.timeout(400)


def stored(version: Path) -> list[readers.ReadRecord]:
    """Returns every record as it was written."""
    return sorted(
        readers.ReadRecord(r.image, r.label, r.image_id, r.group, r.variant, r.copies, r.render_key)
        for r in records(version)
    )


def check_catalog(version: Path) -> None:
    rows = {row.image_id: row for row in readers.read_records_with_croissant(version)}
    assert rows.keys() == catalog(version).keys()
    for name, row in catalog(version).items():
        assert (rows[name].uri, rows[name].label_index, rows[name].split, rows[name].copies) == (
            row.uri,
            row.label_index,
            row.split,
            row.copies,
        )


def check_croissant(version: Path) -> None:
    program = Path(sys.executable).with_name("mlcroissant")
    done = subprocess.run(
        [program, "validate", "--jsonld", version / "croissant.json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "error" not in (done.stdout + done.stderr).lower()


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_a_reader_gives_what_was_stored(built, reader):
    version = built / "1.0.0"
    assert sorted(READERS[reader](version)) == stored(version)


@pytest.mark.slow
def test_croissant_describes_a_build(built):
    check_croissant(built / "1.0.0")
    check_catalog(built / "1.0.0")


@pytest.mark.slow
def test_a_dataset_with_empty_shards_is_read(plates, tmp_path):
    recipe = dataclasses.replace(RECIPE, records_per_shard=2)
    version = build_quietly(plates, tmp_path / NAME, recipe).folder
    assert any(not path.stat().st_size for path in version.glob("*.tfrecord-*"))
    for reader in READERS.values():
        assert sorted(reader(version)) == stored(version)
    check_croissant(version)


@pytest.mark.slow
def test_a_dataset_of_rejects_alone_is_read(tmp_path):
    manifest = tmp_path / "plates.csv"
    manifest.write_text("uri,label\nno.jpg,clear\n")
    version = build_quietly(manifest, tmp_path / NAME, max_reject_fraction=1).folder
    assert readers.read_with_tfds(version) == []
    assert readers.read_with_tf_data(version) == []
    check_croissant(version)


@pytest.mark.slow
def test_a_demo_is_drawn_built_and_read(tmp_path):
    assert run("demo", tmp_path / "plates", "--images", 1000).returncode == 0
    out = tmp_path / "demo"
    arguments = ["--manifest", tmp_path / "plates" / "plates.csv", "--out", out]
    done = run("build", *arguments, "--records-per-shard", 256)
    assert done.returncode == 0, done.stderr
    assert "version 1.0.0: 1,000 images" in done.stdout
    version = out / "1.0.0"
    wanted = stored(version)
    assert len({record.label for record in wanted}) == 10
    for reader in READERS.values():
        assert sorted(reader(version)) == wanted
    check_croissant(version)
    check_catalog(version)
    assert run("verify", out).returncode == 0


@pytest.fixture
def micrographs():
    folder = os.environ.get("PLATE_SAMPLES")
    if not folder:
        pytest.skip("PLATE_SAMPLES names no folder of micrographs")
    return Path(folder) / "plates.csv"


@pytest.mark.slow
def test_real_micrographs_are_built_and_read(micrographs, tmp_path):
    with micrographs.open(newline="") as file:
        rows = list(csv.DictReader(file))
    recipe = dataclasses.replace(RECIPE, labels=MARCO4, split=SplitConfig(0.6, 0.2, 0.2))
    outcome = build_quietly(micrographs, tmp_path / NAME, recipe, max_reject_fraction=0)
    version = outcome.folder
    wanted = stored(version)
    assert {record.image_id for record in wanted} == catalog(version).keys()
    assert len(catalog(version)) == len(rows)
    labels = {row.image_id: row.label for row in catalog(version).values()}
    assert sorted(labels.values()) == sorted(
        MARCO4.names[MARCO4.index(row["label"])] for row in rows
    )
    for reader in READERS.values():
        assert sorted(reader(version)) == wanted
    check_croissant(version)
    check_catalog(version)
    # pixels of a plate, not a plain area
    assert all(len(set(record.image)) > 30 for record in wanted)
