"""Checkpoints: what a step changes, written so that a resumed run takes the same steps.

A checkpoint is of the end of an epoch. Its files carry the epoch in their names, and
`state.json`, which names them, is replaced last: whenever the process dies, `state.json` is that of
an epoch whose files are whole. Files that it does not name are swept away.
"""

import contextlib
import errno
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from schemas.atomic import atomic_path, remove_incomplete, write_atomic
from trainer.errors import TemporaryError, UsageError
from trainer.run_folder import STATE_FILE, RunFolder, RunState
from trainer.training.learner import Learner

_LAST, _BEST = "last-*.npz", "best-*.weights.h5"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SPARE_BYTES = 1 << 20  # for headers and `state.json`


def save_last(run: RunFolder, learner: Learner, *, epoch: int) -> tuple[str, str]:
    """Writes the weights, the optimizer and the running mean; returns name and digest.

    Raises:
        TemporaryError: if there is no space; the earlier checkpoint is as it was.
    """
    arrays = {name: variable.numpy() for name, variable in learner.variables().items()}
    path = run.folder / f"last-{epoch:04d}.npz"
    size = sum(array.nbytes for array in arrays.values())
    with _room(run, size=size), atomic_path(path, sync_folder=False) as partial:
        with partial.open("wb") as file:
            np.savez(file, **arrays)
        digest = _digest(partial)
    return path.name, digest


def save_best(run: RunFolder, learner: Learner, *, epoch: int) -> tuple[str, str]:
    """Writes the network's weights, as Keras reads them; returns name and digest.

    Raises:
        TemporaryError: if there is no space; the earlier best weights are as they were.
    """
    path = run.folder / f"best-{epoch:04d}.weights.h5"
    size = sum(weight.numpy().nbytes for weight in learner.network.weights)
    with _room(run, size=size), atomic_path(path, sync_folder=False) as partial:
        learner.network.save_weights(partial)
        digest = _digest(partial)
    return path.name, digest


def commit(run: RunFolder, state: RunState) -> None:
    """Makes a state that of the run, and sweeps away what no state names any more.

    Raises:
        TemporaryError: if there is no space; the earlier state is as it was.
    """
    with _room(run, size=0):
        write_atomic(run.folder / STATE_FILE, json.dumps(state.to_json(), indent=1) + "\n")
    sweep(run, state)


def sweep(run: RunFolder, state: RunState) -> None:
    """Removes checkpoints that the state does not name, and what was left unfinished."""
    named = {name for name, _ in state.files.values()}
    for pattern in (_LAST, _BEST):
        for path in run.folder.glob(pattern):
            if path.name not in named:
                path.unlink(missing_ok=True)
    remove_incomplete(run.folder)


def restore(run: RunFolder, learner: Learner, state: RunState) -> None:
    """Gives a learner what the last checkpoint has.

    Raises:
        UsageError: if the checkpoint is damaged or of another network.
    """
    name, digest = state.files["last"]
    path = run.folder / name
    to_do = "train into another --out"
    try:
        if (came := _digest(path)) != digest:
            raise ValueError(f"its SHA-256 is {came}, wanted {digest}")
        with np.load(path, allow_pickle=False) as arrays:
            variables = learner.variables()
            if variables.keys() != set(arrays.files):
                raise ValueError("it has other variables than the network")
            for key, variable in variables.items():
                variable.assign(arrays[key])
    except (OSError, ValueError) as error:
        raise UsageError(f"checkpoint {path} cannot be used: {error}; {to_do}") from error


@contextlib.contextmanager
def _room(run: RunFolder, *, size: int) -> Iterator[None]:
    """Turns a lack of space for so many bytes into an error that says what is left."""
    free = shutil.disk_usage(run.folder).free
    wanted = size + _SPARE_BYTES
    message = (
        f"wanted {wanted / 1e6:,.1f} MB for a checkpoint in {run.folder}, {free / 1e6:,.1f} MB are "
        f"free; epoch {run.state.epoch} is kept whole: make room and run the same command again"
    )
    if free < wanted:
        raise TemporaryError(message)
    try:
        yield
    except (OSError, RuntimeError) as error:  # h5py has both
        if getattr(error, "errno", None) in _FULL or "No space left" in str(error):
            raise TemporaryError(message) from error
        raise


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
