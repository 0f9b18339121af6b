"""Ways to count predictions: by record, by image, by group."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from trainer.evaluation.calibration import Floats, Ints, calibrated_probabilities
from trainer.evaluation.intervals import units_of
from trainer.evaluation.predictions import Predictions

MOST_GUESSES = 3  # top-1, top-2, top-3


@dataclasses.dataclass(frozen=True, eq=False)
class View:
    """Predictions and how much each counts.

    Attributes:
        probabilities: of the labels, float64 of shape [rows, labels].
        label: the expert's labels, shape [rows].
        weight: above 0, shape [rows].
        unit: unit of the bootstrap that each row belongs to, shape [rows].
        guesses: the `MOST_GUESSES` likeliest labels (all, where there are fewer), likeliest
            first, of equally likely ones the first; shape [rows, guesses].
    """

    probabilities: Floats
    label: Ints
    weight: Floats
    unit: Ints
    guesses: Ints = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        rows = len(self.probabilities)
        if {self.label.shape, self.weight.shape, self.unit.shape} != {(rows,)}:
            raise ValueError(f"wanted a label, a weight and a unit for each of {rows} rows")
        order = np.argsort(-self.probabilities, axis=1, kind="stable")
        object.__setattr__(self, "guesses", order[:, :MOST_GUESSES])


def balanced_view(predictions: Predictions) -> View:
    """Returns the records, each counting once."""
    return _record_view(predictions, np.ones(len(predictions)))


def natural_view(predictions: Predictions, temperature: float | None = None) -> View:
    """Returns the records, each image counting once; the temperature divides the logits."""
    return _record_view(predictions, 1.0 / predictions.copies, temperature)


def image_view(predictions: Predictions, temperature: float | None = None) -> View:
    """Returns the images in order of their names, each counting once.

    Args:
        predictions: of the records.
        temperature: applied to the logits before the mean over an image's records.
    """
    first = predictions.first_of_images()
    of_records = calibrated_probabilities(predictions.logits, temperature)
    return View(
        probabilities=mean_by_image(of_records, predictions),
        label=predictions.label[first],
        weight=np.ones(len(first)),
        unit=units_of(predictions.of_group[first]),
    )


def group_view(predictions: Predictions) -> View:
    """Returns the images in order of their names, each group counting once."""
    group = predictions.of_group[predictions.first_of_images()]
    return dataclasses.replace(image_view(predictions), weight=1.0 / np.bincount(group)[group])


def make_views(predictions: Predictions) -> Mapping[str, View | None]:
    """Returns the views of a split by name; no `per_group` where every group is one image."""
    grouped = predictions.groups < predictions.images
    return {
        "balanced": balanced_view(predictions),
        "natural": natural_view(predictions),
        "per_image": image_view(predictions),
        "per_group": group_view(predictions) if grouped else None,
    }


def mean_by_image(values: Floats, predictions: Predictions) -> Floats:
    """Returns means over the records of each image, shape [images, columns].

    Args:
        values: of the records, shape [records, columns].
        predictions: tells the image of each record.
    """
    order = np.lexsort((predictions.variant, predictions.image))
    starts = np.searchsorted(predictions.image[order], np.arange(predictions.images))
    sums: Floats = np.add.reduceat(values[order], starts, axis=0)
    return sums / np.bincount(predictions.image)[:, None]


def _record_view(
    predictions: Predictions, weight: Floats, temperature: float | None = None
) -> View:
    return View(
        probabilities=calibrated_probabilities(predictions.logits, temperature),
        label=predictions.label,
        weight=weight,
        unit=units_of(predictions.of_group),
    )
