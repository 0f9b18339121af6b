"""A run on disk: what made it, when it may go on, and what is refused."""

import dataclasses
import json
import subprocess
import sys

import pytest

from schemas.labels import MARCO4
from tests.trainer_runs import FACTS, SHORT, make_config
from trainer.errors import UsageError
from trainer.run_config import config_from_json, differing
from trainer.run_folder import CONFIG_FILE, STATE_FILE, RunFolder, RunState

# Another value of each field that decides the weights.
DECISIVE = {
    "arch": "lcn",
    "labels": MARCO4,
    "width": 0.25,
    "seed": 1,
    "side": 96,
    "deterministic": True,
    "xla": True,
    "data": dataclasses.replace(FACTS, digest="ff" * 32),
}
RECIPE = {
    "epochs": 3,
    "batch_size": 8,
    "optimizer": "adamw",
    "momentum": 0.8,
    "learning_rate": 0.5,
    "schedule": "cosine",
    "step_epochs": 2,
    "step_factor": 0.5,
    "warmup_epochs": 1.0,
    "label_smoothing": 0.2,
    "clip_norm": 5.0,
    "weight_decay": 0.1,
    "init": "gaussian:0.1",
    "augment": True,
    "mixed_precision": True,
    "ema": 0.9,
}


def with_recipe(**changes: object):
    config = make_config()
    return dataclasses.replace(config, recipe=dataclasses.replace(config.recipe, **changes))


def test_a_config_is_read_as_it_was_written():
    for config in (make_config(), make_config(**DECISIVE | {"xla": False})):
        assert config_from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize("field", DECISIVE)
def test_what_decides_the_weights_is_in_the_digest(field):
    changed = make_config(**{field: DECISIVE[field]})
    assert changed.digest() != make_config().digest()
    assert len(differing(make_config(), changed)) == 1


@pytest.mark.parametrize("field", RECIPE)
def test_so_is_every_value_of_the_recipe(field):
    changed = with_recipe(**{field: RECIPE[field]})
    assert changed.digest() != make_config().digest()
    (difference,) = differing(make_config(), changed)
    assert difference.startswith(f"recipe.{field} ")


def test_nothing_is_forgotten():
    fields = {field.name for field in dataclasses.fields(make_config())}
    assert fields == {*DECISIVE, "recipe"}
    assert {field.name for field in dataclasses.fields(SHORT)} == {*RECIPE, "name"}


def test_where_the_data_lies_and_what_it_is_called_decides_nothing():
    elsewhere = dataclasses.replace(FACTS, folder="/mnt/x", name="y", version="2.0.0", origins={})
    assert make_config(data=elsewhere).digest() == make_config().digest()
    assert with_recipe(name="ours").digest() == make_config().digest()
    assert make_config(width=1).digest() == make_config(width=1.0).digest()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "seed must be 0 to"),
        ({"width": 0.0}, "width must be above 0"),
        ({"width": float("nan")}, "width must be above 0"),
        ({"deterministic": True, "xla": True}, "exclude each other"),
    ],
)
def test_a_config_that_cannot_be_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        make_config(**change)


def test_a_new_run_is_opened_again(tmp_path):
    started = RunFolder.start(tmp_path / "deep" / "run", make_config())
    again = RunFolder.open(started.folder)
    assert again.config == make_config()
    assert again.state == RunState()
    assert again.environment == {}
    assert again.config.data.drawn


def test_the_same_config_goes_on_wherever_the_data_lies(tmp_path):
    RunFolder.start(tmp_path, make_config())
    moved = make_config(data=dataclasses.replace(FACTS, folder="/elsewhere"))
    assert RunFolder.start(tmp_path, moved).config == make_config()


def test_a_run_of_another_config_is_refused_by_field(tmp_path):
    RunFolder.start(tmp_path, make_config())
    with pytest.raises(UsageError) as refused:
        RunFolder.start(tmp_path, dataclasses.replace(with_recipe(epochs=9), seed=4))
    message = str(refused.value)
    assert "seed 0, not 4; recipe.epochs 2, not 9" in message
    assert "another --out" in message
    assert refused.value.exit_code == 2


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match="has other files; choose another --out"):
        RunFolder.start(tmp_path, make_config())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 99}', '"text"'])
def test_what_is_no_run_is_refused(tmp_path, text):
    with pytest.raises(UsageError, match=r"wanted a run, but .* has no config\.json"):
        RunFolder.open(tmp_path)
    (tmp_path / CONFIG_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="is no config of a run of ours"):
        RunFolder.open(tmp_path)


def test_a_state_is_read_as_it_was_written(tmp_path):
    run = RunFolder.start(tmp_path, make_config())
    state = RunState(
        epoch=2,
        best=0.25,
        best_epoch=1,
        history=({"epoch": 1, "loss": 2.5}, {"epoch": 2, "loss": 2.25}),
        seconds=(1.5, 2.0),
        files={"last": ("last-0002.npz", "ab"), "best": ("best-0001.weights.h5", "cd")},
    )
    (tmp_path / STATE_FILE).write_text(json.dumps(state.to_json()), encoding="utf-8")
    assert run.state == state
    assert run.state.training_seconds == 3.5
    assert run.best_weights == tmp_path / "best-0001.weights.h5"


def test_a_damaged_state_is_refused(tmp_path):
    run = RunFolder.start(tmp_path, make_config())
    (tmp_path / STATE_FILE).write_text('{"format": 1', encoding="utf-8")
    with pytest.raises(UsageError, match=r"state\.json is no state of a run"):
        _ = run.state


def test_without_a_finished_epoch_there_are_no_weights(tmp_path):
    run = RunFolder.start(tmp_path, make_config())
    with pytest.raises(UsageError, match="no weights yet: no epoch is finished"):
        _ = run.best_weights
    with pytest.raises(UsageError, match="no weights yet"):
        run.load_model()


def test_a_run_is_read_without_tensorflow(tmp_path):
    RunFolder.start(tmp_path, make_config())
    code = (
        "import sys; from pathlib import Path; from trainer.run_folder import RunFolder;"
        f"RunFolder.open(Path({str(tmp_path)!r})).state;"
        "import trainer.commands.train, trainer.commands.bench;"
        "assert not {'tensorflow', 'keras', 'pipeline'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
