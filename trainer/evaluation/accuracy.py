"""How often a view's predictions are right: the paper's tables and its Figure 3."""

import dataclasses
import math
from collections.abc import Collection
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, roc_auc_score

from trainer.evaluation.calibration import Floats
from trainer.evaluation.intervals import Resamples, interval, ratio, sum_by_unit
from trainer.evaluation.ranking import rank, resampled_auc, units_with_a_say
from trainer.evaluation.views import MOST_GUESSES, View


@dataclasses.dataclass(frozen=True, eq=False)
class Sums:
    """Sums of weights that every share of this module is a ratio of.

    The last axis of each is of labels, or of 1 to `MOST_GUESSES` guesses; others are free
    (units, resamples, or none).

    Attributes:
        there: of rows by true label.
        right: of rows by true label whose first guess it is.
        hits: of rows whose true label is among the first guesses.
        missed: of crystals without a crystal label among the first guesses.
        alarms: of other rows with a crystal label among them.
        crystals: of crystals; last axis of length 1.
        others: of other rows; last axis of length 1.
    """

    there: Floats
    right: Floats
    hits: Floats
    missed: Floats
    alarms: Floats
    crystals: Floats
    others: Floats

    @property
    def total(self) -> Floats:
        """Sum of all weights; last axis of length 1."""
        total: Floats = self.there.sum(axis=-1, keepdims=True)
        return total

    def columns(self) -> Floats:
        """Returns all sums side by side in the last axis."""
        return np.concatenate([getattr(self, f.name) for f in dataclasses.fields(self)], axis=-1)

    @classmethod
    def split(cls, columns: Floats, *, labels: int) -> "Sums":
        """Returns what `columns` made one array of."""
        widths = [labels, labels, *[MOST_GUESSES] * 3, 1]
        return cls(*np.split(columns, np.cumsum(widths), axis=-1))


def sum_rows(view: View, crystal_labels: Collection[int], *, units: int) -> Sums:
    """Returns the sums of each unit, arrays of shape [units, ...]."""
    labels = view.probabilities.shape[1]
    true = view.label[:, None]
    is_crystal = np.isin(np.arange(labels), sorted(crystal_labels))
    crystal = is_crystal[true]
    there = true == np.arange(labels)
    # of label sets with fewer labels than guesses, the last guesses are all labels again
    places = np.minimum(np.arange(MOST_GUESSES), view.guesses.shape[1] - 1)
    any_crystal = np.logical_or.accumulate(is_crystal[view.guesses], axis=1)[:, places]
    columns = (
        there,
        there & (view.guesses[:, :1] == true),
        np.logical_or.accumulate(view.guesses == true, axis=1)[:, places],
        crystal & ~any_crystal,
        ~crystal & any_crystal,
        crystal,
        ~crystal,
    )
    weights = np.concatenate(columns, axis=1) * view.weight[:, None]
    return Sums.split(sum_by_unit(weights, view.unit, units), labels=labels)


def view_facts(
    view: View, *, crystal_labels: Collection[int], resamples: Resamples
) -> dict[str, Any]:
    """Returns a view's numbers, the V of `evaluation.json`."""
    labels = view.probabilities.shape[1]
    by_unit = sum_rows(view, crystal_labels, units=resamples.units)
    whole = Sums.split(by_unit.columns().sum(axis=0), labels=labels)
    drawn = Sums.split(resamples.sums(by_unit.columns()), labels=labels)
    units = int(np.count_nonzero(by_unit.total))
    tops = ratio(drawn.hits, drawn.total)
    recalls = ratio(drawn.right, drawn.there)
    return {
        "weight": whole.total.item(),
        "top": [
            interval(value, tops[:, n], units=units)
            for n, value in enumerate(ratio(whole.hits, whole.total))
        ],
        "per_label": [
            interval(value, recalls[:, n], units=np.count_nonzero(by_unit.there[:, n]))
            for n, value in enumerate(ratio(whole.right, whole.there))
        ],
        "macro_recall": interval(
            _macro_recall(whole).item(), _macro_recall(drawn).ravel(), units=units
        ),
        **_confusion(view),
        "auc": _label_aucs(view, resamples),
        "missed_crystals": _missed_crystals(by_unit, whole, drawn, crystal_labels),
    }


def random_missed(labels: int, crystals: int, guesses: int) -> float:
    """Returns the share of crystals that labels in random order miss.

    Also one minus the share of other images that they flag: a random order does not look.

    >>> [round(random_missed(10, 5, n), 4) for n in (1, 2, 3)]
    [0.5, 0.2222, 0.0833]
    """
    taken = min(guesses, labels)
    return math.comb(labels - crystals, taken) / math.comb(labels, taken)


def _macro_recall(sums: Sums) -> Floats:
    """Returns the mean recall over the labels that are there; last axis of length 1."""
    recalls = ratio(sums.right, sums.there)
    there = ~np.isnan(recalls)
    total = np.where(there, recalls, 0).sum(axis=-1, keepdims=True)
    return ratio(total, there.sum(axis=-1, keepdims=True).astype(np.float64))


def _confusion(view: View) -> dict[str, Any]:
    labels = view.probabilities.shape[1]
    counts = confusion_matrix(
        view.label, view.guesses[:, 0], labels=np.arange(labels), sample_weight=view.weight
    ).T.astype(np.float64)
    percent = 100 * ratio(counts, counts.sum(axis=0, keepdims=True))
    return {
        "confusion": [[None if np.isnan(p) else p for p in row] for row in percent.tolist()],
        "confusion_counts": counts.tolist(),
    }


def _label_aucs(view: View, resamples: Resamples) -> list[Any]:
    """Returns the AUC of each label against all others, None where there are none of either."""
    found: list[Any] = [None] * view.probabilities.shape[1]
    defined = [
        n for n in range(len(found)) if 0 < np.count_nonzero(view.label == n) < len(view.label)
    ]
    rankings = [
        rank(
            view.probabilities[:, n],
            view.label == n,
            weight=view.weight,
            unit=view.unit,
            units=resamples.units,
        )
        for n in defined
    ]
    samples = resampled_auc(rankings, resamples)
    for place, n in enumerate(defined):
        positive = view.label == n
        value = roc_auc_score(positive, view.probabilities[:, n], sample_weight=view.weight)
        found[n] = interval(value, samples[:, place], units=units_with_a_say(view.unit, positive))
    return found


def _missed_crystals(
    by_unit: Sums, whole: Sums, drawn: Sums, crystal_labels: Collection[int]
) -> list[dict[str, Any]]:
    labels = by_unit.there.shape[-1]
    missed = ratio(whole.missed, whole.crystals), ratio(drawn.missed, drawn.crystals)
    alarms = ratio(whole.alarms, whole.others), ratio(drawn.alarms, drawn.others)
    of_crystals, of_others = np.count_nonzero(by_unit.crystals), np.count_nonzero(by_unit.others)
    facts = []
    for n in range(MOST_GUESSES):
        chance = random_missed(labels, len(crystal_labels), n + 1)
        facts.append(
            {
                "missed": interval(missed[0][n], missed[1][:, n], units=of_crystals),
                "false_alarms": interval(alarms[0][n], alarms[1][:, n], units=of_others),
                "random_missed": chance,
                "random_false_alarms": 1 - chance,
            }
        )
    return facts
