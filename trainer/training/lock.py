"""One training at a time in one run folder."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from trainer.errors import TemporaryError

_LOCK_FILE = ".lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the lock of a run; the system lets go of it when the process ends, however.

    Raises:
        TemporaryError: if another process holds it: on a cluster, the one before may not have
            ended yet.
    """
    with (folder / _LOCK_FILE).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise TemporaryError(
                f"{folder} is being trained by {holder}; wait for it, or choose another --out"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        yield
