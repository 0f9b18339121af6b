"""Training of one network, from nothing or from where it stopped."""

import os

from trainer.dataset import open_dataset
from trainer.networks import find_network
from trainer.run_folder import CONFIG_FILE, RunFolder, RunState
from trainer.training.device import quiet, refuse_cluster
from trainer.training.events import Events
from trainer.training.lock import locked
from trainer.training.request import TrainRequest
from trainer.training.stop import Stop
from trainer.training.telling import tell_end


def train(request: TrainRequest, *, stop: Stop, events: Events) -> RunState:
    """Trains a network to its last epoch; a finished run is left as it is.

    Killed at any moment and called again, it ends with the same weights, optimizer, best
    epoch and history, bit for bit, on the same device (on a GPU: with `deterministic`).

    Raises:
        DataError: if the version cannot be used.
        DivergedError: if the loss is no number any more.
        StoppedError: if it was told to stop; the last finished epoch is saved.
        TemporaryError: if a checkpoint does not fit the disk, or the run is in use.
        UsageError: if the run has another config, or the device is not there.
    """
    find_network(request.arch)
    refuse_cluster(os.environ)
    version = open_dataset(request.data)
    for split in ("train", "validation"):
        version.shards(split)
    config = request.config(version)
    if (request.out / CONFIG_FILE).is_file():  # quick, without TensorFlow
        run = RunFolder.start(request.out, config)
        if run.state.finished:
            tell_end(events, run, run.state, trained=False)
            return run.state
    quiet()
    from trainer.training.session import Session  # noqa: PLC0415 - loads TensorFlow

    session = Session(request, config, version)
    run = RunFolder.start(request.out, config)  # a folder appears once the device is there
    with locked(run.folder):
        return session.run(run, stop=stop, events=events)
