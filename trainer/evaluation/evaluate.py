"""One run's evaluation: predictions of its best weights, and `evaluation.json` from them."""

import dataclasses
import functools
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from schemas.atomic import write_atomic
from trainer.dataset import DatasetVersion
from trainer.errors import DataError, TemporaryError
from trainer.evaluation import EVALUATION_FORMAT
from trainer.evaluation.accuracy import view_facts
from trainer.evaluation.calibration import (
    calibrated_probabilities,
    calibration_bins,
    expected_calibration_error,
    fit_temperature,
)
from trainer.evaluation.crystals import (
    choose_thresholds,
    make_screens,
    screen_facts,
)
from trainer.evaluation.intervals import LEVEL, RESAMPLES, SEED, Resamples, draw_resamples
from trainer.evaluation.predict import BATCH_SIZE, predict_split
from trainer.evaluation.predictions import (
    Predictions,
    Source,
    read_predictions,
    write_predictions,
)
from trainer.evaluation.views import View, balanced_view, make_views, natural_view
from trainer.networks import find_network
from trainer.run_folder import RunFolder

if TYPE_CHECKING:
    import keras

VALIDATION = "validation"
SPLITS = (VALIDATION, "test")


def evaluate(
    run: RunFolder,
    *,
    version: DatasetVersion,
    splits: Sequence[str] = SPLITS,
    batch_size: int = BATCH_SIZE,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Returns what `evaluation.json` now has: the run's best weights on a version.

    Predictions that are there already, of the same weights and the same dataset, are used again.

    Args:
        run: one epoch or more must be finished.
        version: the dataset; another one than the run's is allowed if its labels are the same.
        splits: names of splits; without "validation" there are no temperature and no thresholds.
        batch_size: records at a time.
        resamples: of the bootstrap.

    Raises:
        DataError: if the labels are others, a split has no records, or a shard is damaged.
        DivergedError: if the weights give no finite numbers.
        UsageError: if the run has no weights yet.
    """
    _check_labels(run, version)
    weights = _weights_digest(run)
    model = functools.cache(run.load_model)  # only if a table must be computed
    tables = {}
    for split in splits:
        source = Source(weights, version.digest, split, version.labels.names)
        tables[split] = _table(run, version, source, model=model, batch_size=batch_size)
    facts = {
        **_run_facts(run, version),
        "parameters": next(iter(tables.values())).parameters,
        "weights": weights,
        "bootstrap": {"resamples": resamples, "seed": SEED, "level": LEVEL, "unit": "group"},
        "splits": evaluate_tables(
            tables, crystal_labels=version.labels.crystal_indices, resamples=resamples
        ),
    }
    text = json.dumps(facts, indent=1, allow_nan=False) + "\n"
    write_atomic(run.evaluation, text)
    return facts


def evaluate_tables(
    tables: Mapping[str, Predictions], *, crystal_labels: Collection[int], resamples: int
) -> dict[str, Any]:
    """Returns the numbers of each split, the S of `evaluation.json`.

    Args:
        tables: predictions by split; "validation", if there, gives temperature and thresholds.
        crystal_labels: indices of labels that mean there is a crystal.
        resamples: of the bootstrap.
    """
    # the last bits of a sum, and so ties, depend on the order
    tables = {split: table.by_name() for split, table in tables.items()}
    validation = tables.get(VALIDATION)
    temperature = fit_temperature(validation.logits, validation.label) if validation else None
    screens = {
        split: make_screens(table, crystal_labels, temperature=temperature)
        for split, table in tables.items()
    }
    thresholds = {
        name: choose_thresholds(screen)
        for name, screen in screens.get(VALIDATION, {}).items()
        if screen
    }
    facts = {}
    for split, table in tables.items():
        drawn = draw_resamples(table.groups, resamples=resamples)
        crystal = {
            name: screen and screen_facts(screen, thresholds=thresholds.get(name), resamples=drawn)
            for name, screen in screens[split].items()
        }
        facts[split] = {
            **_counts(table),
            "views": _views(table, crystal_labels, drawn),
            "calibration": _calibration(balanced_view(table), table, temperature),
            "calibration_natural": _calibration(natural_view(table), table, temperature),
            "crystal": crystal if crystal["per_image"] else None,
        }
    return facts


def _check_labels(run: RunFolder, version: DatasetVersion) -> None:
    """Raises DataError unless the dataset's labels mean what the run's logits mean."""
    for what, ours, theirs in (
        ("labels", run.config.labels.names, version.labels.names),
        (
            "crystal labels",
            sorted(run.config.labels.crystal_names),
            sorted(version.labels.crystal_names),
        ),
    ):
        if ours != theirs:
            raise DataError(
                f"wanted the {what} that {run.folder} was trained on ({', '.join(ours)}), but "
                f"{version.folder} has {', '.join(theirs)}; give a dataset of the same labels"
            )


def _weights_digest(run: RunFolder) -> str:
    """Returns the SHA-256 of the best weights; raises UsageError if there are none."""
    path = run.best_weights
    name, digest = run.state.files["best"]
    return digest if name == path.name else _weights_digest(run)  # a better epoch came between


def _table(
    run: RunFolder,
    version: DatasetVersion,
    source: Source,
    *,
    model: "Callable[[], keras.Model]",
    batch_size: int,
) -> Predictions:
    """Returns the predictions of a source: those that are kept, or new ones, which it keeps."""
    path = run.predictions(source.split)
    known = read_predictions(path, source)
    if known is not None:
        return known
    version.shards(source.split)  # an empty split is told before TensorFlow is loaded
    predictions = predict_split(model(), version, source.split, batch_size=batch_size)
    if _weights_digest(run) != source.weights:
        raise TemporaryError(
            f"{run.folder} found better weights while it was evaluated; evaluate it when its "
            "training has ended, or again now"
        )
    write_predictions(path, predictions, source)
    return predictions


def _run_facts(run: RunFolder, version: DatasetVersion) -> dict[str, Any]:
    config, state = run.config, run.state
    network = find_network(config.arch)
    return {
        "format": EVALUATION_FORMAT,
        "arch": config.arch,
        "title": network.title,
        "reconstruction": network.reconstruction,
        "width": config.width,
        "labels": list(config.labels.names),
        "crystal_labels": [
            name for name in config.labels.names if name in config.labels.crystal_names
        ],
        "trained_on": _dataset_facts(config.data),
        "evaluated_on": _dataset_facts(version),
        "drawn": config.data.drawn or version.drawn,
        "best_epoch": state.best_epoch,
        "epochs": state.epoch,
        "recipe": config.recipe.name,
        "training_seconds": state.training_seconds,
        "device": run.environment.get("device", "unknown"),
    }


def _dataset_facts(data: Any) -> dict[str, Any]:
    facts = {key: getattr(data, key) for key in ("name", "version", "digest")}
    return {**facts, "origins": dict(data.origins)}


def _counts(table: Predictions) -> dict[str, Any]:
    labels = table.label[table.first_of_images()].tolist()
    return {
        "records": len(table),
        "images": table.images,
        "groups": table.groups,
        "images_per_label": [labels.count(n) for n in range(table.logits.shape[1])],
    }


def _views(
    table: Predictions, crystal_labels: Collection[int], resamples: Resamples
) -> dict[str, Any]:
    return {
        name: view and view_facts(view, crystal_labels=crystal_labels, resamples=resamples)
        for name, view in make_views(table).items()
    }


def _calibration(view: View, table: Predictions, temperature: float | None) -> dict[str, Any]:
    before = calibration_bins(view.probabilities, view.label, view.weight)
    facts: dict[str, Any] = {
        "temperature": temperature,
        "ece": expected_calibration_error(before),
        "ece_after": None,
        "bins": [dataclasses.asdict(b) for b in before],
        "bins_after": None,
    }
    if temperature is not None:
        mended = calibrated_probabilities(table.logits, temperature)
        after = calibration_bins(mended, view.label, view.weight)
        facts["ece_after"] = expected_calibration_error(after)
        facts["bins_after"] = [dataclasses.asdict(b) for b in after]
    return facts
