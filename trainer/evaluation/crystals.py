"""P(any crystal): how well it ranks images, and how many must be looked at for a recall."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from trainer.evaluation.calibration import Floats, Ints, crystal_probability
from trainer.evaluation.intervals import Resamples, interval, ratio, sum_by_unit, units_of
from trainer.evaluation.predictions import Predictions
from trainer.evaluation.ranking import rank, resampled_auc, resampled_precision, units_with_a_say
from trainer.evaluation.views import View, image_view, natural_view

RECALLS = (0.95, 0.99, 0.999)
MOST_POINTS = 400  # of a curve
_ROUNDING = 1e-9  # 0.95 of 20 crystals are 19, though 0.95 is a little more than 0.95


@dataclasses.dataclass(frozen=True, eq=False)
class Screen:
    """Records, images or groups to be looked at, likeliest crystals first.

    Attributes:
        score: P(any crystal), shape [rows].
        crystal: which have crystals, by the expert, shape [rows].
        weight: how much each counts, above 0, shape [rows].
        unit: unit of the bootstrap, shape [rows].
    """

    score: Floats
    crystal: npt.NDArray[np.bool_]
    weight: Floats
    unit: Ints

    @property
    def crystals(self) -> float:
        """How many have crystals: the sum of their weights."""
        return float(self.weight[self.crystal].sum())


def make_screens(
    predictions: Predictions, crystal_labels: Collection[int], *, temperature: float | None
) -> Mapping[str, Screen | None]:
    """Returns a split's screens by name; no `per_group` where every group is one image.

    Args:
        predictions: of the records.
        crystal_labels: indices of labels that mean there is a crystal.
        temperature: what logits are divided by; None for 1.
    """
    images = _screen(image_view(predictions, temperature), crystal_labels)
    grouped = predictions.groups < predictions.images
    return {
        "natural": _screen(natural_view(predictions, temperature), crystal_labels),
        "per_image": images,
        "per_group": screen_groups(images, predictions) if grouped else None,
    }


def _screen(view: View, crystal_labels: Collection[int]) -> Screen:
    return Screen(
        score=crystal_probability(view.probabilities, crystal_labels),
        crystal=np.isin(view.label, sorted(crystal_labels)),
        weight=view.weight,
        unit=view.unit,
    )


def screen_groups(images: Screen, predictions: Predictions) -> Screen:
    """Returns the groups of a split.

    A group has crystals if any of its images has, and its score is the highest of theirs: who
    looks at a drop's images one by one finds it at the likeliest.
    """
    group = predictions.of_group[predictions.first_of_images()]
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(predictions.groups))
    return Screen(
        score=np.maximum.reduceat(images.score[order], starts),
        crystal=np.logical_or.reduceat(images.crystal[order], starts),
        weight=np.ones(predictions.groups),
        unit=units_of(np.arange(predictions.groups)),
    )


@dataclasses.dataclass(frozen=True)
class Threshold:
    """A score from which on images are looked at.

    Attributes:
        recall: share of crystals wanted.
        score: the threshold.
        crystals: how many crystals it was chosen on.
    """

    recall: float
    score: float
    crystals: int


def choose_thresholds(screen: Screen) -> Sequence[Threshold] | None:
    """Returns the highest threshold for each of `RECALLS`, or None if there are no crystals."""
    if not screen.crystals:
        return None
    scores, weights = screen.score[screen.crystal], screen.weight[screen.crystal]
    order = np.argsort(-scores)
    found = np.cumsum(weights[order])
    wanted = np.array(RECALLS) * found[-1] * (1 - _ROUNDING)
    at = scores[order][np.searchsorted(found, wanted)].tolist()
    crystals = round(screen.crystals)
    return [Threshold(*each, crystals) for each in zip(RECALLS, at, strict=True)]


def screen_facts(
    screen: Screen, *, thresholds: Sequence[Threshold] | None, resamples: Resamples
) -> dict[str, Any] | None:
    """Returns a screen's numbers, the P of `evaluation.json`.

    Returns:
        None if there are no crystals, or nothing but crystals.
    """
    if screen.crystal.all() or not screen.crystal.any():
        return None
    return {
        "prevalence": _prevalence(screen),
        "crystals": round(screen.crystals),
        **_curves(screen, resamples),
        "workload": _workload(screen, thresholds, resamples),
    }


def _curves(screen: Screen, resamples: Resamples) -> dict[str, Any]:
    ranking = rank(
        screen.score,
        screen.crystal,
        weight=screen.weight,
        unit=screen.unit,
        units=resamples.units,
    )
    units = units_with_a_say(screen.unit, screen.crystal)
    exact = {
        "y_true": screen.crystal,
        "y_score": screen.score,
        "sample_weight": screen.weight,
    }
    fpr, tpr, _ = roc_curve(**exact, drop_intermediate=False)
    precision, recall, _ = precision_recall_curve(**exact)
    roc = thin(fpr, tpr)
    points = thin(recall[::-1], precision[::-1])
    auc = interval(
        roc_auc_score(**exact),
        resampled_auc([ranking], resamples)[:, 0],
        units=units,
    )
    average = interval(
        average_precision_score(**exact),
        resampled_precision(ranking, resamples),
        units=units,
    )
    return {
        "roc": {"fpr": roc[0].tolist(), "tpr": roc[1].tolist(), "auc": auc},
        "pr": {
            "recall": points[0].tolist(),
            "precision": points[1].tolist(),
            "average_precision": average,
        },
    }


def thin(across: Floats, up: Floats, *, most: int = MOST_POINTS) -> tuple[Floats, Floats]:
    """Returns at most so many points of a curve, first and last among them.

    Evenly spaced along the curve's way, not by number: a corner where little happens across
    keeps its points.
    """
    if len(across) <= most:
        return across, up
    steps = np.abs(np.diff(across)) + np.abs(np.diff(up))
    way = np.concatenate([[0.0], np.cumsum(steps)])
    kept = np.searchsorted(way, np.linspace(0, way[-1], most))
    kept = np.unique(np.concatenate([[0], kept[1:-1], [len(way) - 1]]))
    return across[kept], up[kept]


def _workload(
    screen: Screen, thresholds: Sequence[Threshold] | None, resamples: Resamples
) -> list[Mapping[str, Any]]:
    prevalence = _prevalence(screen)
    if thresholds is None:
        undefined = ("threshold", "chosen_on", "achieved_recall", "images_per_1000")
        return [
            {"recall": recall, **dict.fromkeys(undefined), "prevalence": prevalence}
            for recall in RECALLS
        ]
    return [
        {
            "recall": threshold.recall,
            "threshold": threshold.score,
            "chosen_on": threshold.crystals,
            **_looked_at(screen, threshold.score, resamples),
            "prevalence": prevalence,
        }
        for threshold in thresholds
    ]


def _prevalence(screen: Screen) -> float:
    return screen.crystals / float(screen.weight.sum())


def _looked_at(screen: Screen, threshold: float, resamples: Resamples) -> dict[str, Any]:
    """Returns what a threshold finds and costs; the threshold is the same in each resample."""
    looked_at = screen.score >= threshold
    everything = np.ones(len(looked_at), bool)
    columns = np.stack([looked_at & screen.crystal, screen.crystal, looked_at, everything], axis=1)
    by_unit = sum_by_unit(columns * screen.weight[:, None], screen.unit, resamples.units)
    found, crystals, looked, rows = by_unit.sum(axis=0)
    drawn = resamples.sums(by_unit)
    return {
        "achieved_recall": interval(
            found / crystals,
            ratio(drawn[:, 0], drawn[:, 1]),
            units=np.count_nonzero(by_unit[:, 1]),
        ),
        "images_per_1000": interval(
            1000 * looked / rows,
            1000 * ratio(drawn[:, 2], drawn[:, 3]),
            units=np.count_nonzero(by_unit[:, 3]),
        ),
    }
