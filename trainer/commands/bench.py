"""`python -m trainer bench`: what trains how fast on the device at hand."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.atomic import write_atomic
from trainer.commands.train import add_machine, add_recipe, make_recipe
from trainer.dataset import open_dataset
from trainer.errors import UsageError
from trainer.networks import NETWORKS, find_network
from trainer.training.device import Wanted, check_precision, open_device
from trainer.training.request import TrainRequest
from trainer.training.sweep import ALL

if TYPE_CHECKING:
    from trainer.bench import Rates

HELP = "measure how fast the device at hand reads, steps and trains"
DESCRIPTION = (
    "Measures records a second of each network on the device at hand: the loader alone, training "
    "steps on a batch that lies on the device, both together, and validation. Trains nothing."
)
_HEAD = (
    "network",
    "loader alone",
    "steps alone",
    "both",
    "validation",
    "first step, s",
    "bound by",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of the command."""
    parser.add_argument("--data", type=Path, required=True, help="folder of a finished version")
    parser.add_argument(
        "--arch", default=ALL, metavar="NAME", help=f"{', '.join(NETWORKS)}; or all (default)"
    )
    parser.add_argument("--width", type=float, default=1.0, help="factor of the network's channels")
    parser.add_argument(
        "--seconds", type=float, default=5.0, help="for each of the four (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rates here")
    add_recipe(parser.add_argument_group("how to train"))
    add_machine(parser.add_argument_group("on what"))


def run(args: argparse.Namespace) -> int:
    """Measures; returns the exit code."""
    if not args.seconds > 0:
        raise UsageError(f"wanted seconds above 0, got {args.seconds}")
    names = list(NETWORKS) if args.arch == ALL else [find_network(args.arch).name]
    version = open_dataset(args.data)
    base = TrainRequest(
        data=args.data,
        out=Path(),
        arch=names[0],
        recipe=make_recipe(args),
        width=args.width,
        xla=args.xla,
        device=Wanted(args.expect_gpus, args.logical_cpus, args.deterministic),
    )
    configs = [dataclasses.replace(base, arch=name).config(version) for name in names]
    device = open_device(base.device)
    check_precision(device, mixed=base.recipe.mixed_precision)
    from trainer.bench import measure  # noqa: PLC0415 - loads TensorFlow

    print(f"{device.title}, batches of {base.recipe.batch_size}, width {args.width:g}, records/s")
    print(_row(_HEAD), flush=True)
    found = []
    for config in configs:
        rates = measure(config, version, device=device, cache=args.data_cache, seconds=args.seconds)
        found.append(rates)
        print(_row(_cells(rates)), flush=True)
    if args.json:
        facts = {"device": device.title, "batch_size": base.recipe.batch_size, "width": args.width}
        _write(args.json, {**facts, "networks": [dataclasses.asdict(rates) for rates in found]})
    return 0


def _cells(rates: "Rates") -> tuple[str, ...]:
    numbers = (rates.loader, rates.step, rates.both, rates.validation)
    bound = "loader" if rates.loader < rates.step else "steps"
    title = NETWORKS[rates.arch].title
    return (
        title,
        *(f"{n:,.0f}" if n >= 10 else f"{n:.2g}" for n in numbers),
        f"{rates.first_step_seconds:.1f}",
        bound,
    )


def _row(cells: tuple[str, ...]) -> str:
    return "  ".join(
        [
            f"{cells[0]:13}",
            *(f"{cell:>{len(head)}}" for cell, head in zip(cells[1:], _HEAD[1:], strict=True)),
        ]
    )


def _write(path: Path, facts: dict[str, Any]) -> None:
    write_atomic(path, json.dumps(facts, indent=2) + "\n")
    print(f"written: {path}", file=sys.stderr)
