"""Progress of a pass over records or images: a bar on a terminal, a line every 30 s in a log."""

import sys
import time
from typing import TextIO

import tqdm

_LOG_SECONDS = 30.0


class Progress:
    """Shows how far a pass is; it tells no more than it is told.

    Args:
        title: of the pass, such as "epoch 3 of 70".
        total: how many there are.
        unit: of what.
        stream: where to; by default the standard error stream.
    """

    def __init__(
        self, title: str, total: int, *, unit: str = "records", stream: TextIO | None = None
    ):
        self._title, self._total, self._unit = title, total, unit
        self._out = stream or sys.stderr
        self._done = 0
        self._began = self._told = time.monotonic()
        self._bar = None
        if self._out.isatty():
            self._bar = tqdm.tqdm(
                total=total,
                desc=title,
                unit=f" {unit}",
                file=self._out,
                dynamic_ncols=True,
                leave=False,
            )

    def add(self, count: int, note: str = "") -> None:
        """Counts what is done.

        Args:
            count: how many more.
            note: what else there is to say, such as the loss so far.
        """
        self._done += count
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(count)
            return
        now = time.monotonic()
        if now - self._told >= _LOG_SECONDS:
            self._told = now
            rate = self._done / (now - self._began)
            decimals = 0 if rate >= 10 else 1
            left = duration((self._total - self._done) / rate)
            print(
                f"{self._title}: {self._done:,} of {self._total:,} {self._unit} "
                f"({rate:,.{decimals}f}/s), {note + ', ' if note else ''}{left} left",
                file=self._out,
                flush=True,
            )

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.close()


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
