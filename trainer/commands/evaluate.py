"""`trainer evaluate RUN`: what a run is worth, in numbers."""

import argparse
from pathlib import Path

from trainer.errors import UsageError

HELP = "numbers of one run, on records that it was not trained on"
DESCRIPTION = (
    "Predicts every record of validation and test once with the best weights of a run, and "
    "computes accuracies, missed crystals with their false alarms, ranking by P(crystal) and "
    "calibration. Writes predictions-<split>.parquet and evaluation.json into the run's folder; "
    "predictions of the same weights and dataset are used again."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="folder of a trained run")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="VERSION",
        help="a version of a dataset with the same labels (default: the one it was trained on)",
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        default=256,
        metavar="N",
        help="records that the network is given at a time (default: 256)",
    )
    parser.add_argument(
        "--resamples",
        type=int,
        default=1000,
        metavar="N",
        help="resamples of groups that the intervals come from; 0 for none (default: 1000)",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code."""
    if args.batch_size < 1 or args.resamples < 0:
        raise UsageError(
            "wanted --batch-size of 1 or more and --resamples of 0 or more, "
            f"got {args.batch_size} and {args.resamples}"
        )
    from trainer.dataset import open_dataset  # noqa: PLC0415 - help loads no NumPy
    from trainer.evaluation.evaluate import evaluate  # noqa: PLC0415
    from trainer.evaluation.summary import evaluation_text  # noqa: PLC0415
    from trainer.run_folder import RunFolder  # noqa: PLC0415

    trained = RunFolder.open(args.run_folder)
    version = open_dataset(args.data or Path(trained.config.data.folder))
    facts = evaluate(trained, version=version, batch_size=args.batch_size, resamples=args.resamples)
    print(evaluation_text(facts))
    print(f"\nwrote {trained.evaluation}")
    for split in facts["splits"]:
        print(f"predictions: {trained.predictions(split)}")
    return 0
