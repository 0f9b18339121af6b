"""One build at a time in one dataset."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import BuildError

_LOCK_FILE = ".lock"
_held: set[Path] = set()  # datasets that this process has locked


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the lock of a dataset; the system lets go of it when the process ends, however.

    Raises:
        BuildError: if another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _LOCK_FILE
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise BuildError(
                f"{folder} is being built by {holder}; wait for it, or choose another --out"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        _held.add(folder)
        try:
            yield
        finally:
            _held.discard(folder)


def holds_lock(folder: Path) -> bool:
    """Returns whether this process has locked a dataset."""
    return folder in _held
