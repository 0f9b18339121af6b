"""Probabilities that mean what they say: one temperature for all logits.

Temperature scaling and the expected calibration error are those of Guo, Pleiss, Sun and
Weinberger, "On Calibration of Modern Neural Networks", ICML 2017 (arXiv:1706.04599).
"""

import dataclasses
import math
from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer[Any]]

BINS = 15  # of confidence, as in the paper of the method
COLDEST, HOTTEST = 0.05, 20.0  # bounds of a fitted temperature
_HALVINGS = 50  # of the bracket: more than a double can tell apart


@dataclasses.dataclass(frozen=True)
class Bin:
    """Predictions of like confidence.

    Attributes:
        confidence: mean probability of their likeliest label.
        accuracy: share of them whose likeliest label is true.
        count: sum of their weights.
    """

    confidence: float
    accuracy: float
    count: float


def calibrated_probabilities(
    logits: npt.NDArray[np.floating[Any]], temperature: float | None = None
) -> Floats:
    """Returns probabilities of the labels: the softmax of logits divided by a temperature.

    Computed in float64: a float32 softmax gives all it is sure of the same 1.0, and ranks
    them no more.

    Args:
        logits: what a network gives, finite, shape [..., labels].
        temperature: above 0; above 1 makes surer predictions less sure. None for 1.

    >>> calibrated_probabilities(np.array([0.0, np.log(3.0)])).round(3).tolist()
    [0.25, 0.75]
    >>> calibrated_probabilities(np.array([0.0, np.log(9.0)]), 2.0).round(3).tolist()
    [0.25, 0.75]
    """
    if temperature is not None and not 0 < temperature < math.inf:
        raise ValueError(f"a temperature is a number above 0, got {temperature}")
    scaled = np.asarray(logits, np.float64) / (1.0 if temperature is None else temperature)
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    probabilities: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def crystal_probability(probabilities: Floats, crystal_labels: Collection[int]) -> Floats:
    """Returns P(any crystal), 0 to 1, of shape [...].

    Args:
        probabilities: of the labels, shape [..., labels].
        crystal_labels: indices of those that mean there is a crystal.

    >>> crystal_probability(np.array([[0.5, 0.2, 0.3]]), {1, 2}).round(3).tolist()
    [0.5]
    """
    total: Floats = probabilities[..., sorted(crystal_labels)].sum(axis=-1)
    return np.minimum(total, 1.0)  # a sum of shares of one may round to a little more


def fit_temperature(logits: npt.NDArray[np.floating[Any]], label: Ints) -> float:
    """Returns the temperature under which the true labels are likeliest.

    The mean negative log-likelihood is convex in 1 / temperature, and its derivative there
    is the mean of (expected logit - true label's logit): bisection finds where that is 0.

    Args:
        logits: finite, shape [records, labels], one record or more.
        label: true labels, shape [records].

    Returns:
        From `COLDEST` (every prediction is right: no temperature is cold enough) to `HOTTEST`
        (they say less than nothing); 1.0 where the logits say nothing at all.
    """
    values = np.asarray(logits, np.float64)
    # above the true label's logit: of records that say nothing, exactly 0 in any sum
    excess = values - values[np.arange(len(values)), label][:, None]
    if not excess.any():
        return 1.0

    def surplus(temperature: float) -> float:
        return float((calibrated_probabilities(excess, temperature) * excess).sum(axis=1).mean())

    low, high = math.log(COLDEST), math.log(HOTTEST)
    if surplus(COLDEST) <= 0:
        return COLDEST
    if surplus(HOTTEST) >= 0:
        return HOTTEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if surplus(math.exp(middle)) > 0 else (low, middle)
    return math.exp((low + high) / 2)


def calibration_bins(probabilities: Floats, label: Ints, weight: Floats) -> list[Bin]:
    """Returns predictions by the confidence of their likeliest label, ascending.

    Of `BINS` bins of equal width, closed above; those without predictions are left out.
    Where labels are equally likely, the first one counts as likeliest.

    Args:
        probabilities: shape [records, labels].
        label: true labels, shape [records].
        weight: how much each record counts, 0 or more, shape [records].
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == label
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    count = np.bincount(place, weight, BINS)
    sure = np.bincount(place, weight * confidence, BINS)
    found = np.bincount(place, weight * right, BINS)
    return [
        Bin(float(sure[b] / count[b]), float(found[b] / count[b]), float(count[b]))
        for b in np.flatnonzero(count)
    ]


def expected_calibration_error(bins: list[Bin]) -> float:
    """Returns the mean distance of confidence and accuracy, 0 to 1.

    >>> expected_calibration_error([Bin(0.5, 0.7, 1.0), Bin(0.9, 0.8, 3.0)])
    0.125
    """
    total = sum(b.count for b in bins)
    error = sum(b.count * abs(b.confidence - b.accuracy) for b in bins) / total
    return round(error, 15)
