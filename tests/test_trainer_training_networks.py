"""All eight networks through a training, and one network on two devices."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.builds import ROOT, environment
from tests.trainer_runs import SHORT, make_request, run_training
from trainer.dataset import open_dataset
from trainer.run_folder import RunFolder
from trainer.training.device import Wanted, open_device, quiet

pytestmark = pytest.mark.slow
WIDTHS = {"alexnet": 0.0625, "vgg16": 0.0625, "vgg19": 0.0625, "inception_v3": 0.125}


# One of each family; `test_trainer_eight.py` trains and resumes all eight by the commands.
@pytest.mark.parametrize("name", ["crystalnet", "alexnet", "vgg16", "inception_v3", "resnet32"])
def test_a_network_trains_and_comes_back_as_it_was(built, tmp_path, name):
    """One epoch, then all that a resume reads and all that others read of the run."""
    version = built / "1.0.0"
    recipe = dataclasses.replace(SHORT, epochs=1, batch_size=32)
    request = make_request(
        version, tmp_path / "run", recipe, arch=name, width=WIDTHS.get(name, 0.125)
    )
    state, _ = run_training(request)
    run = RunFolder.open(request.out)
    assert state.finished
    assert np.isfinite(state.history[0]["validation_loss"])
    quiet()
    from trainer.training.checkpoint import restore
    from trainer.training.learner import Learner

    learner = Learner(run.config, device=open_device(Wanted()), steps_per_epoch=3)
    first = [weight.numpy() for weight in learner.network.trainable_weights]
    restore(run, learner, state)
    moved = [
        not np.array_equal(before, weight.numpy())
        for before, weight in zip(first, learner.network.trainable_weights, strict=True)
    ]
    assert all(moved), "a weight that nothing has trained"
    assert int(learner.optimizer.iterations) == -(-_records(version) // 32)
    network = run.load_model()
    for found, wanted in zip(network.weights, learner.network.weights, strict=True):
        np.testing.assert_array_equal(found.numpy(), wanted.numpy())


def _records(version: Path) -> int:
    return sum(shard.records for shard in open_dataset(version).shards("train"))


def test_two_devices_take_the_steps_of_one():
    """Bounded gradients, decay, smoothing, flips, running mean, and a batch that parts unevenly."""
    command = [sys.executable, "-m", "tests.trainer_two_devices"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment(), cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    for name, values in found["1"].items():
        assert found["2"][name] == pytest.approx(values, rel=1e-4), name
    losses = found["1"]["losses"]
    assert losses[-1] < losses[0]


# Batch normalization looks at the whole batch: in float64 the first step's gradients on two
# devices are those on one to 1e-7. In float32, Keras' way to add up over devices (the mean of
# squares less the square of the mean) rounds more in each of 31 layers, and small differences
# grow from step to step: two curves are so far apart at most, relative to the loss.
TOLERANCE = 0.01
CURVE = (
    *("--arch", "resnet32", "--width", "0.125", "--epochs", "2", "--batch-size", "16"),
    *("--learning-rate", "0.003"),
)


def test_two_devices_give_the_curve_of_one(built, tmp_path):
    losses = {}
    for devices in (1, 2):
        out = tmp_path / f"on{devices}"
        command = [sys.executable, "-m", "trainer", "train", "--data", str(built / "1.0.0")]
        subprocess.run(
            [*command, *CURVE, "--out", str(out), "--logical-cpus", str(devices)],
            check=True,
            env=environment(),
            stdout=subprocess.DEVNULL,
        )
        run = RunFolder.open(out)
        assert run.environment["replicas"] == devices
        losses[devices] = [entry["loss"] for entry in run.state.history]
    assert losses[2] == pytest.approx(losses[1], rel=TOLERANCE)
