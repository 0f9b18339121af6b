"""Errors that a person can act on, and what a person is told of errors."""

import errno
import re
from pathlib import Path

_TO_DO = {
    errno.ENOSPC: "make room, then run the same command again (what is done is kept)",
    errno.EDQUOT: "make room, then run the same command again (what is done is kept)",
    errno.EROFS: "choose a folder that can be written to",
}
# The last line of a traceback, as engines pass it on from their workers: the class of the
# error, what it says, and what Beam adds.
_ERROR_LINE = re.compile(
    r"^(?:RuntimeError: )*(?P<name>[\w.]*(?:Error|Exception|Died)): "
    r"(?P<message>.*?)(?: \[while running .*)?$",
    re.MULTILINE,
)


class BuildError(Exception):
    """A build that cannot go on; the message says what was wanted, what came, what to do."""


def cause_of(error: RuntimeError) -> BaseException:
    """Returns what an engine's error came from: as an error where it still is one, else as text."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, BuildError | OSError):
            return inner
        inner = inner.__cause__ or inner.__context__
    lines = list(_ERROR_LINE.finditer(str(error)))
    if not lines:
        return BuildError(f"the engine failed: {str(error).strip() or repr(error)}")
    name, message = lines[-1]["name"], lines[-1]["message"]
    if name.endswith(f".{BuildError.__name__}"):
        return BuildError(message)
    number = re.match(r"\[Errno (\d+)\] ([^:]*)(?:: '(.*)')?", message)
    if number:
        return OSError(int(number[1]), number[2], number[3])
    return BuildError(f"the engine failed with {name}: {message}; --debug shows where")


def message_of(error: BaseException, *, out: Path | None) -> str:
    """Returns what a person is told of an error.

    Args:
        error: the error.
        out: the folder that was being written, if any.
    """
    if isinstance(error, MemoryError):
        return "there is not enough memory; run the same command with fewer --processes"
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    names = [str(name) for name in (error.filename, error.filename2) if name] or [str(out or "")]
    text = f"{' -> '.join(names) or 'input or output'}: {error.strerror}"
    to_do = _TO_DO.get(error.errno or 0)
    return f"{text}; {to_do}" if to_do else text
