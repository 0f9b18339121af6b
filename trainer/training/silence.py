"""What libraries print past Python while TensorFlow is loaded, put aside."""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

# Lines of absl's log, and its complaint that it was not set up before them.
_LOG_LINE = re.compile(rb"(WARNING: All log messages before absl|[IWE]\d{4} )[^\n]*\n?")


@contextlib.contextmanager
def log_put_aside() -> Iterator[list[str]]:
    """Keeps lines of absl's log from the standard error output while the block runs.

    TensorFlow writes some before any setting of its own can stop them. All else that comes
    in the meantime is written afterwards.

    Gives:
        A list that has the lines once the block is over.
    """
    lines: list[str] = []
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with tempfile.TemporaryFile() as aside:
            os.dup2(aside.fileno(), 2)
            try:
                yield lines
            finally:
                sys.stderr.flush()
                os.dup2(kept, 2)
                aside.seek(0)
                text = aside.read()
                lines += [match[0].decode().strip() for match in _LOG_LINE.finditer(text)]
                os.write(2, _LOG_LINE.sub(b"", text))
    finally:
        os.close(kept)
