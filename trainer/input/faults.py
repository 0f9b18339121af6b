"""Faults that are met while tf.data reads, as the errors that they were."""

import contextlib
import re
from collections.abc import Iterator

import tensorflow as tf

from trainer.errors import DataError, TemporaryError

_KINDS = {kind.__name__: kind for kind in (DataError, TemporaryError)}
# TensorFlow keeps of an error that passes through it the name of its class and its text.
_PATTERN = re.compile(rf"\b({'|'.join(_KINDS)}): ([^\n]+)")


@contextlib.contextmanager
def data_errors() -> Iterator[None]:
    """Raises the errors of reading shards that TensorFlow has wrapped in errors of its own.

    Put it around whatever takes batches: `fit`, `predict`, a loop.

    Raises:
        DataError: if a shard is damaged; it names shard, record and byte.
        TemporaryError: if a shard cannot be read.
    """
    try:
        yield
    except tf.errors.OpError as error:
        match = _PATTERN.search(str(error))
        if match is None:
            raise
        raise _KINDS[match[1]](match[2]) from error
