"""Files that appear whole or not at all."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

INCOMPLETE = "incomplete."  # how the name of everything unfinished begins


def incomplete_path(path: Path) -> Path:
    """Returns a path beside `path` for what is not finished yet."""
    return path.with_name(f"{INCOMPLETE}{uuid.uuid4().hex}.{path.name}")


@contextlib.contextmanager
def atomic_path(path: Path, *, durable: bool = True, sync_folder: bool = True) -> Iterator[Path]:
    """Gives a path to write a file to; it becomes `path` if the block succeeds.

    Args:
        path: the file.
        durable: whether it must outlast a power cut from then on.
        sync_folder: False where a later file in the folder will see to the entry.
    """
    partial = incomplete_path(path)
    try:
        yield partial
        if durable:
            sync(partial)
        partial.replace(path)
        if durable and sync_folder:
            sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def write_atomic(
    path: Path, content: str | bytes, *, durable: bool = True, sync_folder: bool = True
) -> None:
    """Writes a file that appears whole or not at all; text is written as UTF-8."""
    with atomic_path(path, durable=durable, sync_folder=sync_folder) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)


def sync(path: Path) -> None:
    """Makes a file or the entries of a folder outlast a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link(source: Path, target: Path) -> None:
    """Makes `target` the same file as `source`, or a copy where there are no hard links."""
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links, or with too many of one file
        shutil.copyfile(source, target)
        sync(target)


def remove_incomplete(folder: Path) -> None:
    """Removes what earlier writers left unfinished in a folder.

    Only for the one who has locked the dataset: it would take a living writer's file too.
    """
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.name.startswith(INCOMPLETE):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
