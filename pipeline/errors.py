"""Errors that a person can act on."""


class BuildError(Exception):
    """A build that cannot go on; the message says what was wanted, what came, what to do."""
