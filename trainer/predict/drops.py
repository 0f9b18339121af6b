"""Images of one drop, over time: what a gallery shows as one row."""

import dataclasses
from collections.abc import Iterable, Sequence

from trainer.predict.predictions import Prediction
from trainer.predict.sources import natural_key


@dataclasses.dataclass(frozen=True)
class Drop:
    """The images of one group, or one image of which no group is known.

    Attributes:
        group: its name; "" where it is not known.
        shots: its images in natural order of their names, in which imagers count inspections.
        images: how many it has; more than `shots` where a page has no room for all.
    """

    group: str
    shots: tuple[Prediction, ...]
    images: int

    @property
    def best(self) -> Prediction:
        """Its likeliest crystal."""
        return min(self.shots, key=lambda shot: shot.rank or 0)


def find_drops(ranked: Iterable[Prediction]) -> list[Drop]:
    """Returns drops, those with the likeliest crystal at any time first.

    Args:
        ranked: predictions by rank; those of images that could not be used are left out.
    """
    shots: dict[tuple[str, str], list[Prediction]] = {}
    for prediction in ranked:
        if prediction.rank is not None:
            source = prediction.source
            key = (source.group, "" if source.group else source.uri)
            shots.setdefault(key, []).append(prediction)
    return [Drop(group, _in_time(found), len(found)) for (group, _), found in shots.items()]


def first_drops(drops: Iterable[Drop], *, images: int) -> list[Drop]:
    """Returns the first drops, with so many images in all; of the last one, the likeliest.

    Args:
        drops: likeliest first.
        images: how many to keep at most, 0 or more.
    """
    kept: list[Drop] = []
    room = images
    for drop in drops:
        if not room:
            break
        likeliest = sorted(drop.shots, key=lambda shot: shot.rank or 0)[:room]
        kept.append(dataclasses.replace(drop, shots=_in_time(likeliest)))
        room -= len(likeliest)
    return kept


def _in_time(shots: Sequence[Prediction]) -> tuple[Prediction, ...]:
    return tuple(sorted(shots, key=lambda shot: natural_key(shot.source.image_id)))
