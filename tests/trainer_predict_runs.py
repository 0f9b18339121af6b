"""Runs on disk with weights, for tests of prediction, and what stands for them without any."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from schemas.labels import PAPER10, LabelSet
from trainer.dataset import DatasetVersion
from trainer.predict.ahead import Failure
from trainer.predict.origin import Origin, Threshold
from trainer.predict.predictions import Prediction, rank_predictions
from trainer.predict.sources import Source
from trainer.recipes import PAPER
from trainer.run_config import DataFacts, RunConfig
from trainer.run_folder import STATE_FILE, RunFolder, RunState

WEIGHTS = "best-00001.weights.h5"
CRYSTALS = ("small crystals", "large crystals")


def make_run(folder: Path, version: DatasetVersion, *, width: float = 0.125) -> RunFolder:
    """Returns a run whose one epoch is finished; its weights are those it would start from."""
    from trainer.training.device import quiet

    quiet()
    from trainer.models import build_network

    config = RunConfig("lcn", PAPER, DataFacts.of(version), version.labels, width=width)
    run = RunFolder.start(folder, config)
    network = build_network(config.arch, labels=len(config.labels), width=width, seed=7)
    network.save_weights(folder / WEIGHTS)
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    state = RunState(epoch=1, best=0.5, best_epoch=1, files={"best": (WEIGHTS, digest)})
    (folder / STATE_FILE).write_text(json.dumps(state.to_json()), encoding="utf-8")
    return run


def evaluation(weights: str, *, temperature: float = 2.0) -> dict:
    """Returns the part of an `evaluation.json` that prediction reads."""
    workload = [
        {"recall": 0.95, "threshold": 0.4, "chosen_on": 31},
        {"recall": 0.999, "threshold": None, "chosen_on": None},
    ]
    split = {
        "calibration": {"temperature": temperature},
        "crystal": {"per_image": {"workload": workload}},
    }
    return {"weights": weights, "splits": {"validation": split, "test": split}}


def make_origin(*, labels: LabelSet = PAPER10, **changes: object) -> Origin:
    """Returns what made the predictions of a network that is not there."""
    facts = {
        "arch": "resnet56",
        "title": "ResNet-56",
        "reconstruction": False,
        "weights": "0123456789abcdef" * 4,
        "best_epoch": 12,
        "dataset": "drops 1.0.0",
        "dataset_digest": "fedcba98" * 4,
        "drawn": False,
        "labels": labels,
        "views": 8,
        "temperature": 1.25,
        "thresholds": (Threshold(0.95, 0.4, 31), Threshold(0.99, 0.2, 31)),
    }
    return Origin(**{**facts, **changes})


def shares(p_crystal: float, *, labels: LabelSet = PAPER10) -> np.ndarray:
    """Returns probabilities with this P(crystal): all on the first label of either kind."""
    found = np.zeros(len(labels))
    crystal = min(labels.crystal_indices)
    other = min(set(range(len(labels))) - labels.crystal_indices)
    found[[crystal, other]] = p_crystal, 1 - p_crystal
    return found


def predictions_of(
    sources: Sequence[Source], scores: Sequence[float | Failure], *, labels: LabelSet = PAPER10
) -> list[Prediction]:
    """Returns predictions with these P(crystal)."""
    outcomes = [
        score if isinstance(score, Failure) else shares(score, labels=labels) for score in scores
    ]
    return rank_predictions(sources, outcomes, labels=labels)
