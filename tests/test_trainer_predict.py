"""`trainer predict`: from a run on disk and images to tables and a page."""

import argparse
import csv
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from pipeline.decode import decode_plate
from pipeline.render import render
from schemas.labels import PAPER10
from tests.plates import draw_plate
from tests.trainer_predict_runs import WEIGHTS, evaluation, make_run
from trainer.commands import predict as command
from trainer.dataset import open_dataset
from trainer.errors import DataError, UsageError
from trainer.predict.origin import origin_of
from trainer.predict.views import view_augmentations
from trainer.run_folder import STATE_FILE, RunFolder


@pytest.fixture(scope="module")
def trained(built, tmp_path_factory) -> RunFolder:
    version = open_dataset(built / "1.0.0")
    return make_run(tmp_path_factory.mktemp("runs") / "run", version)


@pytest.fixture
def evaluated(trained):
    """The run with an evaluation, which is gone after the test."""
    weights = trained.state.files["best"][1]
    trained.evaluation.write_text(json.dumps(evaluation(weights)), encoding="utf-8")
    yield trained
    trained.evaluation.unlink()


def run(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([*map(str, arguments), "--processes", "2"]))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def by_hand(trained: RunFolder, path: Path, *, views: int, temperature: float) -> np.ndarray:
    """Returns an image's probabilities, step by step."""
    plate = decode_plate(path.read_bytes())
    config = open_dataset(Path(trained.config.data.folder)).render
    images = [render(plate, augmentation, config) for augmentation in view_augmentations(views)]
    logits = trained.load_model().predict_on_batch(np.stack(images)[..., None])
    powers = np.exp(logits.astype(np.float64) / temperature)
    return (powers / powers.sum(axis=1, keepdims=True)).mean(axis=0)


def test_a_manifest_becomes_a_table_and_a_page(plates, trained, tmp_path, capsys):
    table, page = tmp_path / "p.csv", tmp_path / "p.html"
    assert run(trained.folder, plates, "--out", table, "--html", page) == 0
    rows = rows_of(table)
    assert len(rows) == 34
    assert [int(row["rank"]) for row in rows] == list(range(1, 35))
    chances = [float(row["p_crystal"]) for row in rows]
    assert chances == sorted(chances, reverse=True)
    for row in rows:
        shares = {name: float(row[f"p:{name}"]) for name in PAPER10.names}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert row["predicted"] == max(shares, key=shares.__getitem__)
        crystals = sum(shares[name] for name in PAPER10.crystal_names)
        assert float(row["p_crystal"]) == pytest.approx(crystals, abs=1e-5)
        assert row["group"].startswith("drop")
        assert row["label"] in PAPER10.names
        assert row["dataset"] == trained.config.data.digest
    text = page.read_text(encoding="utf-8")
    assert text.count("<article") == 17
    assert text.count("<img") == 34
    out, err = capsys.readouterr()
    assert re.search(r"^ +1 +\S+ % +\S.*p\d\d\d$", out.replace("\xa0", " "), re.MULTILINE)
    assert "and 14 more" in out
    assert "34 images through LCN of drops 1.0.0, 8 views each, not calibrated" in err
    assert f"wrote {table}" in err


def test_probabilities_are_those_of_the_rendered_pixels(plates, evaluated, tmp_path, capsys):
    path = plates.parent / "plates" / "p003.jpg"
    wanted = {}
    for views in (1, 8):
        table = tmp_path / f"{views}.parquet"
        run(evaluated.folder, path, "--out", table, "--views", views)
        import pyarrow.parquet as pq

        (row,) = pq.read_table(table).to_pylist()
        found = [row[f"p:{name}"] for name in PAPER10.names]
        wanted[views] = by_hand(evaluated, path, views=views, temperature=2.0)
        np.testing.assert_allclose(found, wanted[views], rtol=1e-4)
        assert (row["views"], row["temperature"]) == (views, 2.0)
    assert np.abs(wanted[1] - wanted[8]).max() > 1e-4
    assert "temperature 2.000" in capsys.readouterr().err


def test_the_batch_size_changes_no_answer(plates, trained, tmp_path):
    images = sorted((plates.parent / "plates").iterdir())[:7]
    found = []
    for size in (1, 24):
        run(trained.folder, *images, "--out", tmp_path / "p.csv", "--batch-size", size)
        rows = sorted(rows_of(tmp_path / "p.csv"), key=lambda row: row["uri"])
        found.append([[float(row[f"p:{name}"]) for name in PAPER10.names] for row in rows])
    np.testing.assert_allclose(*found, rtol=1e-4)


def test_one_bad_image_stops_nothing(trained, tmp_path, capsys):
    draw_plate(tmp_path / "good.jpg", 1)
    (tmp_path / "bad.jpg").write_bytes(b"")
    (tmp_path / "short.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert run(trained.folder, tmp_path, "--out", tmp_path / "p.csv") == 0
    good, *bad = rows_of(tmp_path / "p.csv")
    assert (good["rank"], good["error"]) == ("1", "")
    assert [row["error"].partition(":")[0] for row in bad] == ["empty", "damaged"]
    assert "2 of 3 images could not be used; " in capsys.readouterr().err


def test_where_every_image_is_bad_the_command_fails_and_says_why(trained, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"")
    with pytest.raises(DataError, match="none of 1 could be used; the first one: empty") as caught:
        run(trained.folder, tmp_path, "--out", tmp_path / "p.csv")
    assert caught.value.exit_code == 65
    assert len(rows_of(tmp_path / "p.csv")) == 1


def test_an_evaluation_of_other_weights_counts_as_none(trained, evaluated):
    origin = origin_of(evaluated, views=8)
    assert origin.temperature == 2.0
    assert [(t.recall, t.value, t.chosen_on) for t in origin.thresholds] == [(0.95, 0.4, 31)]
    trained.evaluation.write_text(json.dumps(evaluation("other")), encoding="utf-8")
    stale = origin_of(evaluated, views=8)
    assert stale.temperature is None
    assert stale.thresholds == ()


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"weights": "OURS", "splits": {"test": 1}}'])
def test_a_damaged_evaluation_is_named(trained, evaluated, text):
    ours = text.replace("OURS", trained.state.files["best"][1])
    trained.evaluation.write_text(ours, encoding="utf-8")
    with pytest.raises(UsageError, match="trainer evaluate"):
        origin_of(trained, views=8)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--views", "3"], "views must be 1 or an even number"),
        (["--batch-size", "0"], "batch size must be 1 or more"),
        (["--gallery-images", "-1"], "gallery images must be 0 or more"),
        (["--out", "p.txt"], r"\.csv or \.parquet"),
        (["--html", "absent/p.html"], "there is none; make it first"),
    ],
)
def test_what_cannot_be_done_is_said_at_once(trained, plates, arguments, said):
    with pytest.raises(UsageError, match=said):
        run(trained.folder, plates, *arguments)


def test_a_run_without_weights_is_refused(trained, plates, tmp_path):
    with pytest.raises(UsageError, match=r"no config\.json"):
        run(tmp_path, plates)
    (tmp_path / "config.json").write_bytes((trained.folder / "config.json").read_bytes())
    with pytest.raises(UsageError, match="no weights yet"):
        run(tmp_path, plates)


def test_weights_are_read_whole_or_not_at_all(trained, plates, tmp_path):
    for name in ("config.json", STATE_FILE):
        (tmp_path / name).write_bytes((trained.folder / name).read_bytes())
    content = (trained.folder / WEIGHTS).read_bytes()
    (tmp_path / WEIGHTS).write_bytes(content[: len(content) // 2])
    with pytest.raises((UsageError, DataError, OSError)):
        run(tmp_path, plates)


@pytest.mark.skipif("PLATE_SAMPLES" not in os.environ, reason="PLATE_SAMPLES: real micrographs")
def test_real_micrographs_with_labels_of_another_set(trained, tmp_path):
    manifest = Path(os.environ["PLATE_SAMPLES"], "plates.csv")
    page, table = tmp_path / "p.html", tmp_path / "p.csv"
    assert run(trained.folder, manifest, "--html", page, "--out", table) == 0
    rows = rows_of(table)
    assert len(rows) >= 14
    assert {row["error"] for row in rows} == {""}
    assert {row["label"] for row in rows} >= {"Crystals"}
    assert page.read_text(encoding="utf-8").count("<img") == len(rows)
