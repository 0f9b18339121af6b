"""Progress of a pass over records: a bar on a terminal, a line every 30 s in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

import tqdm

_LOG_SECONDS = 30.0


@contextmanager
def shown(
    what: str, records: int, *, stream: TextIO | None = None
) -> Iterator[Callable[[int], object]]:
    """Gives a function to call with the number of records that were just finished.

    Args:
        what: what is done, such as "predicting test".
        records: how many there are in all.
        stream: where to show it; default: standard error.
    """
    out = stream or sys.stderr
    if not out.isatty():
        yield _Log(what, records, out).add
        return
    with tqdm.tqdm(total=records, desc=what, unit=" records", file=out, dynamic_ncols=True) as bar:
        yield bar.update


class _Log:
    def __init__(self, what: str, records: int, out: TextIO):
        self._what, self._records, self._out = what, records, out
        self._began = self._said = time.monotonic()
        self._done = 0

    def add(self, records: int) -> None:
        self._done += records
        now = time.monotonic()
        if now - self._said < _LOG_SECONDS:
            return
        self._said = now
        rate = self._done / (now - self._began)
        left = (self._records - self._done) / rate
        print(
            f"{self._what}: {self._done:,} of {self._records:,} records "
            f"({rate:,.0f}/s), {left:,.0f} s left",
            file=self._out,
            flush=True,
        )
