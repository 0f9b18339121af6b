"""The commands of `python -m trainer`."""

import argparse
import importlib
import importlib.metadata
import signal
import sys
import traceback
from collections.abc import Sequence

from trainer.errors import TrainerError

# Each is a module `trainer.commands.<name>` with HELP, DESCRIPTION, add_arguments(parser) and
# run(args), which returns the exit code. None loads TensorFlow before `run`.
COMMANDS = ("train", "evaluate", "report", "predict", "bench")


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of `python -m trainer`."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer",
        description="Trains and evaluates eight networks on the shards of a dataset, "
        "and prints a paper's tables for them.",
    )
    parser.add_argument(
        "--version", action="version", version=importlib.metadata.version("crystal-plates")
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        module = importlib.import_module(f"trainer.commands.{name}")
        command = commands.add_parser(name, help=module.HELP, description=module.DESCRIPTION)
        module.add_arguments(command)
        command.add_argument(
            "--debug", action="store_true", help="show where in the program an error arose"
        )
        command.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str]) -> int:
    """Runs one command and returns its exit code."""
    args = make_parser().parse_args(argv)
    try:
        code: int = args.run(args)
        return code
    except (TrainerError, OSError) as error:
        if args.debug:
            traceback.print_exception(error)
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code if isinstance(error, TrainerError) else 1
    except KeyboardInterrupt:
        print("\nstopped by Ctrl-C", file=sys.stderr)
        return 128 + signal.SIGINT
