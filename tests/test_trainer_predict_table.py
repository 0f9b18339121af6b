"""From views to ranked rows: batches, averages, ranks, and the table that holds them."""

import csv
import itertools

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.labels import MARCO4, PAPER10
from tests.trainer_predict_runs import CRYSTALS, make_origin, predictions_of
from trainer.errors import TrainerError, UsageError
from trainer.predict.ahead import Failure
from trainer.predict.classify import classify
from trainer.predict.predictions import rank_predictions
from trainer.predict.sources import Source
from trainer.predict.tables import check_folder, check_table_path, columns, write_predictions

BAD = Failure("truncated", "JPEG that does not decode")


def views(*levels: int) -> np.ndarray:
    """Returns views of one gray level each."""
    return np.stack([np.full((128, 128), level, np.uint8) for level in levels])


def gray_network(images: np.ndarray) -> np.ndarray:
    """Gives logits that tell the gray level: its share of 255 has the odds of label 1."""
    assert images.dtype == np.uint8
    assert images.shape[1:] == (128, 128, 1)
    share = images.mean(axis=(1, 2, 3)) / 255
    return np.log(np.stack([1 - share, share], axis=1) + 1e-30)


def test_views_of_an_image_are_averaged_and_failures_keep_their_place():
    rendered = [views(51, 102), BAD, views(153, 153), BAD, BAD]
    first, bad, second, *more = classify(rendered, gray_network, batch_size=64)
    assert first[1] == pytest.approx((51 + 102) / 2 / 255)
    assert second[1] == pytest.approx(153 / 255)
    assert [bad, *more] == [BAD] * 3


def test_the_temperature_divides_logits_of_each_view():
    (found,) = classify([views(51, 204)], gray_network, batch_size=2, temperature=2.0)
    odds = [np.sqrt(51 / 204), np.sqrt(204 / 51)]
    assert found[1] == pytest.approx(np.mean([o / (1 + o) for o in odds]))


@given(counts=st.lists(st.sampled_from([0, 1, 2, 8]), max_size=30), batch_size=st.integers(1, 40))
def test_batches_hold_as_many_views_as_they_may(counts, batch_size):
    sizes = []

    def network(images: np.ndarray) -> np.ndarray:
        sizes.append(len(images))
        return gray_network(images)

    rendered = [views(*range(at, at + n)) if n else BAD for at, n in enumerate(counts)]
    found = list(classify(rendered, network, batch_size=batch_size))
    assert sum(sizes) == sum(counts)
    assert all(size <= max(batch_size, 8) for size in sizes)
    assert all(a + b > batch_size for a, b in itertools.pairwise(sizes))
    for at, (n, outcome) in enumerate(zip(counts, found, strict=True)):
        if n:
            assert outcome[1] == pytest.approx(np.mean(range(at, at + n)) / 255, abs=1e-6)
        else:
            assert outcome is BAD


def test_a_network_without_numbers_is_an_error():
    with pytest.raises(TrainerError, match="train it again"):
        list(classify([views(1)], lambda images: np.full((1, 2), np.nan), batch_size=1))


def test_ranks_go_down_from_the_likeliest_crystal_and_failures_are_last():
    sources = [Source(name, f"{name}.jpg") for name in "abcdef"]
    found = predictions_of(sources, [0.5, BAD, 0.9, 0.5, BAD, 0.1])
    assert "".join(p.source.image_id for p in found) == "cadfbe"
    assert [p.rank for p in found] == [1, 2, 3, 4, None, None]
    assert [p.p_crystal for p in found[:4]] == [0.9, 0.5, 0.5, 0.1]
    assert found[0].predicted == "large crystals"
    assert [found[1].predicted, found[3].predicted] == ["bad drop", "bad drop"]
    assert found[-1].failure == BAD


def test_p_crystal_is_the_sum_over_the_crystal_labels():
    outcome = np.zeros(10)
    outcome[[PAPER10.index(CRYSTALS[0]), PAPER10.index(CRYSTALS[1]), 0]] = 0.3, 0.3, 0.4
    (found,) = rank_predictions([Source("a", "a.jpg")], [outcome], labels=PAPER10)
    assert found.p_crystal == pytest.approx(0.6)
    assert found.predicted == "bad drop"
    (marco,) = predictions_of([Source("a", "a.jpg")], [0.25], labels=MARCO4)
    assert marco.p_crystal == 0.25


def test_an_image_is_never_lost():
    with pytest.raises(ValueError, match="zip"):
        rank_predictions([Source("a", "a.jpg")], [], labels=PAPER10)


@pytest.fixture
def predictions():
    sources = [
        Source("plates/a", "/x/a.jpg", "drop1", "clear"),
        Source('b, "2"', "/x/b.jpg"),
        Source("bad", "/x/\udcff.jpg", "drop1"),
    ]
    return predictions_of(sources, [0.25, 0.75, BAD])


def test_a_csv_holds_all_of_it(tmp_path, predictions):
    origin = make_origin()
    write_predictions(tmp_path / "p.csv", predictions, origin=origin)
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == columns(origin)
    best, second, bad = rows
    assert best["image_id"] == 'b, "2"'
    assert (best["rank"], best["p_crystal"], best["p:large crystals"]) == ("1", "0.75", "0.75")
    assert (best["group"], best["label"], best["error"]) == ("", "", "")
    assert (second["group"], second["label"], second["predicted"]) == (
        *("drop1", "clear"),
        "bad drop",
    )
    assert second["model"] == "resnet56-0123456789abcdef"
    assert second["dataset"] == "fedcba98" * 4
    assert (second["views"], second["temperature"]) == ("8", "1.25")
    assert bad["error"] == "truncated: JPEG that does not decode"
    assert bad["uri"] == "/x/\\udcff.jpg"
    assert bad["p_crystal"] == bad["rank"] == bad["predicted"] == bad["p:clear"] == ""


def test_parquet_holds_the_same_with_its_types(tmp_path, predictions):
    origin = make_origin(temperature=None)
    write_predictions(tmp_path / "p.parquet", predictions, origin=origin)
    table = pq.read_table(tmp_path / "p.parquet")
    assert table.column_names == columns(origin)
    first, _, bad = table.to_pylist()
    assert first["p_crystal"] == 0.75
    assert first["rank"] == 1
    assert first["temperature"] is None
    assert first["p:bad drop"] == 0.25
    assert bad["rank"] is bad["p:clear"] is bad["predicted"] is None
    assert sum(first[column] for column in columns(origin) if column.startswith("p:")) == 1


@pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
def test_a_table_of_nothing_has_its_columns(tmp_path, name):
    write_predictions(tmp_path / name, [], origin=make_origin())
    assert (tmp_path / name).stat().st_size > 100
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_places_to_write_are_checked_first(tmp_path):
    with pytest.raises(UsageError, match=r"ends in \.csv or \.parquet"):
        check_table_path(tmp_path / "p.xlsx")
    with pytest.raises(UsageError, match="there is none; make it first"):
        check_table_path(tmp_path / "absent" / "p.csv")
    (tmp_path / "page.html").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        check_folder(tmp_path / "page.html")
