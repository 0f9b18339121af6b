"""Training of a run: to its end, from where it stopped, and what it refuses."""

import dataclasses
import hashlib
import json
import os
import resource
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.trainer_runs import EVERYTHING, SHORT, lasting, make_request, run_training
from trainer.cli import main
from trainer.dataset import open_dataset
from trainer.errors import DataError, DivergedError, StoppedError, TemporaryError, UsageError
from trainer.run_folder import CONFIG_FILE, STATE_FILE, RunFolder
from trainer.training.device import quiet


@pytest.fixture(scope="module")
def version(built) -> Path:
    return built / "1.0.0"


@pytest.fixture(scope="module")
def whole(version, tmp_path_factory):
    """A training that nothing stopped: its folder, its state and what it told."""
    out = tmp_path_factory.mktemp("whole") / "run"
    return out, *run_training(make_request(version, out, EVERYTHING))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_run_is_trained_to_its_end(whole):
    out, state, told = whole
    assert state == RunFolder.open(out).state
    assert (state.epoch, state.finished) == (4, True)
    assert [entry["epoch"] for entry in state.history] == [1, 2, 3, 4]
    assert len(state.seconds) == 4
    best = [entry["validation_accuracy"] for entry in state.history]
    assert state.best == max(best) == best[state.best_epoch - 1]
    assert told.events()[0]["event"] == "start"
    assert len(told.events("epoch")) == 4
    assert told.events("finished")[0]["trained"]


def test_what_it_leaves_is_what_its_state_names(whole):
    out, state, _ = whole
    names = {path.name for path in out.iterdir() if not path.name.startswith(".")}
    files = {name for name, _ in state.files.values()}
    assert names == {CONFIG_FILE, STATE_FILE, "environment.json", "tensorboard", *files}
    for name, wanted in state.files.values():
        assert digest(out / name) == wanted
    assert RunFolder.open(out).best_weights == out / state.files["best"][0]


def test_the_best_weights_give_the_accuracy_of_their_epoch(whole, version):
    """With the recipe's running mean, as it was validated."""
    out, state, _ = whole
    run = RunFolder.open(out)
    quiet()
    from trainer.input import open_split

    network = run.load_model()
    reader = open_split(open_dataset(version), "validation")
    right, loss = 0, 0.0
    for batch in reader.in_order(batch_size=16).as_numpy_iterator():
        logits = network.predict_on_batch(batch["image"]).astype(np.float64)
        right += (logits.argmax(1) == batch["label"]).sum()
        likely = logits[np.arange(len(logits)), batch["label"]]
        loss += (np.log(np.exp(logits).sum(1)) - likely).sum()
    entry = state.history[state.best_epoch - 1]
    assert right / reader.records == entry["validation_accuracy"] == state.best
    assert loss / reader.records == pytest.approx(entry["validation_loss"], rel=1e-5)


def test_where_a_run_ran_is_kept_and_nothing_private(whole):
    out, *_ = whole
    (session,) = RunFolder.open(out).sessions
    assert session["from_epoch"] == 0
    assert session["replicas"] == 1
    assert {"crystal-plates", "tensorflow", "keras", "numpy"} == set(session["versions"])
    assert os.uname().nodename not in json.dumps(session)


def test_tensorboard_reads_the_curves(whole):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

    out, state, _ = whole
    for part, names in (
        ("train", ("loss", "accuracy", "learning_rate")),
        ("validation", ("loss",)),
    ):
        events = EventAccumulator(str(out / "tensorboard" / part)).Reload()
        for name in names:
            field = name if part == "train" else f"validation_{name}"
            found = {
                event.step: float(tensor_util.make_ndarray(event.tensor_proto))
                for event in events.Tensors(name)
            }
            wanted = {entry["epoch"]: pytest.approx(entry[field]) for entry in state.history}
            assert found == wanted


@pytest.mark.parametrize("after", [1, 3])
def test_a_stopped_run_goes_on_to_the_same_bits(whole, version, tmp_path, after):
    request = make_request(version, tmp_path / "run", EVERYTHING)
    with pytest.raises(StoppedError, match=f"epoch {after} is saved; the same command") as stopped:
        run_training(request, stop_after=after)
    assert stopped.value.exit_code == 143
    assert RunFolder.open(request.out).state.epoch == after
    state, told = run_training(request)
    assert told.events("start")[0]["from_epoch"] == after
    assert lasting(state) == lasting(whole[1])
    assert [s["from_epoch"] for s in RunFolder.open(request.out).sessions] == [0, after]


def test_what_a_killed_process_left_behind_is_swept_away(whole, version, tmp_path):
    """Checkpoints of an epoch that no state names, and files that were being written."""
    request = make_request(version, tmp_path / "run", EVERYTHING)
    with pytest.raises(StoppedError):
        run_training(request, stop_after=2)
    for name in ("last-0003.npz", "best-0003.weights.h5", "incomplete.0.last-0003.npz"):
        (request.out / name).write_bytes(b"half")
    state, _ = run_training(request)
    assert lasting(state) == lasting(whole[1])
    assert not list(request.out.glob("*0003*"))


def test_a_finished_run_is_left_alone(whole, version):
    out, state, _ = whole
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    again, told = run_training(make_request(version, out, EVERYTHING))
    assert again == state
    (event,) = told.events()
    assert (event["event"], event["trained"]) == ("finished", False)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_another_config_is_refused_at_once(whole, version):
    out, *_ = whole
    other = dataclasses.replace(EVERYTHING, epochs=9)
    with pytest.raises(UsageError, match=r"recipe\.epochs 4, not 9; give the same flags"):
        run_training(make_request(version, out, other, seed=0))


def test_a_damaged_checkpoint_is_refused(version, tmp_path):
    request = make_request(version, tmp_path / "run")
    with pytest.raises(StoppedError):
        run_training(request, stop_after=1)
    path = request.out / "last-0001.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"last-0001\.npz cannot be used: its SHA-256 is"):
        run_training(request)


def test_a_loss_that_is_no_number_ends_with_70_and_keeps_what_was_saved(version, tmp_path):
    wild = dataclasses.replace(SHORT, learning_rate=1e30, clip_norm=0.0)
    with pytest.raises(DivergedError, match="no epoch is finished yet") as diverged:
        run_training(make_request(version, tmp_path / "run", wild))
    assert diverged.value.exit_code == 70
    assert RunFolder.open(tmp_path / "run").state.epoch == 0


def test_a_network_that_does_not_learn_is_called_out(version, tmp_path):
    still = dataclasses.replace(SHORT, learning_rate=1e-9, init="gaussian:0.0001")
    _, told = run_training(make_request(version, tmp_path / "run", still))
    (event,) = told.events("not_learning")
    assert event["epoch"] == 1
    assert event["loss"] == pytest.approx(event["chance"], abs=0.01)


def test_a_full_disk_ends_with_75_and_keeps_the_earlier_checkpoint(version, tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    size = 5_000_000  # room for one checkpoint and its best weights, not for the next
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a small disk")
    try:
        request = make_request(version, place / "run")
        with pytest.raises(TemporaryError, match="epoch 1 is kept whole: make room") as full:
            run_training(request)
        assert full.value.exit_code == 75
        state = RunFolder.open(request.out).state
        assert state.epoch == 1
        for name, wanted in state.files.values():
            assert digest(request.out / name) == wanted
        subprocess.run([*mount[:4], "remount,size=64m", "none", str(place)], check=True)
        assert run_training(request)[0].finished
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("write", ["save_last", "save_best"])
def test_a_write_that_finds_no_room_leaves_nothing(version, tmp_path, write):
    """As where another process takes the room in the meantime, or a quota does."""
    from trainer.training import checkpoint
    from trainer.training.device import Wanted, open_device

    quiet()
    from trainer.training.learner import Learner

    config = make_request(version, tmp_path / "run").config(open_dataset(version))
    run = RunFolder.start(tmp_path / "run", config)
    learner = Learner(config, device=open_device(Wanted()), steps_per_epoch=1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, before[1]))
    try:
        with pytest.raises(TemporaryError, match="make room"):
            getattr(checkpoint, write)(run, learner, epoch=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in run.folder.iterdir()] == [CONFIG_FILE]
    name, wanted = getattr(checkpoint, write)(run, learner, epoch=1)
    assert digest(run.folder / name) == wanted


def test_a_damaged_shard_stops_a_training_with_its_name(workshop, tmp_path):
    version = workshop.out / "1.0.0"
    shard = next(path for path in sorted(version.glob("*-train.*")) if path.stat().st_size)
    content = bytearray(shard.read_bytes())
    content[5000] ^= 1
    shard.unlink()  # it is a link to the pool's
    shard.write_bytes(content)
    with pytest.raises(DataError, match=shard.name) as damaged:
        run_training(make_request(version, tmp_path / "run"))
    assert damaged.value.exit_code == 65


@pytest.mark.parametrize(
    ("flags", "ends"),
    [
        (["--arch", "vgg61"], (2, "unknown network 'vgg61'")),
        (["--arch", "vgg16", "--epochs", "0"], (2, "epochs must be 1 or more")),
        (["--arch", "vgg16", "--seed", "-1"], (2, "seed must be 0 to")),
        (["--arch", "vgg16", "--data", "/nowhere"], (65, "wanted a finished version")),
    ],
)
def test_what_cannot_be_trained_ends_with_one_line(version, tmp_path, capsys, flags, ends):
    code, message = ends
    given = ["train", "--data", str(version), "--out", str(tmp_path / "run"), *flags]
    assert main(given) == code
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ")
    assert message in error
    assert "\n" not in error
    assert not (tmp_path / "run").exists()


def test_a_cluster_is_refused_before_anything_is_written(version, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:1"]}}')
    given = ["train", "--data", str(version), "--arch", "lcn", "--out", str(tmp_path / "run")]
    assert main(given) == 2
    assert "TF_CONFIG names 2" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_where_to_train_comes_from_the_environment_unless_it_is_said(
    whole, version, capsys, monkeypatch
):
    out, *_ = whole
    monkeypatch.delenv("AIP_MODEL_DIR", raising=False)
    given = ["train", "--data", str(version), "--arch", "crystalnet"]
    assert main(given) == 2
    assert "give --out (or set AIP_MODEL_DIR)" in capsys.readouterr().err
    monkeypatch.setenv("AIP_MODEL_DIR", str(out))
    assert main(given) == 2  # it has another config, and so was found
    assert f"{out} is a run of another config" in capsys.readouterr().err


def test_a_sweep_goes_into_folders_of_the_networks_names(whole, version, tmp_path, monkeypatch):
    """The index names CrystalNet; its run there is finished already."""
    shutil.copytree(whole[0], tmp_path / "sweep" / "crystalnet")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
    flags = ["--width", "0.125", "--recipe", "modern", "--no-mixed-precision", "--epochs", "4"]
    more = ["--batch-size", "16", "--warmup-epochs", "1", "--ema", "0.9", "--events", "json"]
    given = ["train", "--data", str(version), "--arch", "all", "--out", str(tmp_path / "sweep")]
    assert main([*given, *flags, *more]) == 0
    assert [path.name for path in (tmp_path / "sweep").iterdir()] == ["crystalnet"]
