"""The commands that look after finished versions: verify, diff, prune."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import tqdm

from pipeline.prune import Pruning, plan_pruning, prune
from pipeline.summary import size_text
from pipeline.verify import verify_version, versions_to_verify
from pipeline.version_diff import VersionDiff, diff_versions
from schemas.dataset import DatasetFolder, version_text

_MOST_NAMED = 5


def run_verify(args: argparse.Namespace) -> int:
    """Runs `verify`; returns 1 if anything is wrong."""
    faults = 0
    for folder in versions_to_verify(args.folder):
        shards = len(list(folder.glob("*.tfrecord-*")))
        with tqdm.tqdm(
            total=shards, desc=folder.name, unit=" shards", disable=not sys.stderr.isatty()
        ) as bar:
            found = 0
            for fault in verify_version(
                folder, processes=args.processes, sample=args.deep, on_shard=bar.update
            ):
                found += 1
                tqdm.tqdm.write(str(fault), file=sys.stdout)
        print(f"{folder}: {f'{found} faults' if found else 'sound'}")
        faults += found
    return 1 if faults else 0


def run_diff(args: argparse.Namespace) -> int:
    """Runs `diff`."""
    print("\n".join(_diff_lines(diff_versions(args.before, args.now))))
    return 0


def _diff_lines(diff: VersionDiff) -> Iterable[str]:
    for (before, now), images in sorted(diff.relabelled.items(), key=lambda pair: -len(pair[1])):
        yield f"{before} -> {now}: {_named(images)}"
    for images, what in (
        (diff.added, "added"),
        (diff.removed, "removed"),
        (diff.replaced, "with other content"),
        (diff.moved, "moved to another split"),
    ):
        if images:
            yield f"{what}: {_named(images)}"
    if diff.recipe:
        yield f"recipe: {', '.join(diff.recipe)}"
    yield f"copies: {diff.copies_gained:,} gained, {diff.copies_lost:,} lost"
    yield f"shards: {diff.shards_shared} of {diff.shards} shared"


def _named(images: Sequence[str]) -> str:
    more = ", ..." if len(images) > _MOST_NAMED else ""
    return f"{len(images):,} images ({', '.join(images[:_MOST_NAMED])}{more})"


def run_prune(args: argparse.Namespace) -> int:
    """Runs `prune`, or says what it would do."""
    dataset = DatasetFolder(args.folder)
    if args.dry_run:
        print(_pruning_text(plan_pruning(dataset, keep=args.keep), args.folder, "would drop"))
    else:
        print(_pruning_text(prune(dataset, keep=args.keep), args.folder, "dropped"))
    return 0


def _pruning_text(pruning: Pruning, folder: Path, verb: str) -> str:
    dropped = ", ".join(map(version_text, pruning.dropped)) or "no version"
    kept = ", ".join(
        version_text(version) + (" (pinned)" if version in pruning.pinned else "")
        for version in pruning.kept
    )
    return (
        f"{folder}: {verb} {dropped} and {len(pruning.shards)} shards of the pool "
        f"({size_text(pruning.bytes)}); kept {kept}"
    )
