"""The command line of the pipeline: flags, their help, and what they make."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from pipeline.config import BuildConfig
from pipeline.version import TOOL_VERSION
from schemas.dataset import DatasetFolder
from schemas.labels import BUILT_IN, load_label_set
from schemas.recipe import (
    BALANCE_MODES,
    FILLS,
    AugmentConfig,
    BalanceConfig,
    Recipe,
    RenderConfig,
    SplitConfig,
)

_RECIPE = Recipe()


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of `python -m pipeline`."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline",
        description="Turns labelled micrographs of crystallisation drops into a balanced, "
        "augmented dataset of 128x128 grayscale TFRecord shards.",
    )
    parser.add_argument("--version", action="version", version=TOOL_VERSION)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_manifest(commands)
    _add_plan(commands)
    _add_build(commands)
    _add_upkeep(commands)
    for command in commands.choices.values():
        command.add_argument(
            "--debug", action="store_true", help="show where in the program an error arose"
        )
    return parser


Commands = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _add_demo(commands: Commands) -> None:  # type: ignore[valid-type]
    demo = commands.add_parser(  # type: ignore[attr-defined]
        "demo",
        help="draw labelled plates to try everything with",
        description="Draws labelled micrographs (1280x960 JPEG, all ten labels of the paper, "
        "9 % of them with crystals) and their manifest DIR/plates.csv.",
    )
    demo.add_argument("folder", metavar="DIR", type=Path, help="folder to draw into; new or empty")
    demo.add_argument("--images", type=int, default=1000, help="how many plates (default: 1000)")
    demo.add_argument("--seed", type=int, default=0, help="seed of the drawing (default: 0)")
    _add_processes(demo)


def _add_manifest(commands: Commands) -> None:  # type: ignore[valid-type]
    manifest = commands.add_parser(  # type: ignore[attr-defined]
        "manifest",
        help="write a manifest of a folder",
        description="Writes a manifest of DIR/<label>/**/*.{jpg,jpeg,png,tif,tiff}. Names as "
        "imagers write them (RockMaker, MARCO, HWI, Diamond XChem) give the group.",
    )
    manifest.add_argument("folder", metavar="DIR", type=Path, help="folder with one folder a label")
    manifest.add_argument(
        "--out", type=Path, help="the manifest to write (default: DIR/plates.csv)"
    )
    _add_labels(manifest)


def _add_plan(commands: Commands) -> None:  # type: ignore[valid-type]
    plan = commands.add_parser(  # type: ignore[attr-defined]
        "plan",
        help="say what a build would do",
        description="Says what `build` with the same flags would do: splits, copies per label, "
        "shards to write and to keep, bytes, minutes. Writes nothing.",
    )
    _add_build_flags(plan)


def _add_build(commands: Commands) -> None:  # type: ignore[valid-type]
    build = commands.add_parser(  # type: ignore[attr-defined]
        "build",
        help="make the dataset what the manifest says",
        description="Makes the dataset what the manifest says, doing only what is not done yet: "
        "the same command builds, resumes after a stop, and updates after corrections.",
        epilog="All other flags go to Apache Beam: --project, --region, ...",
    )
    _add_build_flags(build)
    build.add_argument(
        "--repair",
        action="store_true",
        help="read all shards again and build the damaged ones anew",
    )
    build.add_argument(
        "--runner",
        default=BuildConfig.runner,
        help="Apache Beam's runner (default: DirectRunner: this machine, all cores)",
    )


def _add_upkeep(commands: Commands) -> None:  # type: ignore[valid-type]
    verify = commands.add_parser(  # type: ignore[attr-defined]
        "verify",
        help="read a dataset again and say what is wrong with it",
        description="Reads every byte of a version, or of all versions of a dataset, and names "
        "what is wrong: file, record number and byte offset. Exit code 1 if anything is.",
    )
    verify.add_argument("folder", metavar="DATASET[/VERSION]", type=Path)
    verify.add_argument(
        "--deep",
        type=int,
        default=0,
        metavar="N",
        help="also render N images of each version again from their sources (default: 0)",
    )
    _add_processes(verify)
    diff = commands.add_parser(  # type: ignore[attr-defined]
        "diff",
        help="say what differs between two versions",
        description="Says which labels changed, from what to what, which images came and went, "
        "and how many shards two versions share.",
    )
    diff.add_argument("before", metavar="DATASET/OLD", type=Path)
    diff.add_argument("now", metavar="DATASET/NEW", type=Path)
    prune = commands.add_parser(  # type: ignore[attr-defined]
        "prune",
        help="drop old versions and their shards",
        description="Drops all but the newest versions, and the shards that only they used. A "
        "version with a file KEEP in its folder stays.",
    )
    prune.add_argument("folder", metavar="DATASET", type=Path)
    prune.add_argument("--keep", type=int, required=True, metavar="N", help="versions that stay")
    prune.add_argument("--dry-run", action="store_true", help="only say what would go")


def _add_labels(parser: argparse.ArgumentParser) -> None:
    known = " or ".join(sorted(BUILT_IN))
    parser.add_argument(
        "--labels",
        default=_RECIPE.labels.name,
        help=f"label set: {known}, or a JSON file (default: {_RECIPE.labels.name})",
    )


def _add_processes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--processes", type=int, help="worker processes (default: one for each core)"
    )


def _add_build_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest", type=Path, required=True, help="CSV or Parquet file")
    parser.add_argument("--out", type=Path, required=True, help="folder of the dataset")
    parser.add_argument(
        "--labels-from",
        type=Path,
        metavar="FILE",
        help="CSV of corrected labels (image_id,label) to apply on top of the manifest",
    )
    parser.add_argument(
        "--name",
        help="name of the dataset for tensorflow_datasets (default: the name of the --out folder)",
    )
    _add_labels(parser)
    parser.add_argument("--seed", type=int, default=0, help="seed of every draw (default: 0)")
    _add_split_and_balance(parser.add_argument_group("splits and balance"))
    _add_pixels(parser.add_argument_group("variants and shards"))
    run = parser.add_argument_group("run")
    _add_processes(run)  # type: ignore[arg-type]
    run.add_argument(
        "--max-reject-fraction",
        type=float,
        default=BuildConfig.max_reject_fraction,
        help="share of images that may be unusable before the build fails (default: 0.01)",
    )
    run.add_argument(
        "--fail-on-leaks",
        action="store_true",
        help="fail where duplicates, exact or near, stand in more than one split",
    )


def _add_split_and_balance(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--split",
        default="80/5/15",
        metavar="TRAIN/VALIDATION/TEST",
        help="shares of the splits (default: 80/5/15)",
    )
    group.add_argument(
        "--balance",
        choices=BALANCE_MODES,
        default=_RECIPE.balance.mode,
        help="which splits to balance (default: all, as in the paper)",
    )
    target = group.add_mutually_exclusive_group()
    target.add_argument(
        "--target-per-class",
        type=int,
        metavar="N",
        help="records of each label in the training split (default: as many as the largest has)",
    )
    target.add_argument(
        "--total-records", type=int, metavar="N", help="records in all, such as 1348957"
    )
    group.add_argument("--max-copies", type=int, metavar="N", help="most variants of one image")


def _add_pixels(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--fill",
        choices=FILLS,
        default=_RECIPE.render.fill,
        help="what fills the corners that rotation leaves empty (default: black)",
    )
    group.add_argument(
        "--max-rotation",
        type=float,
        default=_RECIPE.augment.max_rotation,
        metavar="DEGREES",
        help="largest turn either way (default: 180)",
    )
    group.add_argument(
        "--flip-probability",
        type=float,
        default=_RECIPE.augment.flip_probability,
        metavar="P",
        help="chance of each flip (default: 0.5)",
    )
    group.add_argument(
        "--records-per-shard",
        type=int,
        default=_RECIPE.records_per_shard,
        metavar="N",
        help="most expected records in a shard (default: 8192, 135 MB)",
    )


def make_config(args: argparse.Namespace, beam_options: Sequence[str]) -> BuildConfig:
    """Returns the config that the flags of `plan` and `build` make.

    Raises:
        ValueError: if a flag's value is out of its range.
    """
    recipe = Recipe(
        seed=args.seed,
        labels=load_label_set(args.labels),
        split=_split_config(args.split),
        balance=BalanceConfig(
            args.balance, args.target_per_class, args.total_records, args.max_copies
        ),
        augment=AugmentConfig(args.max_rotation, args.flip_probability),
        render=RenderConfig(args.fill),
        records_per_shard=args.records_per_shard,
    )
    return BuildConfig(
        manifest=args.manifest,
        out=args.out,
        recipe=recipe,
        name=args.name or _default_name(args.out),
        max_reject_fraction=args.max_reject_fraction,
        fail_on_leaks=args.fail_on_leaks,
        labels_from=args.labels_from,
        repair=getattr(args, "repair", False),
        processes=args.processes,
        runner=getattr(args, "runner", BuildConfig.runner),
        beam_options=tuple(beam_options),
    )


def _split_config(text: str) -> SplitConfig:
    parts = text.split("/")
    try:
        train, validation, test = (float(part) for part in parts)
        total = train + validation + test
        return SplitConfig(train / total, validation / total, test / total)
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f"--split wants three shares such as 80/5/15, got {text!r}") from error


def _default_name(out: Path) -> str:
    """Returns the name the dataset has already, else one made of its folder's name."""
    dataset = DatasetFolder(out)
    versions = dataset.versions()
    if versions:
        return str(dataset.metadata(versions[-1])["name"])
    name = re.sub(r"\W+", "_", out.absolute().name, flags=re.ASCII).strip("_")
    return name if name[:1].isalpha() else f"plates_{name}".rstrip("_")
