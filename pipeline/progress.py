"""Progress of long work: a bar on a terminal, a line every 30 s in a log."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

import tqdm

_LOG_SECONDS = 30.0
_BAR_SECONDS = 0.2


class Tally:
    """Counts of what is done in this process; any thread may add to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = (0, 0, 0)

    def add(self, *, images: int, records: int = 0, rejects: int = 0) -> None:
        """Adds what was just finished."""
        with self._lock:
            before = self._counts
            self._counts = (before[0] + images, before[1] + records, before[2] + rejects)

    def read(self) -> tuple[int, int, int]:
        """Returns (images, records, rejects) so far."""
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
    thread = threading.Thread(target=show, args=(total_images, out, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _bar(total: int, out: TextIO, stop: threading.Event) -> None:
    start = TALLY.read()
    with tqdm.tqdm(total=total, unit=" images", file=out, dynamic_ncols=True) as bar:
        began = time.monotonic()
        stopped = False
        while not stopped:
            stopped = stop.wait(_BAR_SECONDS)
            images, records, rejects = (
                now - then for now, then in zip(TALLY.read(), start, strict=True)
            )
            rate = records / max(1e-9, time.monotonic() - began)
            bar.set_postfix_str(f"{rate:.0f} records/s, {rejects} rejects", refresh=False)
            bar.update(images - bar.n)
            bar.refresh()


def _log(total: int, out: TextIO, stop: threading.Event) -> None:
    start = TALLY.read()
    began = time.monotonic()
    while not stop.wait(_LOG_SECONDS):
        images, records, rejects = (
            now - then for now, then in zip(TALLY.read(), start, strict=True)
        )
        seconds = time.monotonic() - began
        left = duration((total - images) * seconds / images) if images else "unknown"
        print(
            f"{images:,} of {total:,} images ({images / seconds:.0f}/s), {records:,} records "
            f"({records / seconds:.0f}/s), {rejects} rejects, {left} left",
            file=out,
            flush=True,
        )


def duration(seconds: float) -> str:
    """Returns a time for a person.

    >>> duration(3.2), duration(95), duration(7380)
    ('3 s', '1 min 35 s', '2 h 3 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
