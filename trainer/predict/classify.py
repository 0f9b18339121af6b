"""From rendered views to probabilities: batches through a network, views averaged."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from trainer.errors import TrainerError
from trainer.evaluation.calibration import calibrated_probabilities
from trainer.predict.ahead import Failure, Rendered

Logits = Callable[[np.ndarray], np.ndarray]  # uint8 [n, side, side, 1] -> float [n, labels]
Classified = np.ndarray | Failure  # float64 [labels], from 0 to 1, adding up to 1


def classify(
    rendered: Iterable[Rendered],
    logits: Logits,
    *,
    batch_size: int,
    temperature: float | None = None,
) -> Iterator[Classified]:
    """Gives the probabilities of each image, in order; a failure stays one.

    An image's views are classified each by itself, and the probabilities averaged, as those
    of an image's variants are where a run is evaluated image by image: the thresholds found
    there hold here.

    Args:
        rendered: views of each image, or why there are none.
        logits: the network.
        batch_size: views that the network is given at a time, at most (but all of an image's).
        temperature: what logits are divided by; None for 1.

    Raises:
        ValueError: if a number is out of its range.
        TrainerError: if the network gives something that is no number.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more, got {batch_size}")
    waiting: list[Rendered] = []
    views = 0
    for item in rendered:
        more = 0 if isinstance(item, Failure) else len(item)
        if views and views + more > batch_size:
            yield from _flush(waiting, logits, temperature)
            waiting, views = [], 0
        waiting.append(item)
        views += more
    yield from _flush(waiting, logits, temperature)


def _flush(
    waiting: list[Rendered], logits: Logits, temperature: float | None
) -> Iterator[Classified]:
    views = [item for item in waiting if not isinstance(item, Failure)]
    probabilities = iter(_means(views, logits, temperature) if views else ())
    for item in waiting:
        yield item if isinstance(item, Failure) else next(probabilities)


def _means(
    views: list[np.ndarray], logits: Logits, temperature: float | None
) -> Iterator[np.ndarray]:
    values = np.asarray(logits(np.concatenate(views)[..., np.newaxis]))
    if not np.isfinite(values).all():
        raise TrainerError(
            "wanted numbers from the network, but some are infinite or none at all: "
            "its weights are of no use; train it again"
        )
    probabilities = calibrated_probabilities(values, temperature)
    start = 0
    for item in views:
        yield probabilities[start : start + len(item)].mean(axis=0)
        start += len(item)
