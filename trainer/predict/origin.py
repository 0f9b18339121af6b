"""What made the predictions: the network, its weights and its data."""

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

from schemas.labels import LabelSet
from trainer.errors import UsageError
from trainer.networks import find_network
from trainer.run_folder import RunFolder


@dataclasses.dataclass(frozen=True)
class Threshold:
    """A P(crystal) from which on to look at images.

    Attributes:
        recall: share of crystals it was to find, 0 to 1.
        value: the threshold, 0 to 1.
        chosen_on: crystals of the validation split that it was chosen on.
    """

    recall: float
    value: float
    chosen_on: int


@dataclasses.dataclass(frozen=True)
class Origin:
    """What made the predictions.

    Attributes:
        arch: name of the network.
        title: its name as in the paper's tables.
        reconstruction: whether its widths are a guess, since no source gives them.
        weights: SHA-256 of its weights, hexadecimal.
        best_epoch: the epoch that gave the weights, from 1.
        dataset: name and version of the dataset that it was trained on.
        dataset_digest: digest of that dataset.
        drawn: whether it was trained on plates that a program drew, and no micrographs.
        labels: its labels.
        views: how many views of each image were averaged.
        temperature: what its logits were divided by; None where the run has not been
            evaluated, and its probabilities are as sure as training left them.
        thresholds: found by the evaluation of the run, ascending by recall.
    """

    arch: str
    title: str
    reconstruction: bool
    weights: str
    best_epoch: int
    dataset: str
    dataset_digest: str
    drawn: bool
    labels: LabelSet
    views: int
    temperature: float | None = None
    thresholds: tuple[Threshold, ...] = ()

    def __post_init__(self) -> None:
        if self.temperature is not None and not 0 < self.temperature < math.inf:
            raise ValueError(f"a temperature is a number above 0, got {self.temperature}")

    @property
    def model(self) -> str:
        """What tells this network from others: its name and the digest of its weights."""
        return f"{self.arch}-{self.weights[:16]}"


def origin_of(run: RunFolder, *, views: int) -> Origin:
    """Returns what makes the predictions of a run.

    An evaluation of other weights, as of a run that was trained on since, counts as none.

    Raises:
        UsageError: if the run has no weights yet, or its evaluation cannot be read.
    """
    weights = _weights_digest(run)
    config, state = run.config, run.state
    network = find_network(config.arch)
    temperature, thresholds = _evaluation(run, weights)
    return Origin(
        arch=config.arch,
        title=network.title,
        reconstruction=network.reconstruction,
        weights=weights,
        best_epoch=state.best_epoch or 0,
        dataset=f"{config.data.name} {config.data.version}",
        dataset_digest=config.data.digest,
        drawn=config.data.drawn,
        labels=config.labels,
        views=views,
        temperature=temperature,
        thresholds=thresholds,
    )


def _weights_digest(run: RunFolder) -> str:
    _ = run.best_weights  # or says that there are none
    return run.state.files["best"][1]


def _evaluation(run: RunFolder, weights: str) -> tuple[float | None, tuple[Threshold, ...]]:
    """Returns temperature and thresholds from the evaluation of these weights, or none."""
    try:
        value: dict[str, Any] = json.loads(run.evaluation.read_text(encoding="utf-8"))
        splits = value["splits"] if value["weights"] == weights else {}
        return _temperature(splits), _thresholds(splits)
    except FileNotFoundError:
        return None, ()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{run.evaluation} is no evaluation of a run of ours ({error!r}); "
            f"run `python -m trainer evaluate {run.folder}` again"
        ) from error


def _temperature(splits: Mapping[str, Any]) -> float | None:
    """Returns the one temperature, which was fitted on validation and stands in every split."""
    for split in splits.values():
        temperature: float | None = split["calibration"]["temperature"]
        if temperature is not None:
            return temperature
    return None


def _thresholds(splits: Mapping[str, Any]) -> tuple[Threshold, ...]:
    """Returns the thresholds, which were chosen on validation and stand in every split."""
    for split in splits.values():
        crystal = (split["crystal"] or {}).get("per_image")
        if crystal:
            return tuple(
                Threshold(entry["recall"], entry["threshold"], entry["chosen_on"])
                for entry in crystal["workload"]
                if entry["threshold"] is not None
            )
    return ()
