"""`python -m trainer train`: trains a network, or goes on with it."""

import argparse
import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.errors import StoppedError, TrainerError, UsageError
from trainer.networks import NETWORKS, find_network
from trainer.recipes import OPTIMIZERS, RECIPES, SCHEDULES, Recipe
from trainer.training.device import Wanted
from trainer.training.events import Events
from trainer.training.request import TrainRequest
from trainer.training.stop import Stop, watched
from trainer.training.sweep import ALL, sweep, sweep_names
from trainer.training.train import train

HELP = "train a network on a version, or go on with a training that was stopped"
DESCRIPTION = (
    "Trains a network on a finished version. The same command goes on with a training that was "
    "killed or stopped, to the same weights; a finished one is left alone. "
    "Exit codes: 0 trained; 2 cannot be used as asked; 65 data; 70 diverged; 75 may pass, such as "
    "a full disk; 143 stopped by SIGTERM or SIGUSR1, the last finished epoch is saved."
)
_MODEL_VARIABLE, _CURVES_VARIABLE = "AIP_MODEL_DIR", "AIP_TENSORBOARD_LOG_DIR"

# Flags of a recipe's fields: what they take, and what they say.
_NUMBERS: Mapping[str, tuple[type, str]] = {
    "epochs": (int, "how often every record is seen"),
    "batch_size": (int, "records in a step, over all devices"),
    "learning_rate": (float, "the largest one (default: the network's own)"),
    "momentum": (float, "of sgd"),
    "step_epochs": (int, "with the schedule steps: epochs between two drops"),
    "step_factor": (float, "with the schedule steps: factor of a drop"),
    "warmup_epochs": (float, "epochs in which the learning rate rises from 0"),
    "label_smoothing": (float, "share of the target spread over all labels"),
    "clip_norm": (float, "largest norm of all gradients (default: the network's own; 0: none)"),
    "weight_decay": (float, "default: the network's own"),
    "ema": (float, "decay of a running mean of the weights, which is then kept (0: none)"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of the command."""
    what = parser.add_argument_group("what to train")
    what.add_argument("--data", type=Path, required=True, help="folder of a finished version")
    what.add_argument(
        "--arch",
        required=True,
        metavar="NAME",
        help=f"{', '.join(NETWORKS)}; or all: each into a folder of its name in --out, or the one "
        "that JOB_COMPLETION_INDEX or SLURM_ARRAY_TASK_ID names",
    )
    what.add_argument(
        "--out", type=Path, help=f"folder of the run (default: ${_MODEL_VARIABLE}, if set)"
    )
    what.add_argument("--width", type=float, default=1.0, help="factor of the network's channels")
    what.add_argument("--seed", type=int, default=0, help="of all that is drawn (default: 0)")
    add_recipe(parser.add_argument_group("how to train"))
    add_machine(parser.add_argument_group("on what"))
    _add_telling(parser.add_argument_group("what is told"))


def add_recipe(group: Any) -> None:
    """Adds the flags of a recipe's values."""
    group.add_argument(
        "--recipe", choices=list(RECIPES), default="paper", help="default: %(default)s"
    )
    for field, (kind, text) in _NUMBERS.items():
        group.add_argument(f"--{field.replace('_', '-')}", type=kind, metavar="N", help=text)
    group.add_argument("--optimizer", choices=OPTIMIZERS, help="the recipe's, unless given")
    group.add_argument("--schedule", choices=SCHEDULES, help="of the learning rate")
    group.add_argument(
        "--init", metavar="WAY", help="he_normal, glorot_uniform or gaussian:SD, such as 0.01"
    )
    for field, text in (
        ("augment", "flip and turn images on the device, anew in each epoch"),
        ("mixed_precision", "compute in bfloat16"),
    ):
        flag = f"--{field.replace('_', '-')}"
        group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)


def add_machine(group: Any) -> None:
    """Adds the flags of the device and of reading."""
    group.add_argument(
        "--expect-gpus",
        type=int,
        metavar="N",
        help="train on N GPUs; stop with exit 2 where there are fewer, 0: on the CPU (default: on "
        "one where there is one)",
    )
    group.add_argument(
        "--logical-cpus",
        type=int,
        default=1,
        metavar="N",
        help="train on N parts of the CPU as if they were GPUs, to try it",
    )
    group.add_argument(
        "--deterministic",
        action="store_true",
        help="on a GPU: only operations that give the same bits each time; slower",
    )
    group.add_argument("--xla", action="store_true", help="compile the steps")
    group.add_argument(
        "--data-cache",
        choices=("auto", "ram", "stream"),
        default="auto",
        help="where records lie while they are read; the result is the same (default: %(default)s)",
    )


def _add_telling(group: Any) -> None:
    group.add_argument(
        "--tensorboard",
        type=Path,
        metavar="DIR",
        help=f"folder for curves (default: ${_CURVES_VARIABLE}, or tensorboard in the run)",
    )
    group.add_argument(
        "--events",
        choices=("auto", "json", "text"),
        default="auto",
        help="what is told on the standard output; auto: JSON lines, but text on a terminal",
    )


def run(args: argparse.Namespace) -> int:
    """Trains; returns the exit code."""
    events = Events(machine=None if args.events == "auto" else args.events == "json")
    with watched() as stop:
        names = sweep_names(os.environ) if args.arch == ALL else [find_network(args.arch).name]
        request = _request(args, os.environ)

        def train_one(one: TrainRequest) -> Any:
            return _train_one(one, stop=stop, events=events)

        if args.arch == ALL:
            sweep(request, names, train_one)
        else:
            train_one(dataclasses.replace(request, arch=names[0]))
    return 0


def _train_one(request: TrainRequest, *, stop: Stop, events: Events) -> Any:
    try:
        return train(request, stop=stop, events=events)
    except TrainerError as error:
        kind = "stopped" if isinstance(error, StoppedError) else "failed"
        events.tell(kind, str(error), arch=request.arch, exit_code=error.exit_code)
        raise


def make_recipe(args: argparse.Namespace) -> Recipe:
    """Returns the recipe of the flags.

    Raises:
        UsageError: if a value cannot be used.
    """
    fields = {field.name for field in dataclasses.fields(Recipe)} - {"name"}
    given = {name: value for name, value in vars(args).items() if name in fields}
    changed = {name: value for name, value in given.items() if value is not None}
    try:
        return dataclasses.replace(RECIPES[args.recipe], **changed)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _request(args: argparse.Namespace, environment: Mapping[str, str]) -> TrainRequest:
    out = args.out or _mounted(environment.get(_MODEL_VARIABLE))
    if out is None:
        raise UsageError(
            f"wanted a folder for the run, got none: give --out (or set {_MODEL_VARIABLE})"
        )
    return TrainRequest(
        data=args.data,
        out=out,
        arch=args.arch,
        recipe=make_recipe(args),
        width=args.width,
        seed=args.seed,
        cache=args.data_cache,
        xla=args.xla,
        device=Wanted(args.expect_gpus, args.logical_cpus, args.deterministic),
        tensorboard=args.tensorboard or _mounted(environment.get(_CURVES_VARIABLE)),
    )


def _mounted(place: str | None) -> Path | None:
    """Returns the path of a folder; a bucket's is where Vertex AI mounts it."""
    if not place:
        return None
    return Path("/gcs", place.removeprefix("gs://")) if place.startswith("gs://") else Path(place)
