"""The sweep over the networks: all of them one after another, or the one of a job's index."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from trainer.errors import DivergedError, UsageError
from trainer.networks import NETWORKS
from trainer.run_folder import RunState
from trainer.training.request import TrainRequest

ALL = "all"
# Kubernetes numbers the pods of an Indexed Job, Slurm the tasks of an array.
INDEX_VARIABLES = ("JOB_COMPLETION_INDEX", "SLURM_ARRAY_TASK_ID")


def sweep_names(environment: Mapping[str, str]) -> list[str]:
    """Returns the networks that this process is to train in a sweep over all of them.

    Raises:
        UsageError: if the environment has an index that is no network's, or two that differ.
    """
    found = {name: environment[name] for name in INDEX_VARIABLES if environment.get(name)}
    if not found:
        return list(NETWORKS)
    variable, text = next(iter(found.items()))
    if len(set(found.values())) > 1:
        raise UsageError(f"wanted one index of the sweep, got {found}; unset one of them")
    if not text.isdecimal() or int(text) >= len(NETWORKS):
        raise UsageError(
            f"wanted an index from 0 to {len(NETWORKS) - 1} in {variable}, got {text!r}; "
            f"ask for {len(NETWORKS)} tasks, from 0"
        )
    return [list(NETWORKS)[int(text)]]


def sweep(
    request: TrainRequest, names: Sequence[str], train_one: Callable[[TrainRequest], RunState]
) -> None:
    """Trains networks one after another, each in a folder of its own name.

    One that diverges does not keep the others from being trained.

    Raises:
        DivergedError: at the end, if any of them did.
        TrainerError: at once, if anything else stops one of them.
    """
    diverged = {}
    for name in names:
        tensorboard = request.tensorboard and request.tensorboard / name
        one = dataclasses.replace(
            request, arch=name, out=request.out / name, tensorboard=tensorboard
        )
        try:
            train_one(one)
        except DivergedError as error:
            diverged[name] = error
    if diverged:
        lines = "; ".join(f"{name}: {error}" for name, error in diverged.items())
        raise DivergedError(f"{len(diverged)} of {len(names)} networks diverged: {lines}")
