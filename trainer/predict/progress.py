"""Progress of a prediction: a bar on a terminal, a line every 30 s in a log."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TextIO

import tqdm

from trainer.predict.ahead import Failure
from trainer.predict.classify import Classified

LOG_SECONDS = 30.0


def watched(
    outcomes: Iterable[Classified], total: int, *, stream: TextIO | None = None
) -> Iterator[Classified]:
    """Gives the outcomes on, and shows how many there were, how fast, and how long it will take.

    Args:
        outcomes: one for each image.
        total: how many there will be.
        stream: where to; default the standard error stream.
    """
    out = stream or sys.stderr
    terminal = out.isatty()
    bar = tqdm.tqdm(outcomes, total=total, unit=" images", file=out, disable=not terminal)
    began = last = time.monotonic()
    failures = 0
    for done, outcome in enumerate(bar, start=1):
        failures += isinstance(outcome, Failure)
        if terminal:
            bar.set_postfix_str(f"{failures} could not be used", refresh=False)
        elif time.monotonic() - last >= LOG_SECONDS:
            last = time.monotonic()
            rate = done / (last - began)
            left = (total - done) / rate
            print(
                f"{done:,} of {total:,} images ({rate:.1f}/s), {failures} could not be used, "
                f"{left:.0f} s left",
                file=out,
                flush=True,
            )
        yield outcome
