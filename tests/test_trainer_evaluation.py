"""From a run on disk to its predictions and `evaluation.json`; one small network, real records."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from schemas.labels import PAPER10
from tests.trainer_evaluation_tables import ROWS, simulated, table_of
from tests.trainer_predict_runs import WEIGHTS, make_run
from trainer.cli import main
from trainer.dataset import DatasetVersion, open_dataset
from trainer.errors import DataError, DivergedError, TemporaryError, UsageError
from trainer.evaluation.evaluate import evaluate, evaluate_tables
from trainer.evaluation.predictions import Source, read_predictions, write_predictions
from trainer.evaluation.summary import evaluation_text
from trainer.networks import find_network
from trainer.run_folder import STATE_FILE, RunFolder

SPLITS = ("validation", "test")
SOURCE = Source("weights", "dataset", "test", ("clear", "crystals", "other"))


@pytest.fixture(scope="module")
def version(built) -> DatasetVersion:
    return open_dataset(built / "1.0.0")


@pytest.fixture(scope="module")
def evaluated(version, tmp_path_factory) -> RunFolder:
    """A run of one epoch with its evaluation; not to be changed."""
    run = make_run(tmp_path_factory.mktemp("runs") / "run", version, width=0.25)
    evaluate(run, version=version, batch_size=7, resamples=50)
    return run


@pytest.fixture
def copied(evaluated, tmp_path) -> RunFolder:
    """A copy of the evaluated run, to be changed at will."""
    return RunFolder.open(shutil.copytree(evaluated.folder, tmp_path / "run"))


def facts_of(run: RunFolder) -> dict:
    return json.loads(run.evaluation.read_text(encoding="utf-8"))


# The table of predictions.


@pytest.mark.parametrize("split", SPLITS)
def test_every_record_is_predicted_once_in_the_order_of_the_shards(evaluated, version, split):
    from schemas.records import decode_record
    from schemas.tfrecord import read_frames

    written = []
    for shard in version.shards(split):
        with shard.path.open("rb") as stream:
            written += [decode_record(data) for _, data in read_frames(stream)]
    table = pq.read_table(evaluated.predictions(split))
    for name in ("image_id", "group", "variant", "copies", "label"):
        assert table[name].to_pylist() == [getattr(record, name) for record in written]
    images = np.stack([np.frombuffer(record.image, np.uint8) for record in written])
    expected = evaluated.load_model().predict(images.reshape(-1, 128, 128, 1), verbose=0)
    logits = np.array(table["logits"].to_pylist(), np.float32)
    assert logits == pytest.approx(expected, rel=1e-4, abs=1e-4)
    powers = np.exp(logits.astype(float))
    assert np.array(table["probabilities"].to_pylist()) == pytest.approx(
        powers / powers.sum(axis=1, keepdims=True), abs=1e-6
    )
    kinds = {field.name: str(field.type) for field in table.schema}
    lists = "fixed_size_list<element: float>[10]"
    assert kinds == {
        **dict.fromkeys(("image_id", "group"), "string"),
        **dict.fromkeys(("variant", "copies", "label"), "int32"),
        **dict.fromkeys(("logits", "probabilities"), lists),
    }


def test_a_table_comes_back_from_its_file(tmp_path):
    path, table = tmp_path / "predictions.parquet", table_of(ROWS)
    assert read_predictions(path, SOURCE) is None
    write_predictions(path, table, SOURCE)
    back = read_predictions(path, SOURCE)
    for field in dataclasses.fields(table):
        assert np.array_equal(getattr(back, field.name), getattr(table, field.name))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "change",
    [{"weights": "w"}, {"dataset": "d"}, {"split": "validation"}, {"labels": ("a", "b", "c")}],
    ids=lambda change: next(iter(change)),
)
def test_a_table_of_another_source_is_not_used(tmp_path, change):
    path = tmp_path / "predictions.parquet"
    write_predictions(path, table_of(ROWS), SOURCE)
    assert read_predictions(path, dataclasses.replace(SOURCE, **change)) is None


@pytest.mark.parametrize("content", [b"", b"no Parquet", b"PAR1 cut short"])
def test_a_table_that_is_damaged_is_not_used(tmp_path, content):
    path = tmp_path / "predictions.parquet"
    path.write_bytes(content)
    assert read_predictions(path, SOURCE) is None


def test_predictions_are_used_again(copied, version):
    before = facts_of(copied)
    (copied.folder / WEIGHTS).unlink()
    (copied.folder / WEIGHTS).touch()  # of no use to anyone who would predict
    assert evaluate(copied, version=version, resamples=50) == before


def test_predictions_of_other_weights_are_not_used(copied, version):
    from trainer.training.device import quiet

    quiet()
    before = facts_of(copied)
    model = copied.load_model()
    model.set_weights([-value for value in model.get_weights()])
    model.save_weights(copied.folder / WEIGHTS)
    state = json.loads((copied.folder / STATE_FILE).read_text(encoding="utf-8"))
    state["files"]["best"][1] = "1" * 64
    (copied.folder / STATE_FILE).write_text(json.dumps(state), encoding="utf-8")
    after = evaluate(copied, version=version, resamples=5)
    assert after["weights"] == "1" * 64
    assert after["splits"]["test"]["calibration"] != before["splits"]["test"]["calibration"]


def test_better_weights_that_come_meanwhile_are_noticed(copied, version):
    class Training(RunFolder):
        """A run whose training finds better weights while they are loaded."""

        def load_model(self):
            path = self.folder / STATE_FILE
            state = json.loads(path.read_text(encoding="utf-8"))
            state["files"]["best"][1] = "2" * 64
            path.write_text(json.dumps(state), encoding="utf-8")
            return super().load_model()

    copied.predictions("validation").unlink()
    with pytest.raises(TemporaryError, match="better weights"):
        evaluate(Training(copied.folder, copied.config), version=version)
    assert not copied.predictions("validation").exists()


# evaluation.json.

_SHARE = {"value": float, "low": float, "high": float}
_VIEW = {
    "weight": float,
    "top": [_SHARE],
    "per_label": [_SHARE],
    "macro_recall": _SHARE,
    "confusion": [[float]],
    "confusion_counts": [[float]],
    "auc": [_SHARE],
    "missed_crystals": [
        {
            "missed": _SHARE,
            "false_alarms": _SHARE,
            "random_missed": float,
            "random_false_alarms": float,
        }
    ],
}
_BINS = [{"confidence": float, "accuracy": float, "count": float}]
_CALIBRATION = {
    "temperature": float,
    "ece": float,
    "ece_after": float,
    "bins": _BINS,
    "bins_after": _BINS,
}
_SCREEN = {
    "prevalence": float,
    "crystals": int,
    "roc": {"fpr": [float], "tpr": [float], "auc": _SHARE},
    "pr": {"recall": [float], "precision": [float], "average_precision": _SHARE},
    "workload": [
        {
            "recall": float,
            "threshold": float,
            "chosen_on": int,
            "achieved_recall": _SHARE,
            "images_per_1000": _SHARE,
            "prevalence": float,
        }
    ],
}
_SPLIT = {
    "records": int,
    "images": int,
    "groups": int,
    "images_per_label": [int],
    "views": dict.fromkeys(("balanced", "natural", "per_image", "per_group"), _VIEW),
    "calibration": _CALIBRATION,
    "calibration_natural": _CALIBRATION,
    "crystal": dict.fromkeys(("natural", "per_image", "per_group"), _SCREEN),
}
_DATA = {"name": str, "version": str, "digest": str, "origins": dict}
_FACTS = {
    **dict.fromkeys(("format", "parameters", "best_epoch", "epochs"), int),
    **dict.fromkeys(("arch", "title", "recipe", "device", "weights"), str),
    **dict.fromkeys(("width", "training_seconds"), float),
    **dict.fromkeys(("reconstruction", "drawn"), bool),
    **{key: [str] for key in ("labels", "crystal_labels")},
    **dict.fromkeys(("trained_on", "evaluated_on"), _DATA),
    "bootstrap": {"resamples": int, "seed": int, "level": float, "unit": str},
    "splits": dict.fromkeys(SPLITS, _SPLIT),
}


def faults(value, shape, path="") -> list[str]:
    """Returns where a value is not of the documented shape; null is allowed everywhere."""
    if value is None:
        return []
    if isinstance(shape, dict):
        if not isinstance(value, dict) or value.keys() != shape.keys():
            return [f"{path}: {list(value)}"]
        return [f for key in shape for f in faults(value[key], shape[key], f"{path}.{key}")]
    if isinstance(shape, list):
        return [f for each in value for f in faults(each, shape[0], f"{path}[]")]
    wrong = type(value) is not shape and not (shape is float and type(value) is int)
    return [f"{path}: {value!r}"] if wrong else []


def test_the_file_has_the_documented_shape(evaluated):
    assert faults(facts_of(evaluated), _FACTS) == []
    names = set(re.findall(r'"(\w+)":', _documentation()))
    assert names >= {*_FACTS, *_SPLIT, *_VIEW, *_CALIBRATION, *_SCREEN, *_SHARE}


def _documentation() -> str:
    import trainer.evaluation

    return trainer.evaluation.__doc__ or ""


def test_it_says_what_was_evaluated_on_what(evaluated, version):
    facts = facts_of(evaluated)
    digest = evaluated.state.files["best"][1]
    expected = {"name": "drops", "version": "1.0.0", "digest": version.digest}
    for name in ("trained_on", "evaluated_on"):
        assert {key: facts[name][key] for key in expected} == expected
    network = find_network(evaluated.config.arch)
    assert (facts["arch"], facts["title"]) == (network.name, network.title)
    assert (facts["weights"], facts["reconstruction"]) == (digest, network.reconstruction)
    assert facts["parameters"] == evaluated.load_model().count_params()
    assert facts["labels"] == list(PAPER10.names)
    assert facts["crystal_labels"] == [n for n in PAPER10.names if n in PAPER10.crystal_names]
    assert facts["drawn"] == version.drawn
    for split in SPLITS:
        found = facts["splits"][split]
        assert found["records"] == sum(version.records[split])
        assert found["views"]["balanced"]["weight"] == found["records"]
        assert found["views"]["per_image"]["weight"] == found["images"]
        assert sum(found["images_per_label"]) == found["images"]
    assert facts["splits"]["test"]["calibration"]["temperature"] is not None


def test_another_dataset_of_the_same_labels_is_said(copied, version):
    other = dataclasses.replace(version, version="2.0.0", digest="f" * 32, origins={"drawn": 3})
    facts = evaluate(copied, version=other, resamples=5)
    assert facts["trained_on"]["digest"] != facts["evaluated_on"]["digest"] == "f" * 32
    assert facts["drawn"]
    text = evaluation_text(facts)
    assert "drops 2.0.0 (trained on drops 1.0.0, other records)" in text
    assert "drawn plates: these numbers say nothing of micrographs" in text


def test_without_validation_there_is_no_temperature(copied, version):
    facts = evaluate(copied, version=version, splits=("test",), resamples=5)
    assert facts["splits"].keys() == {"test"}
    assert "temperature" not in evaluation_text(facts)


def test_without_resamples_there_are_no_intervals(copied, version):
    facts = evaluate(copied, version=version, resamples=0)
    top = facts["splits"]["test"]["views"]["balanced"]["top"][0]
    assert top["low"] is top["high"] is None


def test_a_table_of_numbers_is_printed():
    splits = {"validation": simulated(400, seed=3), "test": simulated(600, seed=4)}
    found = evaluate_tables(splits, crystal_labels={7, 8, 9}, resamples=20)
    data = {"name": "drops", "version": "1.0.0", "digest": "d"}
    facts = {"title": "LCN", "reconstruction": True, "best_epoch": 3, "epochs": 9, "drawn": False}
    facts |= {"bootstrap": {"resamples": 20}, "trained_on": data, "evaluated_on": data}
    text = evaluation_text({**facts, "splits": found})
    assert text.startswith("LCN (reconstruction), best epoch 3 of 9, on drops 1.0.0\n")
    top = 100 * found["test"]["views"]["balanced"]["top"][0]["value"]
    (row,) = re.findall(r"test: .*\n.*\nevery record once .*? (\d+\.\d) \(", text)
    assert float(row) == pytest.approx(top, abs=0.06)
    assert len(re.findall("look at .* of 1,000 images", text)) == 6


# What cannot be evaluated.


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        ({"names": (*PAPER10.names[:-1], "other")}, "wanted the labels that"),
        ({"crystal_names": frozenset({"clear"})}, "wanted the crystal labels that"),
    ],
)
def test_a_dataset_of_other_labels_is_refused(copied, version, labels, wanted):
    fewer = PAPER10.crystal_names & set(labels.get("names", PAPER10.names))
    changed = {"crystal_names": fewer, "aliases": {}, **labels}
    other = dataclasses.replace(version, labels=dataclasses.replace(PAPER10, **changed))
    with pytest.raises(DataError, match=wanted):
        evaluate(copied, version=other)


def test_an_empty_split_is_refused(copied, version):
    rest = {name: shards for name, shards in version.splits.items() if name != "test"}
    copied.predictions("test").unlink()
    with pytest.raises(DataError, match="wanted records in the split test"):
        evaluate(copied, version=dataclasses.replace(version, splits=rest))


def test_a_damaged_shard_is_named(copied, version, tmp_path):
    (shard,) = [shard for shard in version.shards("test") if shard.records][:1]
    damaged = tmp_path / shard.path.name
    content = bytearray(shard.path.read_bytes())
    content[5000] ^= 1
    damaged.write_bytes(content)
    others = [one for one in version.shards("test") if one is not shard]
    shards = (dataclasses.replace(shard, path=damaged), *others)
    copied.predictions("test").unlink()
    with pytest.raises(DataError, match=damaged.name):
        evaluate(
            copied, version=dataclasses.replace(version, splits={**version.splits, "test": shards})
        )


def test_weights_that_are_no_numbers_are_refused(copied, version):
    model = copied.load_model()
    model.set_weights([value * np.nan for value in model.get_weights()])
    model.save_weights(copied.folder / WEIGHTS)
    copied.predictions("validation").unlink()
    with pytest.raises(DivergedError, match="finite numbers"):
        evaluate(copied, version=version)
    assert not copied.predictions("validation").exists()


def test_a_run_without_a_finished_epoch_is_refused(copied, version):
    (copied.folder / STATE_FILE).unlink()
    with pytest.raises(UsageError, match="no weights yet"):
        evaluate(copied, version=version)


# The command.


def test_the_command_prints_and_says_where_the_files_are(copied, capsys):
    copied.evaluation.unlink()
    assert main(["evaluate", str(copied.folder), "--resamples", "20"]) == 0
    out = capsys.readouterr().out
    title = find_network(copied.config.arch).title
    assert re.match(rf"{title}.*, best epoch 1 of 1, on drops 1.0.0\b", out)
    assert f"wrote {copied.evaluation}" in out
    for split in SPLITS:
        assert str(copied.predictions(split)) in out
    assert facts_of(copied)["bootstrap"]["resamples"] == 20


def test_the_command_takes_another_folder_of_the_data(copied, built, tmp_path, capsys):
    moved = shutil.copytree(built / "1.0.0", tmp_path / "moved")
    assert main(["evaluate", str(copied.folder), "--data", str(moved), "--resamples", "0"]) == 0
    assert "other records" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--batch-size", "0"], 2, "wanted --batch-size of 1 or more"),
        (["--resamples", "-1"], 2, "--resamples of 0 or more"),
        (["--data", "/nowhere/1.0.0"], 65, "wanted a finished version"),
    ],
)
def test_the_command_refuses_what_it_cannot_use(copied, capsys, flags, code, said):
    assert main(["evaluate", str(copied.folder), *flags]) == code
    assert said in capsys.readouterr().err


def test_the_command_wants_a_run(tmp_path, capsys):
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "wanted a run" in capsys.readouterr().err
