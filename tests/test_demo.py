"""The drawn plates: whole files, honest counts, and no label that gives itself away."""

import csv
import re
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.demo.chance import Chance
from pipeline.demo.contents import paint_contents
from pipeline.demo.courses import count_labels, drop_name, plan_inspections
from pipeline.demo.crystals import CLEAR
from pipeline.demo.optics import encode_jpeg
from pipeline.demo.plates import draw_plate, write_demo
from pipeline.demo.scene import HEIGHT, WIDTH, find_drop, find_well
from schemas.labels import PAPER10

IMAGES = 24


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    return write_demo(tmp_path_factory.mktemp("demo") / "new", images=IMAGES, workers=1).parent


def read_manifest(folder: Path) -> list[dict[str, str]]:
    with (folder / "plates.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@given(st.integers(20, 600_000))
def test_counts_are_the_papers(images):
    counts = count_labels(images)
    assert tuple(counts) == PAPER10.names
    assert sum(counts.values()) == images
    assert min(counts.values()) >= (2 if images >= 100 else 1)
    crystals = [counts[name] for name in PAPER10.names if name in PAPER10.crystal_names]
    if images >= 106:
        assert sum(crystals) == round(0.09 * images)
    if images >= 400:
        assert len(set(crystals)) == 5
        assert max(counts.values()) / images == pytest.approx(0.278, abs=0.003)


def test_too_few_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"20 images or more.*got 19"):
        write_demo(tmp_path / "new", images=19)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("images", [20, 55, 100, 3000])
def test_plan_keeps_the_counts_and_names_are_unique(images):
    plan = plan_inspections(images, 3)
    assert plan == plan_inspections(images, 3)
    for name, count in count_labels(images).items():
        assert sum(inspection.label == name for inspection in plan) == count
    assert len({(drop_name(3, i.number), i.time) for i in plan}) == images
    numbers = {inspection.number for inspection in plan}
    assert len({drop_name(3, number) for number in numbers}) == len(numbers)


def test_a_third_of_the_images_is_of_drops_seen_several_times():
    times, labels = defaultdict(list), defaultdict(list)
    for inspection in plan_inspections(3000, 0):
        times[inspection.number].append(inspection.time)
        labels[inspection.number].append(inspection.label)
    several = [number for number in times if len(times[number]) > 1]
    assert sum(len(times[number]) for number in several) == pytest.approx(1000, abs=4)
    assert all(times[number] == sorted(set(times[number])) for number in several)
    assert any(len(set(labels[number])) > 1 for number in several)
    sizes = ["micro crystals", "small crystals", "medium crystals", "large crystals"]
    for number in several:  # crystals stay, and none shrink
        crystal = [label in PAPER10.crystal_names for label in labels[number]]
        assert crystal == sorted(crystal)
        grown = [sizes.index(label) for label in labels[number] if label in sizes]
        assert grown == sorted(grown)


def test_manifest_and_files(demo):
    rows = read_manifest(demo)
    assert list(rows[0]) == ["uri", "label", "image_id", "group", "origin"]
    assert {row["origin"] for row in rows} == {"drawn"}  # they must not pass for micrographs
    assert {row["label"] for row in rows} == set(PAPER10.names)
    assert set(contents(demo)) == {"plates.csv", "corrections.csv"} | {row["uri"] for row in rows}
    assert len({row["image_id"] for row in rows}) == IMAGES
    for row in rows:
        assert re.fullmatch(r"[0-9a-z]{4}_(0[1-9]|1[0-2])[A-H]_[12]", row["group"])
        assert re.fullmatch(re.escape(row["group"]) + r"_t\d+", row["image_id"])
        assert row["uri"] == f"plates/{row['group'][:4]}/{row['image_id']}.jpg"


def test_corrections_change_labels_of_some_images(tmp_path):
    write_demo(tmp_path / "demo", images=30, seed=0)
    labels = {row["image_id"]: row["label"] for row in read_manifest(tmp_path / "demo")}
    with (tmp_path / "demo" / "corrections.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert 0 < len(rows) <= 20
    for row in rows:
        assert row["label"] in PAPER10.names
        assert labels[row["image_id"]] != row["label"]


def test_files_are_jpegs_of_the_usual_size(demo):
    for row in read_manifest(demo):
        data = (demo / row["uri"]).read_bytes()
        assert data.startswith(b"\xff\xd8\xff")
        assert 80_000 <= len(data) <= 200_000
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        assert image.shape == (960, 1280, 3)


def test_bytes_do_not_depend_on_workers(demo, tmp_path):
    done = []
    write_demo(tmp_path / "new", images=IMAGES, workers=2, on_image=done.append)
    assert done == list(range(1, IMAGES + 1))
    assert contents(tmp_path / "new") == contents(demo)


def test_folder_in_use_is_refused(demo, tmp_path):
    before = contents(demo)
    with pytest.raises(ValueError, match="holds something"):
        write_demo(demo, images=IMAGES)
    assert contents(demo) == before
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds something"):
        write_demo(tmp_path, images=IMAGES)
    assert set(contents(tmp_path)) == {"notes.txt"}


def test_a_plate_depends_on_its_arguments_alone():
    plate = draw_plate(1, 7, label="small crystals")
    assert plate.shape == (960, 1280, 3)
    assert plate.dtype == np.uint8
    np.testing.assert_array_equal(plate, draw_plate(1, 7, label="Small_Crystal"))
    for other in (
        draw_plate(2, 7, label="small crystals"),
        draw_plate(1, 8, label="small crystals"),
        draw_plate(1, 7, label="small crystals", time=2),
        draw_plate(1, 7, label="clear"),
    ):
        assert np.abs(plate.astype(int) - other).mean() > 0.5


def test_unknown_label_is_refused():
    with pytest.raises(ValueError, match="got 'wet'"):
        draw_plate(0, 0, label="wet")


def painted(label: str, number: int, growth: float) -> np.ndarray:
    """Returns where a drop's contents differ from nothing, bool [HEIGHT, WIDTH]."""
    drop = Chance(0, ("drop", number))
    edge = find_drop(drop, find_well(Chance(0, ("kit",)), drop, (0.0, 0.0)))
    layer = np.full((HEIGHT, WIDTH), CLEAR, np.uint8)
    paint_contents(layer, label, drop, edge, growth=growth)
    return layer != CLEAR


@pytest.mark.parametrize("label", ["small crystals", "medium crystals", "large crystals"])
def test_crystals_of_a_drop_grow_where_they_are(label):
    for number in range(5):
        before, after = painted(label, number, 0.9), painted(label, number, 1.1)
        assert after.sum() > 1.1 * before.sum()
        assert (before & after).sum() > 0.9 * before.sum()


def balanced_accuracy(features: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean recall of a nearest-centroid classifier, two-fold cross-validated."""
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    fold = np.zeros(len(labels), int)
    for label in set(labels):
        fold[labels == label] = np.arange((labels == label).sum()) % 2
    names = sorted(set(labels))
    right = []
    for part in (0, 1):
        centroids = np.array(
            [scaled[(fold != part) & (labels == name)].mean(axis=0) for name in names]
        )
        distance = np.square(scaled[:, None] - centroids).sum(axis=2)
        found = np.array(names)[distance.argmin(axis=1)]
        right += [(found == labels)[(fold == part) & (labels == name)].mean() for name in names]
    return float(np.mean(right))


def test_neither_place_nor_size_of_the_drop_tells_the_label():
    features, labels = [], []
    for inspection in plan_inspections(2000, 0):
        drop = Chance(0, ("demo drop", drop_name(0, inspection.number)))
        edge = find_drop(drop, find_well(Chance(0, ("kit",)), drop, (0.0, 0.0)))
        features.append([*edge.centre, edge.radius.mean(), inspection.number])
        labels.append(inspection.label)
    table, truth = np.array(features), np.array(labels)
    for columns in (table, *table.T[:, :, None]):  # all together, and each alone
        assert balanced_accuracy(columns, truth) < 0.16  # chance: 0.10


@pytest.mark.slow
def test_light_colour_and_file_size_do_not_tell_the_label():
    features, labels = [], []
    for place in range(240):
        label = PAPER10.names[place % 10]
        plate = draw_plate(0, 11 * place, label=label, time=1 + place // 10 % 4)
        size = len(encode_jpeg(plate, Chance(0, ("file", place))))
        coarse = cv2.resize(plate, (8, 6), interpolation=cv2.INTER_AREA).astype(float)
        features.append([*plate.mean(axis=(0, 1)), coarse.std(), size])
        labels.append(label)
    table, truth = np.array(features), np.array(labels)
    for columns in (table, *table.T[:, :, None]):  # all together, and each alone
        assert balanced_accuracy(columns, truth) < 0.18  # chance: 0.10, deviation 0.02


@pytest.mark.parametrize("label", [name for name in PAPER10.names if name != "clear"])
def test_contents_survive_the_way_to_a_record(label):
    for number in (2, 3):
        records = []
        for name in (label, "clear"):  # the same drop, light and noise
            grey = cv2.cvtColor(draw_plate(1, number, label=name), cv2.COLOR_RGB2GRAY)
            small = cv2.resize(grey[:, 160:1120], (128, 128), interpolation=cv2.INTER_AREA)
            records.append(small / small.mean())
        difference = np.abs(records[0] - records[1])
        assert (difference > 0.08).sum() >= 15  # of 16,384 pixels, as a share of the mean
