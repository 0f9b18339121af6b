"""The curves of a training, for TensorBoard."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

# Curves of one name in "train" and "validation" share a chart of TensorBoard.
_CURVES = {
    "train": {"loss": "loss", "accuracy": "accuracy", "learning_rate": "learning_rate"},
    "validation": {"loss": "validation_loss", "accuracy": "validation_accuracy"},
}


class Curves:
    """The history of a run for TensorBoard, one point an epoch.

    Written anew from the history at the start, so that a killed run leaves no gap and no
    point that stands there twice.
    """

    def __init__(self, folder: Path, history: Iterable[Mapping[str, Any]]):
        self._writers = {}
        for part in _CURVES:
            for old in (folder / part).glob("events.out.tfevents.*"):
                old.unlink()
            self._writers[part] = tf.summary.create_file_writer(str(folder / part))
        for entry in history:
            self.add(entry)

    def add(self, entry: Mapping[str, Any]) -> None:
        """Adds one entry of a history."""
        for part, curves in _CURVES.items():
            with self._writers[part].as_default(step=entry["epoch"]):
                for name, field in curves.items():
                    tf.summary.scalar(name, entry[field])
            self._writers[part].flush()

    def close(self) -> None:
        """Ends the files."""
        for writer in self._writers.values():
            writer.close()
