"""Bootstrap intervals by group.

Variants of an image and images of a drop are not independent, so what is drawn again is
whole groups: each resample has as many groups as there are, drawn with replacement (the
cluster bootstrap; Davison and Hinkley, "Bootstrap Methods and their Application", 1997,
section 3.8). One draw serves all numbers of a split, so a resample is the same in each.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.evaluation.calibration import Floats, Ints

LEVEL = 0.95
RESAMPLES = 1000
SEED = 0

# Above this many, several groups are drawn as one (by number, which tells nothing of them): as
# independent as single groups are, and memory stays at 65 MB for a thousand resamples.
MOST_UNITS = 65536
_COLUMNS = 16  # resamples at a time


@dataclasses.dataclass(frozen=True, eq=False)
class Resamples:
    """How often each unit is drawn in each resample.

    Attributes:
        counts: uint8 of shape [units, resamples]; each column's sum is the number of units.
    """

    counts: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.counts.ndim != 2 or not len(self.counts):
            raise ValueError(f"resamples want one unit or more, got shape {self.counts.shape}")

    @property
    def units(self) -> int:
        """How many units there are."""
        return len(self.counts)

    def chunks(self) -> Iterator[tuple[int, Floats]]:
        """Gives some resamples at a time: number of the first, float64 of [units, some]."""
        for start in range(0, self.counts.shape[1], _COLUMNS):
            yield start, self.counts[:, start : start + _COLUMNS].astype(np.float64)

    def sums(self, table: Floats) -> Floats:
        """Returns sums over the drawn units, of shape [resamples, columns].

        Args:
            table: each unit's own sums, shape [units, columns].
        """
        found = np.empty((self.counts.shape[1], table.shape[1]))
        for start, chunk in self.chunks():
            found[start : start + chunk.shape[1]] = chunk.T @ table
        return found


def draw_resamples(groups: int, *, resamples: int = RESAMPLES, seed: int = SEED) -> Resamples:
    """Returns resamples of so many groups, one or more; the same for the same arguments."""
    units = min(groups, MOST_UNITS)
    rng = np.random.default_rng(seed)
    counts = np.empty((resamples, units), np.uint8)
    for row in counts:
        row[:] = np.bincount(rng.integers(units, size=units), minlength=units)
    return Resamples(np.ascontiguousarray(counts.T))


def units_of(group: Ints) -> Ints:
    """Returns the unit of each row's group, by the group's number from 0."""
    return group % MOST_UNITS


def sum_by_unit(columns: Floats, unit: Ints, units: int) -> Floats:
    """Returns sums of rows by unit.

    Args:
        columns: shape [rows, columns].
        unit: unit of each row, 0 to units - 1.
        units: how many units there are.

    Returns:
        Shape [units, columns].
    """
    return np.stack([np.bincount(unit, column, units) for column in columns.T], axis=1)


def ratio(part: Floats, whole: Floats) -> Floats:
    """Returns part / whole, NaN where whole is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, np.divide(part, whole), np.nan)


def interval(
    value: float, samples: Floats, *, units: int | np.signedinteger[Any]
) -> dict[str, float | None] | None:
    """Returns a number with its percentile interval, as it stands in `evaluation.json`.

    Resamples in which the number is not defined (NaN) are left out.

    Args:
        value: the number itself; NaN if it is not defined.
        samples: the number in each resample.
        units: how many units have a say in it: with fewer than two there is no interval.

    Returns:
        None if the number is not defined.

    >>> interval(0.5, np.linspace(0, 1, 101), units=9)
    {'value': 0.5, 'low': 0.025, 'high': 0.975}
    """
    if np.isnan(value):
        return None
    defined = samples[~np.isnan(samples)]
    low = high = None
    if units >= 2 and len(defined):
        edges = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
        low, high = (round(edge, 12) for edge in edges)
    return {"value": float(value), "low": low, "high": high}
