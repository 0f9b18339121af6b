"""Reads what a report shows of a run from its folder."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.errors import UsageError
from trainer.evaluation import EVALUATION_FORMAT
from trainer.report.facts import (
    Bin,
    Calibration,
    Crystal,
    Curve,
    Data,
    Epoch,
    Evaluation,
    Interval,
    Missed,
    RunFacts,
    Split,
    View,
    Workload,
)
from trainer.run_folder import RunConfig, RunFolder


def read_run(folder: Path) -> RunFacts:
    """Returns the facts of a run.

    Raises:
        UsageError: if it is no run, or has not been evaluated by this release.
    """
    run = RunFolder.open(folder)
    state = run.state
    return RunFacts(
        folder=str(folder),
        evaluation=read_evaluation(run.evaluation),
        history=parse_history(state.history),
        finished=state.finished,
        config=_config(run.config),
        environment=flattened(run.environment),
    )


def read_evaluation(path: Path) -> Evaluation:
    """Returns the numbers of a run.

    Raises:
        UsageError: if there are none, or none that this release understands.
    """
    to_do = f"`python -m trainer evaluate {path.parent}`"
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return parse_evaluation(value)
    except FileNotFoundError:
        raise UsageError(
            f"wanted an evaluated run, but {path.parent} has no {path.name}; first run {to_do}"
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        said = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise UsageError(
            f"wanted the numbers of a run, but {path} is not as this release writes it "
            f"({said}); run {to_do} again"
        ) from error


def parse_evaluation(value: Mapping[str, Any]) -> Evaluation:
    """Returns the numbers that a JSON value writes.

    Raises:
        ValueError, KeyError, TypeError: if it writes none.
    """
    if value["format"] != EVALUATION_FORMAT:
        raise ValueError(f"format {value['format']}, wanted {EVALUATION_FORMAT}")
    seconds = value["training_seconds"]
    return Evaluation(
        arch=str(value["arch"]),
        title=str(value["title"]),
        reconstruction=bool(value["reconstruction"]),
        width=_number(value["width"]),
        labels=tuple(map(str, value["labels"])),
        crystal_labels=frozenset(map(str, value["crystal_labels"])),
        trained_on=_data(value["trained_on"]),
        evaluated_on=_data(value["evaluated_on"]),
        drawn=bool(value["drawn"]),
        best_epoch=int(value["best_epoch"]),
        epochs=int(value["epochs"]),
        recipe=str(value["recipe"]),
        training_seconds=None if seconds is None else _number(seconds),
        parameters=int(value["parameters"]),
        device=str(value["device"]),
        splits={name: _split(split) for name, split in value["splits"].items()},
    )


def parse_history(history: Sequence[Mapping[str, Any]]) -> tuple[Epoch, ...]:
    """Returns the epochs of a training; epochs are counted from 1."""
    return tuple(_epoch(number, entry) for number, entry in enumerate(history, start=1))


def _config(config: RunConfig) -> dict[str, str]:
    """Returns what made a run, but what its evaluation says already: labels are the tables'."""
    decisive = {key: value for key, value in config.decisive().items() if key != "labels"}
    recipe = {"recipe": config.recipe.name, "label set": config.labels.name}
    fields = {key.removeprefix("recipe."): value for key, value in decisive.items()}
    return flattened({**recipe, **fields, "config digest": config.digest()})


def _epoch(number: int, entry: Mapping[str, Any]) -> Epoch:
    fields = ("loss", "accuracy", "validation_loss", "validation_accuracy")
    values = {field: entry.get(field) for field in fields}
    return Epoch(
        number,
        **{
            field: float(value)
            if isinstance(value, int | float) and math.isfinite(value)
            else None  # a loss that went astray is no point of a curve
            for field, value in values.items()
        },
    )


def flattened(value: Mapping[str, Any]) -> dict[str, str]:
    """Returns the fields of nested objects with their values as texts.

    >>> flattened({"arch": "lcn", "recipe": {"weight_decay": None, "epochs": 70}})
    {'arch': 'lcn', 'recipe weight decay': '–', 'recipe epochs': '70'}
    """
    return dict(_leaves(value, ""))


def _leaves(value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, item in value.items():
        name = f"{prefix}{key}".replace("_", " ").replace(".", " ").strip()
        if isinstance(item, Mapping):
            yield from _leaves(item, f"{name} ")
        elif item is None:
            yield name, "–"
        elif isinstance(item, bool):
            yield name, "yes" if item else "no"
        elif isinstance(item, float):
            yield name, f"{item:g}"
        elif isinstance(item, list | tuple):
            yield name, ", ".join(map(str, item)) or "–"
        elif isinstance(item, frozenset | set):
            yield name, ", ".join(sorted(map(str, item))) or "–"
        else:
            yield name, str(item)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"wanted a number, got {value!r}")
    return float(value)


def _share(value: Any) -> float:
    if not -1e-9 <= _number(value) <= 1 + 1e-9:
        raise ValueError(f"wanted a share from 0 to 1, got {value!r}")
    return min(1.0, max(0.0, float(value)))


def _interval(value: Any, check: Callable[[Any], float] = _share) -> Interval | None:
    """Returns a number with its interval; a bare number has none, null is none."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        return Interval(check(value))
    if value["value"] is None:
        return None
    low, high = value["low"], value["high"]
    if low is None or high is None:
        return Interval(check(value["value"]))
    return Interval(check(value["value"]), check(low), check(high))


def _data(value: Mapping[str, Any]) -> Data:
    return Data(
        str(value["name"]),
        str(value["version"]),
        str(value["digest"]),
        {str(origin): int(images) for origin, images in value["origins"].items()},
    )


def _split(value: Mapping[str, Any]) -> Split:
    calibration, crystal = value.get("calibration"), value.get("crystal")
    natural, of_natural = value.get("calibration_natural"), crystal and crystal["natural"]
    return Split(
        records=int(value["records"]),
        images=int(value["images"]),
        groups=int(value["groups"]),
        images_per_label=tuple(map(int, value["images_per_label"])),
        views={name: _view(view) for name, view in value["views"].items() if view},
        calibration=_calibration(calibration) if calibration else None,
        calibration_natural=_calibration(natural) if natural else None,
        crystal=_crystal(of_natural) if of_natural else None,
    )


def _view(value: Mapping[str, Any]) -> View:
    return View(
        weight=_number(value["weight"]),
        top=tuple(map(_interval, value["top"])),
        per_label=tuple(map(_interval, value["per_label"])),
        macro_recall=_interval(value["macro_recall"]),
        confusion=tuple(
            tuple(None if cell is None else _number(cell) for cell in row)
            for row in value["confusion"]
        ),
        label_weights=tuple(
            sum(map(_number, column)) for column in zip(*value["confusion_counts"], strict=True)
        ),
        auc=tuple(map(_interval, value["auc"])),
        missed=tuple(map(_missed, value["missed_crystals"] or ())),
    )


def _missed(value: Mapping[str, Any]) -> Missed:
    return Missed(
        _interval(value["missed"]),
        _interval(value["false_alarms"]),
        _share(value["random_missed"]),
        _share(value["random_false_alarms"]),
    )


def _crystal(value: Mapping[str, Any]) -> Crystal:
    roc, pr = value["roc"], value["pr"]
    return Crystal(
        prevalence=_share(value["prevalence"]),
        crystals=int(value["crystals"]),
        roc=_curve(roc["fpr"], roc["tpr"]),
        auc=_interval(roc["auc"]),
        precision_recall=_curve(pr["recall"], pr["precision"]),
        average_precision=_interval(pr["average_precision"]),
        workload=tuple(map(_workload, value["workload"])),
    )


def _curve(x: Sequence[Any], y: Sequence[Any]) -> Curve:
    pairs = sorted(zip(map(_share, x), map(_share, y), strict=True), key=lambda pair: pair[0])
    return Curve(tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs))


def _workload(value: Mapping[str, Any]) -> Workload:
    return Workload(
        recall=_share(value["recall"]),
        chosen_on=None if value["chosen_on"] is None else int(value["chosen_on"]),
        achieved=_interval(value["achieved_recall"]),
        images_per_1000=_interval(value["images_per_1000"], _number),
    )


def _calibration(value: Mapping[str, Any]) -> Calibration:
    temperature, ece_after = value["temperature"], value["ece_after"]
    return Calibration(
        ece=_share(value["ece"]),
        temperature=None if temperature is None else _number(temperature),
        ece_after=None if ece_after is None else _share(ece_after),
        bins=tuple(map(_bin, value["bins"])),
        bins_after=tuple(map(_bin, value["bins_after"] or ())),
    )


def _bin(value: Mapping[str, Any]) -> Bin:
    return Bin(_share(value["confidence"]), _share(value["accuracy"]), _number(value["count"]))
