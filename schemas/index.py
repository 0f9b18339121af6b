"""The index of a shard: where each of its records lies."""

from collections.abc import Iterable

INDEX_DIRECTORY = "index"  # inside a version; beside the shards, globs would catch the indices


def index_file_name(shard_file: str) -> str:
    """Returns the name, within the index directory, of a shard's index."""
    return f"{shard_file}.idx"


def index_text(framed_lengths: Iterable[int]) -> str:
    r"""Returns the `.idx` file of a shard: a line "offset length" for each record.

    The format of DALI's `tfrecord2idx` and of the `tfrecord` package: both numbers
    count bytes of the file, the length with the record's TFRecord frame.

    Args:
        framed_lengths: bytes of each record in the order of the shard, frame included.

    >>> index_text([116, 50])
    '0 116\n116 50\n'
    """
    lines = []
    offset = 0
    for length in framed_lengths:
        lines.append(f"{offset} {length}\n")
        offset += length
    return "".join(lines)
