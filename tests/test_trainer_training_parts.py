"""The parts of a training: learning rate, flips and turns, seeds, steps, passes, signals."""

import contextlib
import dataclasses
import io
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.trainer_runs import SHORT, make_config, make_request
from trainer.errors import DivergedError, StoppedError, TemporaryError, UsageError
from trainer.networks import NETWORKS
from trainer.progress import Progress
from trainer.recipes import MODERN, PAPER
from trainer.run_folder import RunState
from trainer.training.device import Wanted, open_device, quiet, refuse_cluster
from trainer.training.lock import locked
from trainer.training.stop import Stop, watched
from trainer.training.sweep import sweep, sweep_names

quiet()
import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from trainer.training.augment import TURNS, draw_turns, turn  # noqa: E402
from trainer.training.learner import Learner, Sums  # noqa: E402
from trainer.training.optimizer import Schedule, make_optimizer  # noqa: E402
from trainer.training.passes import Place, go_through  # noqa: E402

# -- learning rate --


def rate(recipe, *, step: int, steps_per_epoch: int = 10) -> float:
    return float(Schedule(recipe, steps_per_epoch)(step))


def test_the_papers_rate_is_a_tenth_every_twenty_epochs():
    recipe = dataclasses.replace(PAPER, learning_rate=0.1)
    rates = {0: 0.1, 199: 0.1, 200: 0.01, 399: 0.01, 400: 0.001, 600: 1e-4, 699: 1e-4}
    for step, wanted in rates.items():
        assert rate(recipe, step=step) == pytest.approx(wanted, rel=1e-6)


def test_a_cosine_rises_in_a_line_and_falls_to_nothing():
    recipe = dataclasses.replace(MODERN, epochs=12, warmup_epochs=2.0, learning_rate=0.4)
    assert rate(recipe, step=0) == pytest.approx(0.4 / 20)
    assert rate(recipe, step=9) == pytest.approx(0.2)
    assert rate(recipe, step=20) == pytest.approx(0.4)
    assert rate(recipe, step=70) == pytest.approx(0.2)  # half way
    assert rate(recipe, step=45) == pytest.approx(0.2 * (1 + math.cos(math.pi / 4)))
    assert 0 < rate(recipe, step=119) < 1e-4


def test_a_rate_is_exact_after_many_steps():
    """70 epochs of a million records: float32 does not count so far."""
    recipe = dataclasses.replace(MODERN, learning_rate=1.0)
    steps = 20_000_001
    wanted = 0.5 * (1 + math.cos(math.pi * (40 + 0.25 - 3) / 67))
    found = rate(recipe, step=40 * steps + steps // 4, steps_per_epoch=steps)
    assert found == pytest.approx(wanted, rel=1e-5)


def test_adamw_leaves_offsets_and_scales_their_size():
    recipe = dataclasses.replace(MODERN, learning_rate=0.1, weight_decay=0.5, warmup_epochs=0)
    optimizer = make_optimizer(recipe, Schedule(recipe, 10))
    names = ("kernel", "bias", "gamma", "beta")
    variables = [keras.Variable([1.0], name=name) for name in names]
    optimizer.build(variables)
    optimizer.apply([tf.zeros([1])] * len(names), variables)
    found = {name: float(v.numpy()[0]) for name, v in zip(names, variables, strict=True)}
    assert found == pytest.approx({"kernel": 0.95, "bias": 1.0, "gamma": 1.0, "beta": 1.0})


# -- flips and turns --


def test_eight_turns_are_the_eight_of_a_square():
    image = np.arange(25, dtype=np.uint8).reshape(5, 5)
    batch = np.repeat(image[None, :, :, None], TURNS, axis=0)
    turned = turn(tf.constant(batch), tf.range(TURNS)).numpy()[..., 0]
    wanted = {np.rot90(way, k).tobytes() for way in (image, image.T) for k in range(4)}
    assert {found.tobytes() for found in turned} == wanted
    assert turned.dtype == np.uint8
    assert (turned[0] == image).all()


def test_turns_are_drawn_evenly_and_anew_at_each_step():
    one, again, other_step, other_seed = (
        draw_turns(4096, seed=seed, step=tf.constant(step)).numpy()
        for seed, step in ((3, 5), (3, 5), (3, 6), (4, 5))
    )
    assert (one == again).all()
    assert (one != other_step).mean() > 0.8
    assert (one != other_seed).mean() > 0.8
    assert np.bincount(one, minlength=TURNS).min() > 4096 / TURNS * 0.8


# -- a learner --


@pytest.fixture(scope="module")
def device():
    return open_device(Wanted())


def make_learner(device, recipe=SHORT, **changes) -> Learner:
    config = make_config(recipe, side=32, **changes)
    return Learner(config, device=device, steps_per_epoch=4)


def batches(sizes, *, side: int = 32, seed: int = 0) -> tf.data.Dataset:
    """Gives batches of noise, each image of a label."""

    def each():
        generator = np.random.Generator(np.random.PCG64(seed))
        for size in sizes:
            labels = generator.integers(0, 10, size, dtype=np.int32)
            yield generator.integers(0, 256, (size, side, side, 1), dtype=np.uint8), labels

    image = tf.TensorSpec([None, side, side, 1], tf.uint8)
    return tf.data.Dataset.from_generator(
        each, output_signature=(image, tf.TensorSpec([None], tf.int32))
    )


def values(learner: Learner) -> dict[str, np.ndarray]:
    return {name: variable.numpy() for name, variable in learner.variables().items()}


def assert_equal(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


def test_a_step_is_keras_own(device):
    """The same loss, and the same weights after it, as `Model.train_on_batch` gives."""
    plain = dataclasses.replace(SHORT, clip_norm=0.0)
    learner = make_learner(device, plain)
    learner.begin_epoch(0)
    reference = make_learner(device, plain)
    reference.begin_epoch(0)
    reference.network.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    losses = [reference.network.train_on_batch(*batch) for batch in batches([8, 8, 5])]
    feed = learner.feed(batches([8, 8, 5]))
    sums = Sums()
    for loss in losses:
        before = sums
        sums = learner.train(feed, 1, so_far=sums)
        ours = (sums.loss - before.loss) / (sums.records - before.records)
        assert ours == pytest.approx(float(loss), rel=1e-4)
    assert sums.records == 21
    for ours, theirs in zip(learner.network.weights, reference.network.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-3, atol=1e-5)


def test_how_many_steps_a_call_takes_changes_no_bit(device):
    found = []
    for counts in ((1, 1, 1, 1), (4,), (3, 1)):
        learner = make_learner(device, dataclasses.replace(SHORT, augment=True, ema=0.9))
        learner.begin_epoch(0)
        feed, sums = learner.feed(batches([8, 8, 8, 5])), Sums()
        for count in counts:
            sums = learner.train(feed, count, so_far=sums)
        found.append((sums, values(learner)))
    for sums, variables in found[1:]:
        assert sums == found[0][0]
        assert_equal(variables, found[0][1])


def test_what_layers_draw_depends_on_seed_and_epoch_alone(device):
    def seeds(learner: Learner) -> list[list[int]]:
        variables = learner.network.variables
        return [v.numpy().tolist() for v in variables if v.path.endswith("seed_generator_state")]

    learner = make_learner(device)
    learner.begin_epoch(3)
    once = seeds(learner)
    learner.train(learner.feed(batches([8])), 1, so_far=Sums())
    assert seeds(learner) != once
    learner.begin_epoch(4)
    assert seeds(learner) != once
    learner.begin_epoch(3)
    assert seeds(learner) == once
    assert len({str(seed) for seed in once}) == len(once) == 2  # two layers of dropout
    other = make_learner(device, seed=1)
    other.begin_epoch(3)
    assert seeds(other) != once


def test_gradients_are_bounded(device):
    bounded = make_learner(device, dataclasses.replace(SHORT, clip_norm=1e-3, learning_rate=1.0))
    before = values(bounded)
    bounded.train(bounded.feed(batches([8])), 1, so_far=Sums())
    moved = [
        value - before[name] for name, value in values(bounded).items() if name.startswith("weight")
    ]
    assert math.sqrt(sum(float((m**2).sum()) for m in moved)) == pytest.approx(1e-3, rel=1e-3)


def test_the_running_mean_follows_the_weights(device):
    learner = make_learner(device, dataclasses.replace(SHORT, ema=0.5, learning_rate=0.5))
    first, feed = learner.network.get_weights(), learner.feed(batches([8] * 3))
    mean = first
    for step in range(1, 4):
        learner.train(feed, 1, so_far=Sums())
        keep = min(0.5, (1 + step) / (10 + step))
        now = learner.network.get_weights()
        mean = [keep * m + (1 - keep) * w for m, w in zip(mean, now, strict=True)]
    with learner.averaged():
        for found, wanted in zip(learner.network.get_weights(), mean, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)
    for found, wanted in zip(learner.network.get_weights(), now, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_smoothing_and_decay_change_what_is_learnt_and_not_what_is_told(device):
    told, weights = [], []
    for change in ({}, {"label_smoothing": 0.3}, {"weight_decay": 1.0}):
        learner = make_learner(device, dataclasses.replace(SHORT, clip_norm=0.0, **change))
        learner.begin_epoch(0)
        told.append(learner.train(learner.feed(batches([8])), 1, so_far=Sums()).loss)
        weights.append(np.concatenate([w.ravel() for w in learner.network.get_weights()]))
    assert told[0] == told[1] == told[2]
    assert not np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_validation_changes_nothing_but_its_sums(device):
    learner = make_learner(device)
    before = values(learner)
    sums = learner.guess(learner.feed(batches([8, 3])), 2, so_far=Sums())
    assert_equal(values(learner), before)
    losses, right = 0.0, 0
    for images, labels in batches([8, 3]):
        logits = learner.network(images, training=False).numpy().astype(np.float64)
        losses += (np.log(np.exp(logits).sum(1)) - logits[np.arange(len(logits)), labels]).sum()
        right += int((logits.argmax(1) == labels.numpy()).sum())
    assert sums.loss == pytest.approx(losses, rel=1e-5)
    assert (sums.correct, sums.records) == (right, 11)


def test_half_precision_keeps_weights_whole(device):
    learner = make_learner(device, dataclasses.replace(SHORT, mixed_precision=True))
    assert {str(v.dtype) for v in learner.network.trainable_variables} == {"float32"}
    assert learner.network.layers[-2].compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"  # of the next network
    assert math.isfinite(learner.train(learner.feed(batches([8])), 1, so_far=Sums()).loss)


@pytest.mark.slow
def test_a_step_compiles(device):
    """XLA's step takes the same step, but for rounding."""
    found = []
    for xla in (False, True):
        learner = make_learner(device, dataclasses.replace(SHORT, augment=True), xla=xla)
        for layer in learner.network.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0  # XLA has a generator of its own
        feed = learner.feed(batches([8, 8]))
        found.append(learner.train(feed, 2, so_far=Sums()).loss)
    assert found[1] == pytest.approx(found[0], rel=1e-3)


# -- passes, signals, progress --

PLACE = Place("epoch 2 of 3", "epoch 1 is saved")


class Steps:
    """Counts the steps that it is asked for; the loss breaks or the process is stopped at one."""

    def __init__(self, *, stop: Stop | None = None, at: int = -1, broken: float = math.nan):
        self.taken, self.calls = 0, 0
        self._stop, self._at, self._broken = stop, at, broken

    def __call__(self, count: int, so_far: Sums) -> Sums:
        self.taken, self.calls = self.taken + count, self.calls + 1
        reached = 0 <= self._at <= self.taken
        if reached and self._stop is not None:
            self._stop.tell(signal.SIGUSR1)
        loss = self._broken if reached and self._stop is None else 1.0
        return Sums(so_far.loss + loss, so_far.correct, so_far.records + count)


def through(steps: Steps, count: int, stop: Stop) -> Sums:
    progress = Progress("epoch", count)
    return go_through(steps, count, place=PLACE, progress=progress, stop=stop)


def test_a_pass_takes_exactly_its_steps_in_few_calls():
    steps = Steps()
    assert through(steps, 1000, Stop()).records == steps.taken == 1000
    assert steps.calls < 40


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_a_pass(broken):
    steps = Steps(at=500, broken=broken)
    with pytest.raises(DivergedError, match=r"epoch 2 of 3, step \d+: .*epoch 1 is saved") as ended:
        through(steps, 1000, Stop())
    assert steps.taken < 600
    assert ended.value.exit_code == 70


def test_a_signal_ends_a_pass():
    stop = Stop()
    steps = Steps(stop=stop, at=500)
    with pytest.raises(StoppedError, match="stopped by SIGUSR1 in epoch 2 of 3; epoch 1") as ended:
        through(steps, 1000, stop)
    assert steps.taken < 600
    assert ended.value.exit_code == 143


def test_both_signals_are_noted_and_handlers_put_back():
    earlier = signal.getsignal(signal.SIGTERM)
    for number in (signal.SIGTERM, signal.SIGUSR1):
        with watched() as stop:
            assert not stop
            os.kill(os.getpid(), number)
            assert stop.name == signal.Signals(number).name
    assert signal.getsignal(signal.SIGTERM) is earlier


def test_one_training_at_a_time_in_a_folder(tmp_path):
    code = (
        "import sys; from pathlib import Path; from trainer.training.lock import locked\n"
        "with locked(Path(sys.argv[1])): pass"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with locked(tmp_path):
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert TemporaryError.__name__ in refused.stderr
    assert f"is being trained by process {os.getpid()}" in refused.stderr
    subprocess.run(command, check=True)


# -- devices and the sweep --


@pytest.mark.parametrize(
    "cluster",
    [
        {"worker": ["a:1", "b:1"]},
        {"chief": ["a:1"], "worker": ["b:1"]},
        {"worker": ["a:1"], "ps": ["b:1"]},
    ],
)
def test_a_cluster_of_workers_is_refused(cluster):
    text = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 0}})
    with pytest.raises(UsageError, match="TF_CONFIG names 2") as refused:
        refuse_cluster({"TF_CONFIG": text})
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("text", ["", "{}", '{"cluster": {"chief": ["a:1"]}}'])
def test_a_cluster_of_one_is_none(text):
    refuse_cluster({"TF_CONFIG": text})
    refuse_cluster({})


@pytest.mark.parametrize("text", ["{", "[]", '{"cluster": [1]}', '{"cluster": {"worker": 3}}'])
def test_a_broken_cluster_is_refused(text):
    with pytest.raises(UsageError, match="TF_CONFIG is no description of a cluster"):
        refuse_cluster({"TF_CONFIG": text})


def test_gpus_that_are_not_there_are_missed():
    there = len(tf.config.list_physical_devices("GPU"))
    with pytest.raises(UsageError, match=f"wanted {there + 1} GPUs, found {there}"):
        open_device(Wanted(gpus=there + 1))


def test_devices_that_cannot_be_are_refused():
    for wanted in ({"gpus": -1}, {"logical_cpus": 0}, {"gpus": 1, "logical_cpus": 2}):
        with pytest.raises(UsageError):
            Wanted(**wanted)


def test_a_sweep_takes_all_or_the_one_of_its_index():
    names = list(NETWORKS)
    assert sweep_names({}) == names
    for number, name in enumerate(names):
        assert sweep_names({"JOB_COMPLETION_INDEX": str(number)}) == [name]
        assert sweep_names({"SLURM_ARRAY_TASK_ID": str(number)}) == [name]


@pytest.mark.parametrize(
    "variables",
    [
        {"JOB_COMPLETION_INDEX": "8"},
        {"JOB_COMPLETION_INDEX": "-1"},
        {"SLURM_ARRAY_TASK_ID": "first"},
        {"JOB_COMPLETION_INDEX": "1", "SLURM_ARRAY_TASK_ID": "2"},
    ],
)
def test_an_index_that_is_no_networks_is_refused(variables):
    with pytest.raises(UsageError, match="index"):
        sweep_names(variables)


def ended(names: list[str], errors: dict[str, Exception]) -> tuple[list[str], Exception | None]:
    """Returns the folders that a sweep came to, and what ended it."""
    reached = []

    def train_one(request) -> RunState:
        reached.append(str(request.out))
        if request.arch in errors:
            raise errors[request.arch]
        return RunState()

    try:
        sweep(make_request(Path("data"), Path("runs")), names, train_one)
    except (DivergedError, StoppedError) as error:
        return reached, error
    return reached, None


def test_a_sweep_goes_on_after_a_network_that_diverged():
    names = ["lcn", "vgg16", "resnet32"]
    reached, error = ended(names, {"vgg16": DivergedError("the loss is no number")})
    assert reached == ["runs/lcn", "runs/vgg16", "runs/resnet32"]
    assert str(error) == "1 of 3 networks diverged: vgg16: the loss is no number"
    assert ended(names, {}) == (reached, None)


def test_a_sweep_ends_where_it_is_stopped():
    reached, error = ended(["lcn", "vgg16"], {"lcn": StoppedError("stopped")})
    assert reached == ["runs/lcn"]
    assert isinstance(error, StoppedError)


def test_a_log_has_a_line_every_half_minute(monkeypatch):
    monkeypatch.setattr("trainer.progress._LOG_SECONDS", 0.0)
    out = io.StringIO()
    progress = Progress("epoch 3 of 70", 81_000, stream=out)
    progress.add(12_800, "loss 1.920")
    line = out.getvalue()
    assert line.startswith("epoch 3 of 70: 12,800 of 81,000 records (")
    assert line.rstrip().endswith("left")
    assert "/s), loss 1.920, " in line


def test_a_terminal_has_a_bar_that_goes_away():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    with contextlib.closing(Progress("predicting", 3, unit="images", stream=out)) as progress:
        progress.add(3, "1 could not be used")
    assert "0/3" in out.getvalue()
    assert out.getvalue().endswith("\r")
