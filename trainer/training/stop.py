"""Being told to stop: SIGTERM of a cluster, SIGUSR1 of Slurm before its time is over."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class Stop:
    """Whether this process was told to stop.

    Attributes:
        name: of the first signal that came, such as "SIGTERM"; "" before.
    """

    def __init__(self) -> None:
        self.name = ""

    def tell(self, number: int, _frame: FrameType | None = None) -> None:
        """Notes a signal; whoever works looks at it between two pieces of work."""
        self.name = self.name or signal.Signals(number).name

    def __bool__(self) -> bool:
        return bool(self.name)


@contextlib.contextmanager
def watched() -> Iterator[Stop]:
    """Notes the signals that mean to stop while the block runs.

    A handler of our own is needed even to end: process 1 of a container ignores SIGTERM else.
    """
    stop = Stop()
    earlier = {number: signal.signal(number, stop.tell) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
