"""Area under the ROC curve and average precision, of a thousand resamples at once.

scikit-learn computes both exactly, but sorts for each weighting anew: a thousand resamples of
200,000 records by ten labels would take an hour. Here the scores are sorted once, and each
resample is a column of a matrix product.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse  # type: ignore[import-untyped]

from trainer.evaluation.calibration import Floats, Ints
from trainer.evaluation.intervals import Resamples, ratio, sum_by_unit

_BLOCK = 32  # rows that one small product accumulates: many times faster than numpy.cumsum


@dataclasses.dataclass(frozen=True, eq=False)
class Ranking:
    """Rows sorted by score, with the weight that each unit has where.

    A level is a score that a positive row has; levels ascend. A negative row's weight stands at
    the first level that outscores it; above the last level it stands nowhere.

    Attributes:
        positives: weights of positive rows by their level, sparse of shape [levels, units].
        outscored: weights of negative rows, of which a level that equals them outscores half.
        below: weights of negative rows, of which a level that equals them outscores none.
        negatives: weights of all negative rows, shape [units].
    """

    positives: sparse.csr_array
    outscored: sparse.csr_array
    below: sparse.csr_array
    negatives: Floats

    def auc(self, counts: Floats) -> Floats:
        """Returns the area under the ROC curve: how often a positive outscores a negative.

        Equal scores count half. NaN where there are no positives or no negatives.

        Args:
            counts: how often each unit is there, shape [units, columns].

        Returns:
            Shape [columns].
        """
        positives = self.positives @ counts
        outscored = accumulate(self.outscored @ counts)
        pairs = positives.sum(axis=0) * (self.negatives @ counts)
        return ratio(np.einsum("lc,lc->c", positives, outscored), pairs)

    def average_precision(self, counts: Floats) -> Floats:
        """Returns the mean precision over the positives, as scikit-learn defines it.

        NaN where there are no positives. Arguments as for `auc`.
        """
        positives = self.positives @ counts
        total = positives.sum(axis=0)
        found = total - accumulate(positives) + positives
        alarms = self.negatives @ counts - accumulate(self.below @ counts)
        precision = np.where(positives > 0, ratio(found, found + alarms), 0)
        return ratio((positives * precision).sum(axis=0), total)


def rank(
    score: Floats, positive: npt.NDArray[np.bool_], *, weight: Floats, unit: Ints, units: int
) -> Ranking:
    """Returns rows by score.

    Args:
        score: shape [rows].
        positive: which rows are positive, shape [rows].
        weight: how much a row counts each time its unit is drawn, shape [rows].
        unit: unit of each row, shape [rows].
        units: how many units there are.
    """
    levels, level = np.unique(score[positive], return_inverse=True)
    score, of_negative = score[~positive], (weight[~positive], unit[~positive])
    reached = np.searchsorted(levels, score, "left")  # first level that is not less
    passed = np.searchsorted(levels, score, "right")  # first level that is more

    def matrix(at: Ints, weight: Floats, unit: Ints) -> sparse.csr_array:
        inside = at < len(levels)
        entries = (weight[inside], (at[inside], unit[inside]))
        return sparse.coo_array(entries, shape=(len(levels), units)).tocsr()

    below = matrix(passed, *of_negative)
    return Ranking(
        positives=matrix(level, weight[positive], unit[positive]),
        outscored=(matrix(reached, *of_negative) + below) / 2,
        below=below,
        negatives=sum_by_unit(weight[~positive, None], unit[~positive], units)[:, 0],
    )


def accumulate(values: Floats) -> Floats:
    """Returns sums of each row and all before it, as `numpy.cumsum(values, axis=0)`.

    >>> accumulate(np.ones((3, 1))).ravel().tolist()
    [1.0, 2.0, 3.0]
    """
    rows, columns = values.shape
    padded = np.zeros((-(-rows // _BLOCK), _BLOCK, columns))
    padded.reshape(-1, columns)[:rows] = values
    sums: Floats = np.matmul(np.tril(np.ones((_BLOCK, _BLOCK))), padded)
    sums[1:] += np.cumsum(sums[:-1, -1], axis=0)[:, None]
    flat: Floats = sums.reshape(-1, columns)
    return flat[:rows]


def resampled_auc(rankings: Sequence[Ranking], resamples: Resamples) -> Floats:
    """Returns the area under each ROC curve in each resample, shape [resamples, rankings]."""
    found = np.empty((resamples.counts.shape[1], len(rankings)))
    for start, chunk in resamples.chunks():
        for place, ranking in enumerate(rankings):
            found[start : start + chunk.shape[1], place] = ranking.auc(chunk)
    return found


def resampled_precision(ranking: Ranking, resamples: Resamples) -> Floats:
    """Returns the average precision in each resample, shape [resamples]."""
    found = np.empty(resamples.counts.shape[1])
    for start, chunk in resamples.chunks():
        found[start : start + chunk.shape[1]] = ranking.average_precision(chunk)
    return found


def units_with_a_say(unit: Ints, positive: npt.NDArray[np.bool_]) -> int:
    """Returns how many units have positive rows, or how many have negative ones, if fewer.

    Were it one, each resample that has it at all would have the same rows of that kind.
    """
    return min(len(np.unique(unit[positive])), len(np.unique(unit[~positive])))
