"""The commands of `python -m pipeline`."""

import argparse
import contextlib
import csv
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from pipeline.build import build, make_plan
from pipeline.change import find_change
from pipeline.config import BuildConfig
from pipeline.errors import BuildError, cause_of, message_of
from pipeline.flags import make_config, make_parser
from pipeline.lock import holds_lock
from pipeline.pool import Pool
from pipeline.summary import build_text, plan_text
from schemas.atomic import remove_incomplete
from schemas.dataset import REJECTS_FILE, DatasetFolder
from schemas.labels import load_label_set

USAGE, FAILURE = 2, 1  # exit codes
# Parts of Beam that log the traceback of every error that they also raise.
_TALKATIVE = tuple(
    f"apache_beam.runners.{part}"
    for part in ("common", "portability.local_job_service", "worker.sdk_worker")
)
_SIGNALS = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


def main(argv: Sequence[str]) -> int:
    """Runs one command and returns its exit code."""
    parser = make_parser()
    args, rest = parser.parse_known_args(argv)
    unknown = _unknown_to_beam(rest) if rest and args.command == "build" else rest
    if unknown:
        parser.error(f"unknown arguments for {args.command}: {' '.join(unknown)}")
    if not args.debug:
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        return _run(args, rest)
    except ValueError as error:  # a manifest or a flag that cannot be used
        return _fail(error, args, USAGE)
    except (BuildError, OSError) as error:
        return _fail(error, args, FAILURE)
    except RuntimeError as error:
        return _fail(cause_of(error), args, FAILURE)
    except MemoryError as error:
        return _fail(error, args, FAILURE)
    except KeyboardInterrupt:
        print("\nstopped by Ctrl-C", file=sys.stderr)
        return 128 + signal.SIGINT


def _run(args: argparse.Namespace, rest: Sequence[str]) -> int:
    if args.command == "demo":
        return _demo(args)
    if args.command == "manifest":
        return _manifest(args)
    if args.command in ("verify", "diff", "prune"):
        return _upkeep(args)
    config = make_config(args, rest)
    return _plan(config) if args.command == "plan" else _build(config)


def _upkeep(args: argparse.Namespace) -> int:
    from pipeline import upkeep  # noqa: PLC0415 - a third of a CPU-second, only here

    commands = {"verify": upkeep.run_verify, "diff": upkeep.run_diff, "prune": upkeep.run_prune}
    return commands[args.command](args)


def _demo(args: argparse.Namespace) -> int:
    from pipeline.demo.plates import write_demo  # noqa: PLC0415 - OpenCV, only here

    with _drawing_bar(args.images) as step:
        manifest = write_demo(
            args.folder, images=args.images, seed=args.seed, workers=args.processes, on_image=step
        )
    print(f"{args.images:,} plates drawn; their manifest: {manifest}")
    return 0


@contextlib.contextmanager
def _drawing_bar(total: int) -> Iterator[Callable[[int], None]]:
    import tqdm  # noqa: PLC0415

    with tqdm.tqdm(total=total, unit=" plates", disable=not sys.stderr.isatty()) as bar:
        yield lambda _: bar.update() and None


def _manifest(args: argparse.Namespace) -> int:
    from pipeline.folder_manifest import write_folder_manifest  # noqa: PLC0415

    out = args.out or args.folder / "plates.csv"
    images = write_folder_manifest(args.folder, out=out, labels=load_label_set(args.labels))
    print(f"{images:,} images listed in {out}")
    return 0


def _plan(config: BuildConfig) -> int:
    dataset = DatasetFolder(config.out)
    dataset.check()
    change = find_change(
        make_plan(config.manifest, config.recipe, labels_from=config.labels_from), dataset
    )
    print(plan_text(change, cores=_cores(config)))
    return 0


def _unknown_to_beam(arguments: Sequence[str]) -> list[str]:
    from pipeline.graph import unknown_options  # noqa: PLC0415 - two CPU-seconds

    return unknown_options(arguments)


def _build(config: BuildConfig) -> int:
    with _stopped_at_once(config):
        outcome = build(
            config, announce=lambda change: print(plan_text(change, cores=_cores(config)))
        )
    if not outcome.committed:
        print(f"up to date: {outcome.folder}")
        return 0
    with (outcome.folder / REJECTS_FILE).open(encoding="utf-8", newline="") as file:
        reasons = [row["reason"] for row in csv.DictReader(file)]
    print(build_text(outcome.metadata, outcome.folder, reasons))
    return 0


def _cores(config: BuildConfig) -> int:
    return config.processes or len(os.sched_getaffinity(0))


@contextlib.contextmanager
def _stopped_at_once(config: BuildConfig) -> Iterator[None]:
    """Ends the process at once on Ctrl-C or SIGTERM, and says how to go on.

    Engines catch the exception that Python raises, and wait for their threads; leaving
    from the handler does not. Finished shards are whole; the rest is swept away.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        pool = Pool(DatasetFolder(config.out).pool)
        try:
            done = len(pool.names())
            if holds_lock(config.out):  # else what is unfinished there is another build's
                with contextlib.suppress(OSError):  # other threads may be at the same files
                    remove_incomplete(pool.folder)
                    remove_incomplete(config.out)
            message = (
                f"\nstopped by {_SIGNALS[signal.Signals(number)]}: {done} finished shards are in "
                f"{pool.folder}; run the same command again to go on\n"
            )
            os.write(2, message.encode())  # the signal may have come within a print
        finally:
            os._exit(128 + number)

    earlier = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _fail(error: BaseException, args: argparse.Namespace, code: int) -> int:
    if args.debug:
        traceback.print_exception(error)
    print(f"error: {message_of(error, out=getattr(args, 'out', None))}", file=sys.stderr)
    return code
