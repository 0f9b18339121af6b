"""`python -m trainer report`."""

import argparse
from pathlib import Path

from trainer.errors import UsageError

HELP = "the paper's tables over runs"
DESCRIPTION = (
    "Writes the paper's Tables 1, 2, 3 and Figure 3 for evaluated runs, beside the paper's own "
    "numbers, with missed crystals, curves and calibration: report.html, report.md, CSV files."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="folder of an evaluated run"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="R", help="folder for the report"
    )


def run(args: argparse.Namespace) -> int:
    """Writes the report and says where it is."""
    if args.out.exists() and not args.out.is_dir():
        raise UsageError(f"wanted a folder for the report, got the file {args.out}")
    from trainer.report import read_run, write_report  # noqa: PLC0415 - loads matplotlib

    files = write_report([read_run(folder) for folder in args.runs], args.out)
    runs = "1 run" if len(args.runs) == 1 else f"{len(args.runs)} runs"
    print(f"report of {runs}: {files[0]} (and {len(files) - 1} other files there)")
    return 0
