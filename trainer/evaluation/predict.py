"""Predictions of a network for every record of a split. The only module here with TensorFlow."""

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.dataset import DatasetVersion
from trainer.evaluation.predictions import Predictions, join_batches
from trainer.progress import Progress

if TYPE_CHECKING:
    import keras

BATCH_SIZE = 256


def predict_split(
    model: "keras.Model", version: DatasetVersion, split: str, *, batch_size: int = BATCH_SIZE
) -> Predictions:
    """Returns the predictions for a split, each record once, in the order of the shards.

    Args:
        model: takes uint8 of shape [batch, 128, 128, 1], gives logits of shape [batch, labels].
        version: the dataset.
        split: name of the split.
        batch_size: records at a time; decides nothing but speed and the last bits.

    Raises:
        DataError: if the split has no records, or a shard is damaged.
        DivergedError: if a logit is no finite number.
    """
    from trainer.input import data_errors, open_split  # noqa: PLC0415 - loads TensorFlow

    reader = open_split(version, split, cache="stream")
    batches: list[dict[str, Any]] = []
    logits: list[Any] = []
    forward = _forward(model)
    progress = Progress(f"predicting {split}", reader.records)
    with data_errors(), contextlib.closing(progress):
        for batch in reader.in_order(batch_size=batch_size):
            logits.append(forward(batch.pop("image")))
            batches.append({key: value.numpy() for key, value in batch.items()})
            if len(logits) > 1:  # one behind: the device has its next batch while we fetch
                logits[-2] = _fetched(logits[-2])
            progress.add(len(batches[-1]["label"]))
        logits[-1] = _fetched(logits[-1])
    return join_batches(batches, logits, parameters=model.count_params())


def _forward(model: "keras.Model") -> Any:
    """Returns the network as one graph for batches of any size."""
    import tensorflow as tf  # noqa: PLC0415 - takes seconds

    signature = [tf.TensorSpec([None, *model.input_shape[1:]], tf.uint8)]
    return tf.function(lambda images: model(images, training=False), input_signature=signature)


def _fetched(logits: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.asarray(logits, np.float32)
