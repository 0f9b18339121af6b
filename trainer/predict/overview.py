"""The numbers above the gallery: of all images, also of those that it does not show."""

import collections
import dataclasses
from collections.abc import Sequence

from trainer.predict.origin import Origin, Threshold
from trainer.predict.predictions import Prediction

BINS = 20  # of P(crystal), of equal width


@dataclasses.dataclass(frozen=True)
class Look:
    """How many images a threshold leaves to look at."""

    threshold: Threshold
    images: int


@dataclasses.dataclass(frozen=True)
class Overview:
    """Numbers of all images.

    Attributes:
        usable: images with a prediction.
        unusable: images that could not be used.
        grouped: images with a prediction of which the group is known.
        drops: groups, and images with a prediction of which no group is known.
        crystals: images whose likeliest label is a crystal label.
        bins: images by P(crystal), in `BINS` bins of equal width, ascending.
        looks: images to look at, by threshold.
        labelled: images to which an expert gave a label of the run's.
        agreed: those of them that the network gives the same label.
        missed: those with a crystal label that the network gives no crystal label.
        false_alarms: those without that it gives one.
        expert_crystals: those with a crystal label.
    """

    usable: int
    unusable: int
    grouped: int
    drops: int
    crystals: int
    bins: tuple[int, ...]
    looks: tuple[Look, ...]
    labelled: int
    agreed: int
    missed: int
    false_alarms: int
    expert_crystals: int

    @classmethod
    def of(cls, predictions: Sequence[Prediction], *, origin: Origin, drops: int) -> "Overview":
        """Returns the numbers of predictions."""
        labels = origin.labels
        scores = [p.p_crystal for p in predictions if p.p_crystal is not None]
        bins = collections.Counter(min(int(score * BINS), BINS - 1) for score in scores)
        # (expert says crystal, network says crystal)
        pairs = collections.Counter(
            (p.source.label in labels.crystal_names, p.predicted in labels.crystal_names)
            for p in predictions
            if p.predicted and p.source.label in labels.names
        )
        return cls(
            usable=len(scores),
            unusable=len(predictions) - len(scores),
            grouped=sum(bool(p.predicted and p.source.group) for p in predictions),
            drops=drops,
            crystals=sum(p.predicted in labels.crystal_names for p in predictions),
            bins=tuple(bins[number] for number in range(BINS)),
            looks=tuple(
                Look(threshold, sum(score >= threshold.value for score in scores))
                for threshold in origin.thresholds
            ),
            labelled=pairs.total(),
            agreed=sum(bool(p.predicted) and p.source.label == p.predicted for p in predictions),
            missed=pairs[True, False],
            false_alarms=pairs[False, True],
            expert_crystals=pairs[True, True] + pairs[True, False],
        )


def shared_folder(names: Sequence[str]) -> str:
    """Returns the folders that all names begin with, with the last slash.

    >>> shared_folder(["plates/a/1", "plates/a/2", "plates/b/1"])
    'plates/'
    """
    if not names:
        return ""
    first, last = min(names), max(names)
    length = next(
        (at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]),
        min(len(first), len(last)),
    )
    return first[: first.rfind("/", 0, length) + 1]
