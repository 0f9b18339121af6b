"""Progress of long work: a bar on a terminal, a line every 30 s in a log."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple, TextIO

_LOG_SECONDS = 30.0
_BAR_SECONDS = 0.2


class Counts(NamedTuple):
    """What is done.

    Attributes:
        images: images finished, rejects among them.
        rendered: records rendered.
        opened: source images opened.
        rejects: images that could not be used.
    """

    images: int = 0
    rendered: int = 0
    opened: int = 0
    rejects: int = 0

    def since(self, earlier: "Counts") -> "Counts":
        """Returns what was done since earlier counts."""
        return Counts(*(now - then for now, then in zip(self, earlier, strict=True)))


class Tally:
    """Counts of what is done in this process; any thread may add to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = Counts()

    def add(self, *, images: int, rendered: int = 0, opened: int = 0, rejects: int = 0) -> None:
        """Adds what was just finished."""
        with self._lock:
            now = self._counts
            self._counts = Counts(
                now.images + images,
                now.rendered + rendered,
                now.opened + opened,
                now.rejects + rejects,
            )

    def read(self) -> Counts:
        """Returns the counts so far."""
        return self._counts


# The shard step is pickled and shipped by the engine, so it cannot carry an object to
# report to; where engine and command share a process, they share this.
TALLY = Tally()


@contextlib.contextmanager
def shown(total_images: int, *, stream: TextIO | None = None) -> Iterator[None]:
    """Shows the progress of the block towards so many images, read off `TALLY`."""
    out = stream or sys.stderr
    stop = threading.Event()
    show = _bar if out.isatty() else _log
    arguments = (total_images, TALLY.read(), out, stop)
    thread = threading.Thread(target=show, args=arguments, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _bar(total: int, start: Counts, out: TextIO, stop: threading.Event) -> None:
    import tqdm  # noqa: PLC0415 - a log does without

    with tqdm.tqdm(total=total, unit=" images", file=out, dynamic_ncols=True) as bar:
        began = time.monotonic()
        stopped = False
        while not stopped:
            stopped = stop.wait(_BAR_SECONDS)
            done = TALLY.read().since(start)
            rate = done.rendered / max(1e-9, time.monotonic() - began)
            bar.set_postfix_str(f"{rate:.0f} records/s, {done.rejects} rejects", refresh=False)
            bar.update(done.images - bar.n)
            bar.refresh()


def _log(total: int, start: Counts, out: TextIO, stop: threading.Event) -> None:
    began = time.monotonic()
    while not stop.wait(_LOG_SECONDS):
        done = TALLY.read().since(start)
        seconds = time.monotonic() - began
        left = duration((total - done.images) * seconds / done.images) if done.images else "unknown"
        print(
            f"{done.images:,} of {total:,} images ({done.images / seconds:.0f}/s), "
            f"{done.rendered:,} records ({done.rendered / seconds:.0f}/s), "
            f"{done.rejects} rejects, {left} left",
            file=out,
            flush=True,
        )


def duration(seconds: float) -> str:
    """Returns a time for a person.

    >>> duration(0.2), duration(3.2), duration(95), duration(7380)
    ('under 1 s', '3 s', '1 min 35 s', '2 h 3 min')
    """
    whole = round(seconds)
    if whole < 1:
        return "under 1 s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
