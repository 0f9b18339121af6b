"""What a network is given: the very pixels of the records (P10), rendered ahead of it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.augment import sample_augmentation
from pipeline.decode import decode_plate
from pipeline.render import render
from schemas.recipe import FILLS, AugmentConfig, BalanceConfig, Recipe, RenderConfig
from tests.builds import (
    RECIPE,
    ROOT,
    assert_gone,
    build_quietly,
    catalog,
    descendants,
    records,
    wait_until,
)
from tests.plates import draw_plate
from trainer.dataset import open_dataset
from trainer.errors import TrainerError
from trainer.predict.ahead import Failure, RenderAhead, RenderTask
from trainer.predict.sources import find_sources
from trainer.predict.views import render_views, view_augmentations, views_of

BLACK = RenderConfig()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Three good plates, an empty file, one cut short, and one that is no image."""
    folder = tmp_path_factory.mktemp("images")
    for number in range(3):
        draw_plate(folder / f"{number}.jpg", number)
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "short.jpg").write_bytes((folder / "0.jpg").read_bytes()[:900])
    (folder / "text.jpg").write_text("no image\n")
    return folder


def test_an_image_is_given_as_a_record_with_its_augmentation_is_stored(plates, tmp_path):
    """P10, from the file to the network's doorstep, where records are neither turned nor flipped.

    With both flips always made, they are what the view turned by 180 degrees shows.
    """
    for flips, views, view in ((0.0, 1, 0), (1.0, 4, 2)):
        recipe = Recipe(
            balance=BalanceConfig("none"),
            augment=AugmentConfig(max_rotation=0, flip_probability=flips),
            render=RenderConfig("reflect"),
        )
        build_quietly(plates, tmp_path / str(flips), recipe)
        version = open_dataset(tmp_path / str(flips) / "1.0.0")
        stored = {record.image_id: record.image for record in records(version.folder)}
        sources = find_sources([str(plates)], labels=version.labels)
        task = RenderTask(views, version.render)
        with RenderAhead([source.uri for source in sources], task, processes=2) as ahead:
            given = {
                source.image_id: rendered[view].tobytes()
                for source, rendered in zip(sources, ahead, strict=True)
            }
        assert given == stored
        assert len(given) == 34


def test_turned_records_are_what_prediction_renders_with_their_augmentation(plates, built):
    """P10, for every record of a dataset, at any angle."""
    version = open_dataset(built / "1.0.0")
    uris = {row.image_id: plates.parent / row.uri for row in catalog(version.folder).values()}
    for record in records(version.folder):
        augmentation = sample_augmentation(
            RECIPE.seed, record.image_id, variant=record.variant, config=RECIPE.augment
        )
        plate = decode_plate(uris[record.image_id].read_bytes())
        assert render(plate, augmentation, version.render).tobytes() == record.image


@settings(max_examples=25)
@given(
    count=st.integers(1, 24).map(lambda half: 2 * half) | st.just(1),
    fill=st.sampled_from(FILLS),
    number=st.integers(0, 50),
)
def test_views_are_what_render_gives_for_each(tmp_path_factory, count, fill, number):
    path = tmp_path_factory.mktemp("view") / "plate.png"
    draw_plate(path, number)
    plate, config = decode_plate(path.read_bytes()), RenderConfig(fill)
    views = render_views(plate, count, config)
    wanted = [render(plate, augmentation, config) for augmentation in view_augmentations(count)]
    assert views.dtype == np.uint8
    assert (views == np.stack(wanted)).all()


def test_eight_views_are_the_same_however_the_plate_lies(tmp_path):
    from PIL import Image

    draw_plate(tmp_path / "plate.png", 5)
    plate = Image.open(tmp_path / "plate.png")
    sets = []
    for way in (None, Image.Transpose.ROTATE_90, Image.Transpose.FLIP_TOP_BOTTOM):
        (plate.transpose(way) if way is not None else plate).save(tmp_path / "turned.png")
        views = views_of((tmp_path / "turned.png").read_bytes(), 8, BLACK)
        sets.append(sorted(view.tobytes() for view in views))
    assert sets[0] == sets[1] == sets[2]
    assert len(set(sets[0])) == 8


@pytest.mark.parametrize("count", [0, -2, 3, 7])
def test_views_come_alone_or_in_pairs(count):
    with pytest.raises(ValueError, match="1 or an even number"):
        view_augmentations(count)


def test_images_come_in_order_and_bad_ones_with_their_reason(folder):
    names = ["2.jpg", "empty.jpg", "0.jpg", "short.jpg", "text.jpg", "absent.jpg", "1.jpg"] * 30
    task = RenderTask(2, BLACK)
    with RenderAhead([str(folder / name) for name in names], task, processes=2) as ahead:
        rendered = list(ahead)
    assert len(rendered) == len(names)
    reasons = {"empty": "empty", "short": "truncated", "text": "not-an-image", "absent": "missing"}
    for name, item in zip(names, rendered, strict=True):
        if isinstance(item, Failure):
            assert item.reason == reasons[name.removesuffix(".jpg")]
        else:
            assert (item == views_of((folder / name).read_bytes(), 2, BLACK)).all()


def test_an_image_that_takes_too_long_costs_itself_alone(folder, tmp_path):
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)  # nobody ever writes into it
    names = [str(folder / f"{number % 3}.jpg") for number in range(8)]
    names[3] = names[6] = str(pipe)
    with RenderAhead(names, RenderTask(1, BLACK, seconds=0.5), processes=2) as ahead:
        rendered = list(ahead)
    failures = [at for at, item in enumerate(rendered) if isinstance(item, Failure)]
    assert failures == [3, 6]
    assert rendered[3].reason == "crash"
    assert "more than 0.5 s" in str(rendered[3])
    for at in {*range(8)} - {3, 6}:
        assert (rendered[at] == views_of(Path(names[at]).read_bytes(), 1, BLACK)).all()


def test_nothing_of_no_images():
    with RenderAhead([], RenderTask(1, BLACK), processes=1) as ahead:
        assert list(ahead) == []


def test_workers_that_cannot_start_are_no_fault_of_the_images(folder, monkeypatch):
    monkeypatch.setattr("trainer.predict.ahead._prepare", _die)
    with (
        RenderAhead([str(folder / "0.jpg")], RenderTask(1, BLACK), processes=1) as ahead,
        pytest.raises(TrainerError, match="none can start"),
    ):
        list(ahead)


def _die() -> None:
    os._exit(3)


def test_no_process_outlives_the_one_that_waits(folder):
    code = (
        "import sys, time\n"
        "from schemas.recipe import RenderConfig\n"
        "from trainer.predict.ahead import RenderAhead, RenderTask\n"
        "if __name__ == '__main__':\n"
        "    with RenderAhead([sys.argv[1]] * 3, RenderTask(1, RenderConfig())) as ahead:\n"
        "        next(iter(ahead)); print('ready', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder / "0.jpg")], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    family = descendants(process.pid)
    assert len(family) >= 3
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert_gone([p for p in family if p.pid != process.pid])


def test_workers_load_neither_tensorflow_nor_beam(folder):
    with RenderAhead([str(folder / "0.jpg")] * 4, RenderTask(1, BLACK), processes=1) as ahead:
        rendered = iter(ahead)
        next(rendered)
        wait_until(lambda: bool(psutil.Process().children(recursive=True)), what="a worker")
        maps = {
            region.path
            for process in psutil.Process().children(recursive=True)
            for region in process.memory_maps()
        }
        list(rendered)
    assert any("cv2" in path for path in maps)
    assert not [path for path in maps if "tensorflow" in path or "apache_beam" in path]


@pytest.mark.skipif("PLATE_SAMPLES" not in os.environ, reason="PLATE_SAMPLES: real micrographs")
def test_real_micrographs_are_all_rendered():
    paths = sorted(Path(os.environ["PLATE_SAMPLES"], "plates").iterdir())
    with RenderAhead(map(str, paths), RenderTask(8, BLACK), processes=2) as ahead:
        shapes = {item.shape for item in ahead}
    assert shapes == {(8, 128, 128)}
