"""The catalog of a version: a Parquet file with one row an image.

pyarrow is loaded where it is used: it takes a quarter of a CPU-second, which a
command that writes no catalog should not pay.
"""

import array
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

CATALOG_FILE = "catalog.parquet"

_ROWS_AT_A_TIME = 16384  # rows of a row group; bounds the memory of reader and writer
_COMPRESSION_LEVEL = 3
# Columns of few distinct values; trying it on names and digests only costs time.
_DICTIONARY_COLUMNS = ("label", "split", "shard", "group")


class CatalogRow(NamedTuple):
    """One image of a version.

    Attributes:
        image_id: name of the image in the manifest.
        uri: where the image was read.
        label: its label, by name.
        label_index: index of the label in the label set, as in the records.
        group: its drop, well or plate.
        split: the split of the group.
        copies: how many variants the version has of it; 0 for a reject.
        shard: file name of its shard inside the version; None for a reject.
        content_digest: SHA-256 of the source file, hexadecimal; None for a reject.
    """

    image_id: str
    uri: str
    label: str
    label_index: int
    group: str
    split: str
    copies: int
    shard: str | None
    content_digest: str | None


def _schema() -> "pa.Schema":
    import pyarrow as pa  # noqa: PLC0415

    text = pa.string()
    return pa.schema(
        [
            pa.field("image_id", text, nullable=False),
            pa.field("uri", text, nullable=False),
            pa.field("label", text, nullable=False),
            pa.field("label_index", pa.int32(), nullable=False),
            pa.field("group", text, nullable=False),
            pa.field("split", text, nullable=False),
            pa.field("copies", pa.int32(), nullable=False),
            pa.field("shard", text),
            pa.field("content_digest", text),
        ]
    )


def write_catalog(rows: Iterable[CatalogRow], target: Path | BinaryIO) -> None:
    """Writes the catalog, rows in the order they come.

    The same rows give the same bytes under one release of pyarrow (the file names
    it); other releases may give others that read the same.

    Args:
        rows: one row an image; may be a generator, a part is in memory at a time.
        target: a path, or a binary stream that need not seek.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    schema = _schema()
    remaining = iter(rows)
    with pq.ParquetWriter(
        target,
        schema,
        compression="zstd",
        compression_level=_COMPRESSION_LEVEL,
        use_dictionary=_DICTIONARY_COLUMNS,
        store_schema=False,  # plain Parquet types need no Arrow schema beside them
    ) as writer:
        while part := list(itertools.islice(remaining, _ROWS_AT_A_TIME)):
            columns = [
                _array(values, field.type)
                for values, field in zip(zip(*part, strict=True), schema, strict=True)
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))


def _array(values: tuple[Any, ...], kind: "pa.DataType") -> "pa.Array":
    """Returns a column. `pyarrow.array` would load pandas, if it is there: half a second."""
    import pyarrow as pa  # noqa: PLC0415

    if pa.types.is_string(kind):
        builder = pa.lib.StringBuilder()
        builder.append_values(values)
        return builder.finish()
    buffer = pa.py_buffer(array.array("i", values))
    return pa.Array.from_buffers(kind, len(values), [None, buffer])


def read_catalog(source: Path | BinaryIO) -> Iterator[CatalogRow]:
    """Gives the rows of a catalog in the order they were written.

    Raises:
        ValueError: if the file is no catalog: a column is missing.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415

    names = list(CatalogRow._fields)
    with pq.ParquetFile(source) as file:
        missing = [name for name in names if name not in file.schema_arrow.names]
        if missing:
            raise ValueError(f"{source} is no catalog: column {', '.join(missing)} is missing")
        for batch in file.iter_batches(batch_size=_ROWS_AT_A_TIME, columns=names):
            columns: list[list[Any]] = [batch.column(name).to_pylist() for name in names]
            yield from map(CatalogRow._make, zip(*columns, strict=True))
