"""Dropping old versions: what must go goes, and nothing else."""

import dataclasses

import pytest

from pipeline.errors import BuildError
from pipeline.lock import locked
from pipeline.pool import Pool
from pipeline.prune import plan_pruning, prune
from pipeline.verify import verify_version
from schemas.dataset import DatasetFolder
from schemas.shards import is_shard_name
from tests.builds import RECIPE, build_quietly, metadata, run, shards, snapshot, versions
from tests.plates import read_rows, write_rows


@pytest.fixture
def dataset(workshop):
    """A dataset with the versions 1.0.0 to 1.0.3; each relabels another image."""
    for number in range(3):
        rows = read_rows(workshop.manifest)
        rows[number][1] = "heavy precipitate"
        write_rows(workshop.manifest, rows)
        build_quietly(workshop.manifest, workshop.out)
    assert versions(workshop.out) == ["1.0.0", "1.0.1", "1.0.2", "1.0.3"]
    return DatasetFolder(workshop.out)


def used(dataset, *names):
    """Returns the shards of the pool that versions have."""
    return {shard["pool"] for name in names for shard in metadata(dataset.folder / name)["shards"]}


def test_the_newest_stay_with_their_shards_and_no_others(dataset):
    before = {name: shards(dataset.folder / name) for name in versions(dataset.folder)}
    going = used(dataset, "1.0.0", "1.0.1") - used(dataset, "1.0.2", "1.0.3")
    assert going
    kept = used(dataset, "1.0.2", "1.0.3")
    pruning = prune(dataset, keep=2)
    assert versions(dataset.folder) == ["1.0.2", "1.0.3"]
    assert set(pruning.shards) == going
    assert Pool(dataset.pool).names() == Pool(dataset.pool).stems() == kept
    for name in versions(dataset.folder):
        assert shards(dataset.folder / name) == before[name]
        assert list(verify_version(dataset.folder / name, processes=1)) == []


def test_a_pinned_version_stays(dataset):
    (dataset.folder / "1.0.0" / "KEEP").touch()
    wanted = used(dataset, "1.0.0", "1.0.3")
    pruning = prune(dataset, keep=1)
    assert pruning.pinned == ((1, 0, 0),)
    assert versions(dataset.folder) == ["1.0.0", "1.0.3"]
    assert Pool(dataset.pool).names() == wanted
    assert (dataset.folder / "1.0.0" / "KEEP").exists()


def test_a_dry_run_changes_nothing_and_says_the_same(dataset):
    before = snapshot(dataset.folder)
    said = run("prune", dataset.folder, "--keep", 1, "--dry-run")
    assert said.returncode == 0
    assert snapshot(dataset.folder) == before
    size = sum(
        path.stat().st_size
        for name in plan_pruning(dataset, keep=1).shards
        for path in Pool(dataset.pool).files(name)
    )
    assert plan_pruning(dataset, keep=1).bytes == size > 0
    done = run("prune", dataset.folder, "--keep", 1)
    assert said.stdout.replace("would drop", "dropped") == done.stdout
    assert done.stdout.startswith(f"{dataset.folder}: dropped 1.0.0, 1.0.1, 1.0.2 and ")
    assert done.stdout.endswith("; kept 1.0.3\n")
    assert run("prune", dataset.folder, "--keep", 1, "--dry-run").stdout == (
        f"{dataset.folder}: would drop no version and 0 shards of the pool (0.0 kB); kept 1.0.3\n"
    )


def test_what_is_not_ours_stays(dataset):
    notes = [
        dataset.folder / "notes.txt",
        dataset.folder / "1.0" / "mine.json",
        dataset.pool / "notes.json",
        dataset.pool / "train-00000-of-00001.tfrecord",
        dataset.folder / "1.0.3" / "mine.txt",
    ]
    for path in notes:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    prune(dataset, keep=1)
    assert all(path.read_text() == "mine" for path in notes)


def test_what_a_build_left_unfinished_goes(dataset):
    name = sorted(used(dataset, "1.0.3"))[0]
    orphan = f"{name[:-32]}{'0' * 32}"
    assert is_shard_name(orphan)
    left = [
        dataset.pool / f"{orphan}.tfrecord",
        dataset.pool / f"incomplete.{'a' * 32}.{orphan}.json",
        dataset.folder / f"incomplete.{'a' * 32}.1.0.4",
    ]
    for path in left:
        path.write_text("")
    prune(dataset, keep=4)
    assert not any(path.exists() for path in left)
    assert versions(dataset.folder) == ["1.0.0", "1.0.1", "1.0.2", "1.0.3"]


def test_a_later_build_is_right(dataset, workshop, tmp_path):
    prune(dataset, keep=1)
    rows = read_rows(workshop.manifest)
    for number in range(3):  # back to 1.0.0, whose shards are gone
        rows[number][1] = "clear"
    write_rows(workshop.manifest, rows)
    outcome = build_quietly(workshop.manifest, workshop.out)
    assert outcome.metadata["version"] == "1.0.4"
    fresh = build_quietly(workshop.manifest, tmp_path / "fresh")
    assert shards(outcome.folder) == shards(fresh.folder)


def test_the_first_number_outranks_the_others(workshop):
    for seed in range(1, 11):
        recipe = dataclasses.replace(RECIPE, seed=seed % 2)
        build_quietly(workshop.manifest, workshop.out, recipe)
    assert max(DatasetFolder(workshop.out).versions()) == (11, 0, 0)
    prune(DatasetFolder(workshop.out), keep=2)
    assert versions(workshop.out) == ["10.0.0", "11.0.0"]


def test_a_build_under_way_keeps_prune_out(dataset):
    before = versions(dataset.folder)
    pool = Pool(dataset.pool).stems()
    with locked(dataset.folder):
        with pytest.raises(BuildError, match="is being built by process"):
            prune(dataset, keep=1)
        done = run("prune", dataset.folder, "--keep", 1)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: {dataset.folder} is being built by process")
    assert (versions(dataset.folder), Pool(dataset.pool).stems()) == (before, pool)


def test_a_version_that_cannot_be_read_keeps_everything(dataset):
    (dataset.folder / "1.0.3" / "metadata.json").write_text("{")
    pool = Pool(dataset.pool).stems()
    with pytest.raises(ValueError, match=r"1\.0\.3/metadata\.json cannot be read"):
        prune(dataset, keep=1)
    assert versions(dataset.folder) == ["1.0.0", "1.0.1", "1.0.2", "1.0.3"]
    assert Pool(dataset.pool).stems() == pool


@pytest.mark.parametrize("keep", [0, -1])
def test_at_least_one_version_must_stay(dataset, keep):
    with pytest.raises(ValueError, match="--keep must be 1 or more"):
        prune(dataset, keep=keep)
    assert len(versions(dataset.folder)) == 4


def test_a_folder_that_is_no_dataset_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ValueError, match="wanted a dataset with a finished version"):
        prune(DatasetFolder(tmp_path), keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
