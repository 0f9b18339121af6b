"""Errors that a person or a cluster can act on; each has the exit code that says what to do."""


class TrainerError(Exception):
    """Work that cannot go on; the message says what was wanted, what came, what to do.

    Attributes:
        exit_code: what the process ends with. Clusters retry or give up by it.
    """

    exit_code = 1


class UsageError(TrainerError):
    """A command, a config or a machine that cannot be used as asked: a retry would not help."""

    exit_code = 2


class DataError(TrainerError):
    """A dataset that cannot be used: unfinished, foreign, damaged, of other labels."""

    exit_code = 65  # EX_DATAERR of sysexits.h


class DivergedError(TrainerError):
    """A training whose loss is no number any more."""

    exit_code = 70  # EX_SOFTWARE of sysexits.h


class TemporaryError(TrainerError):
    """A fault that may pass, such as a full disk: the same command may succeed later."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h


class StoppedError(TrainerError):
    """A training that was told to stop, and has saved what it had."""

    exit_code = 143  # 128 + SIGTERM
