"""The table of predictions, CSV or Parquet: a row an image, likeliest crystals first."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from schemas.atomic import atomic_path
from trainer.errors import UsageError
from trainer.predict.origin import Origin
from trainer.predict.predictions import Prediction

CSV, PARQUET = ".csv", ".parquet"
LABEL_COLUMN = "p:"  # how the names of the labels' columns begin: a label may be called "rank"

_BEFORE = ("image_id", "uri", "group", "label", "predicted", "p_crystal", "rank")
_AFTER = ("views", "temperature", "model", "dataset", "error")
_ROWS_AT_A_TIME = 16_384  # of Parquet's row groups

Cell = str | float | int | None


def check_table_path(path: Path) -> None:
    """Checks that predictions can be written there, before they are made.

    Raises:
        UsageError: if they cannot.
    """
    if path.suffix.lower() not in (CSV, PARQUET):
        raise UsageError(f"wanted a table that ends in {CSV} or {PARQUET}, got {path}")
    check_folder(path)


def check_folder(path: Path) -> None:
    """Checks that there is a folder for a file.

    Raises:
        UsageError: if there is none, or the file is a folder itself.
    """
    if not path.absolute().parent.is_dir():
        raise UsageError(f"wanted a folder for {path}, but there is none; make it first")
    if path.is_dir():
        raise UsageError(f"wanted a file to write, but {path} is a folder")


def columns(origin: Origin) -> list[str]:
    """Returns the names of the columns.

    `image_id`, `uri`, `group` and `label` (the expert's) as far as known, `predicted` (the
    likeliest label), `p_crystal`, `rank` (1: the likeliest crystal), `p:<label>` of every
    label, `views` and `temperature` (empty: none was fitted) that the probabilities were
    made with, `model`, `dataset` (digest of what it was trained on), and `error`, the reason
    why an image could not be used.
    """
    return [*_BEFORE, *(LABEL_COLUMN + name for name in origin.labels.names), *_AFTER]


def write_predictions(path: Path, predictions: Sequence[Prediction], *, origin: Origin) -> None:
    """Writes the table, whole or not at all.

    Raises:
        UsageError: if the path's extension is that of no table.
    """
    check_table_path(path)
    write = _write_csv if path.suffix.lower() == CSV else _write_parquet
    with atomic_path(path) as partial:
        write(partial, predictions, origin)


def _cells(prediction: Prediction, origin: Origin) -> list[Cell]:
    source = prediction.source
    texts = (source.image_id, source.uri, source.group, source.label, prediction.predicted)
    return [
        *(_encodable(text) or None for text in texts),
        prediction.p_crystal,
        prediction.rank,
        *(prediction.probabilities or [None] * len(origin.labels)),
        origin.views,
        origin.temperature,
        origin.model,
        origin.dataset_digest,
        _encodable(str(prediction.failure)) if prediction.failure else None,
    ]


def _encodable(text: str) -> str:
    """Returns a text that UTF-8 can write: names of files may hold any bytes."""
    return text.encode(errors="backslashreplace").decode()


def _write_csv(path: Path, predictions: Sequence[Prediction], origin: Origin) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns(origin))
        for prediction in predictions:
            writer.writerow(map(_csv_text, _cells(prediction, origin)))


def _csv_text(cell: Cell) -> Cell:
    return f"{cell:.7g}" if isinstance(cell, float) else cell


def _write_parquet(path: Path, predictions: Sequence[Prediction], origin: Origin) -> None:
    import pyarrow as pa  # noqa: PLC0415 - costs 0.2 CPU-s, and CSV is the rule
    import pyarrow.parquet as pq  # noqa: PLC0415

    kinds = {"p_crystal": pa.float64(), "temperature": pa.float64()}
    kinds |= {"rank": pa.int64(), "views": pa.int32()}
    kinds |= {LABEL_COLUMN + name: pa.float64() for name in origin.labels.names}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in columns(origin)])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in _batches(predictions):
            rows = [_cells(prediction, origin) for prediction in batch]
            arrays = [
                pa.array(column, type=field.type)
                for column, field in zip(zip(*rows, strict=True), schema, strict=True)
            ]
            writer.write_table(pa.table(arrays, schema=schema))


def _batches(predictions: Sequence[Prediction]) -> Iterator[Sequence[Prediction]]:
    for start in range(0, len(predictions), _ROWS_AT_A_TIME):
        yield predictions[start : start + _ROWS_AT_A_TIME]
