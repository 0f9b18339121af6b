"""Whatever happened to a dataset, its newest version is that of a build from scratch."""

import collections
import csv
import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings

from pipeline.pool import Pool
from pipeline.verify import verify_version
from schemas.dataset import DatasetFolder, version_text
from tests.builds import catalog, records, shards, versions
from tests.histories import History, histories


def contents(folder: Path) -> dict[str, str]:
    """Returns the digest of every file of a version."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
    }


def rejects(folder: Path) -> list[dict[str, str]]:
    """Returns the lines of a version's rejects, without the places of the plates."""
    with (folder / "rejects.csv").open(encoding="utf-8", newline="") as file:
        return [line | {"uri": ""} for line in csv.DictReader(file)]


def check_rows(history: History, folder: Path) -> None:
    """P3 and P4: every image is there once, with its label, or is a reject."""
    rows = catalog(folder)
    assert {name: row.label for name, row in rows.items()} == history.labels()
    splits = collections.defaultdict(set)
    for row in rows.values():
        splits[row.group].add(row.split)
    assert all(len(found) == 1 for found in splits.values())
    found = collections.Counter(
        (r.image_id, r.variant, r.label, r.group, r.copies) for r in records(folder)
    )
    assert found == collections.Counter(
        (name, variant, row.label_index, row.group, row.copies)
        for name, row in rows.items()
        for variant in range(row.copies)
    )
    assert {line["image_id"] for line in rejects(folder)} == {
        name for name, row in rows.items() if not row.copies
    }


def check_splits(before: dict, after: dict) -> None:
    """P3: an image of the same group is in the same split."""
    for name in before.keys() & after.keys():
        if before[name].group == after[name].group:
            assert before[name].split == after[name].split


def run_history(history: History, steps) -> None:
    outcome, _ = history.build()
    for step in steps:
        before, recipe = catalog(outcome.folder), history.recipe
        for edit in step:
            history.edit(*edit)
        damaged = any(name == "accident" for name, _, _ in step)
        finished = {name: contents(history.out / name) for name in versions(history.out)}
        wanted = history.to_open()
        outcome, counts = history.build()
        assert counts.opened == len(wanted)  # P6
        check_rows(history, outcome.folder)
        if recipe.seed == history.recipe.seed:
            check_splits(before, catalog(outcome.folder))
        if not damaged:  # P5
            assert (
                finished.items()
                <= {name: contents(history.out / name) for name in finished}.items()
            )
        if outcome.committed:
            assert not list(history.out.rglob("incomplete.*"))


def check_fresh(history: History) -> None:
    """P1: the newest version is what a build from scratch makes."""
    dataset = DatasetFolder(history.out)
    last = dataset.version_folder(dataset.versions()[-1])
    fresh, _ = history.build(history.root / "fresh")
    assert shards(last) == shards(fresh.folder)
    assert rejects(last) == rejects(fresh.folder)
    for name in ("features.json", "label.labels.txt"):
        assert (last / name).read_bytes() == (fresh.folder / name).read_bytes()
    here, there = (
        {name: row._replace(uri="") for name, row in catalog(folder).items()}
        for folder in (last, fresh.folder)
    )
    assert here == there
    for folder in (last, fresh.folder):
        indices = sorted((folder / "index").iterdir())
        assert [path.name for path in indices] == [f"{name}.idx" for name in shards(folder)]
    assert [p.read_bytes() for p in sorted((last / "index").iterdir())] == [
        p.read_bytes() for p in sorted((fresh.folder / "index").iterdir())
    ]


def check_history(steps) -> None:
    with tempfile.TemporaryDirectory() as folder:
        history = History(Path(folder))
        run_history(history, steps)
        check_fresh(history)


ALL = settings(suppress_health_check=list(HealthCheck))


@settings(ALL, max_examples=25)
@given(histories)
@example([[("relabel", 0, 2)], [("undo", 0, 0)], [("shards", 0, 3)], [("shards", 0, 0)]])
@example([[("touch", 1, 0), ("relabel", 1, 3)], [("spoil", 2, 30)], [("replace", 2, 0)]])
@example([[("fill", 0, 1)], [("relabel", 3, 2)], [("fill", 0, 0)], [("regroup", 3, 7)]])
@example([[("spoil", 0, 30)], [("move", 0, 0)]])
@example([[("relabel", 0, 2), ("accident", 0, 3)], [("accident", 1, 1), ("relabel", 5, 1)]])
def test_any_history_ends_in_the_bytes_of_a_build_from_scratch(steps):
    check_history(steps)


@pytest.mark.slow
@settings(ALL, max_examples=120)
@given(histories)
def test_many_histories_end_in_the_bytes_of_a_build_from_scratch(steps):
    check_history(steps)


@settings(ALL, max_examples=3)
@given(histories)
def test_every_version_of_a_history_is_sound(steps):
    with tempfile.TemporaryDirectory() as folder:
        history = History(Path(folder))
        undamaged = [[edit for edit in step if edit[0] != "accident"] for step in steps]
        run_history(history, undamaged)
        for version in DatasetFolder(history.out).versions():
            path = history.out / version_text(version)
            assert list(verify_version(path, processes=1)) == []


def test_an_undone_relabelling_finds_its_shards_in_the_pool(tmp_path):
    history = History(tmp_path)
    first, _ = history.build()
    history.edit("relabel", 4, 3)
    history.build()
    pool = Pool(history.out / "pool")
    names = pool.names()
    history.edit("undo", 0, 0)
    third, counts = history.build()
    assert versions(history.out) == ["1.0.0", "1.0.1", "1.0.2"]
    assert third.metadata["build"]["shards_written"] == 0
    assert (counts.opened, counts.rendered) == (0, 0)
    assert pool.names() == names
    assert shards(third.folder) == shards(first.folder)


def test_moving_the_plates_and_the_dataset_changes_nothing(tmp_path):
    history = History(tmp_path)
    history.build()
    history.edit("move", 0, 0)
    history.out = history.out.rename(tmp_path / "elsewhere")
    outcome, counts = history.build()
    assert not outcome.committed
    assert counts.opened == 0


def test_a_file_replaced_under_its_name_by_one_that_is_older_is_noticed(tmp_path):
    history = History(tmp_path)
    history.build()
    for number in range(2):  # `replace` sets the clock forward once and back once
        history.edit("replace", number, 0)
        outcome, counts = history.build()
        assert counts.opened == 1
        assert outcome.metadata["version"] == f"1.{number + 1}.0"
    check_fresh(history)
