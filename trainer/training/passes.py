"""One pass over a split, in calls short enough to notice a signal or a broken loss between."""

import math
import time
from collections.abc import Callable
from typing import NamedTuple

from trainer.errors import DivergedError, StoppedError
from trainer.progress import Progress
from trainer.training.learner import Sums
from trainer.training.stop import Stop

_CALL_SECONDS = 0.25
_MOST_STEPS = 64  # a call; what a call costs beside its steps is lost in them long before


class Place(NamedTuple):
    """Where a pass is, for what stops it to say.

    Attributes:
        title: such as "epoch 3 of 70".
        kept: what is on disk already, and what to do to go on from there.
    """

    title: str
    kept: str


def go_through(
    advance: Callable[[int, Sums], Sums],
    steps: int,
    *,
    place: Place,
    progress: Progress,
    stop: Stop,
) -> Sums:
    """Makes a pass and returns its sums.

    Args:
        advance: takes a number of steps and the sums so far; gives the sums then.
        steps: of the whole pass.
        place: where this is.
        progress: told the records.
        stop: looked at after every call.

    Raises:
        DivergedError: if the loss is no number any more.
        StoppedError: if the process was told to stop.
    """
    sums, done, count = Sums(), 0, 1
    while done < steps:
        count = min(count, steps - done)
        began, before = time.monotonic(), sums
        sums = advance(count, sums)
        done += count
        if not math.isfinite(sums.loss):
            raise DivergedError(
                f"{place.title}, step {done}: the loss is no number any more; give a lower "
                f"--learning-rate or a --clip-norm ({place.kept})"
            )
        progress.add(round(sums.records - before.records), f"loss {sums.mean_loss:.3f}")
        if stop:
            raise StoppedError(f"stopped by {stop.name} in {place.title}; {place.kept}")
        count = _next_count(count, time.monotonic() - began)
    return sums


def _next_count(count: int, seconds: float) -> int:
    """Returns how many steps the next call should take; grows to twice as many at most."""
    fitting = int(_CALL_SECONDS * count / max(seconds, 1e-6))
    return max(1, min(fitting, 2 * count, _MOST_STEPS))
