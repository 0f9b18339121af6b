"""What a network says of images: probabilities, and their rank by P(any crystal)."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from schemas.labels import LabelSet
from trainer.evaluation.calibration import crystal_probability
from trainer.predict.ahead import Failure
from trainer.predict.classify import Classified
from trainer.predict.sources import Source


@dataclasses.dataclass(frozen=True)
class Prediction:
    """One image, and what the network says of it.

    Attributes:
        source: the image.
        probabilities: of each label, in the order of the label set, 0 to 1, adding up to 1;
            empty where the image could not be used.
        p_crystal: sum over the crystal labels, 0 to 1; None where it could not be used.
        rank: 1 for the likeliest crystal of all; None where it could not be used.
        predicted: the likeliest label, of equal ones the first; "" where it could not be used.
        failure: why it could not be used, or None.
    """

    source: Source
    probabilities: tuple[float, ...] = ()
    p_crystal: float | None = None
    rank: int | None = None
    predicted: str = ""
    failure: Failure | None = None


def rank_predictions(
    sources: Sequence[Source], classified: Iterable[Classified], *, labels: LabelSet
) -> list[Prediction]:
    """Returns predictions, likeliest crystals first, failures last.

    Equally likely ones, and failures, keep the order of the sources.

    Args:
        sources: the images.
        classified: what came of each, in the same order.
        labels: the labels, in the order of the probabilities.

    Raises:
        ValueError: if there are not as many outcomes as images.
    """
    found = [_judge(*pair, labels) for pair in zip(sources, classified, strict=True)]
    usable = [prediction for prediction in found if prediction.p_crystal is not None]
    usable.sort(key=lambda prediction: -(prediction.p_crystal or 0.0))
    ranked = [
        dataclasses.replace(prediction, rank=rank) for rank, prediction in enumerate(usable, 1)
    ]
    return [*ranked, *(prediction for prediction in found if prediction.failure)]


def _judge(source: Source, outcome: Classified, labels: LabelSet) -> Prediction:
    if isinstance(outcome, Failure):
        return Prediction(source, failure=outcome)
    return Prediction(
        source,
        probabilities=tuple(outcome.tolist()),
        p_crystal=float(crystal_probability(outcome, labels.crystal_indices)),
        predicted=labels.names[int(np.argmax(outcome))],
    )
