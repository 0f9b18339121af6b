"""Sources: where the plates lie, and what tells that one may have changed."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from pipeline.plan import Source
from schemas.manifest import ManifestRow

MISSING = "missing"  # fingerprint of a source that is not there, or that none may read
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def find_sources(rows: Iterable[ManifestRow], manifest: Path) -> list[Source]:
    """Returns the source of each row.

    Args:
        rows: rows of a manifest.
        manifest: where the manifest lies; its uris may be relative to its folder.

    Raises:
        ValueError: if a uri has a scheme that cannot be read.
    """
    folder = str(manifest.absolute().parent)
    found = []
    for row in rows:
        if _SCHEME.match(row.uri):
            scheme = row.uri.partition("://")[0]
            raise ValueError(
                f"wanted plates in folders, got {row.uri!r}: {scheme}:// cannot be read yet"
            )
        path = os.path.join(folder, row.uri)  # noqa: PTH118 - half a million, Path is slow
        found.append(Source(path, _fingerprint(row, path)))
    return found


def _fingerprint(row: ManifestRow, path: str) -> str:
    # also where there is a checksum: once it can be read, an image must not stay a reject
    if not os.access(path, os.R_OK):
        return MISSING
    try:
        status = os.stat(path)  # noqa: PTH116 - half a million, Path is slow
    except OSError:
        return MISSING
    if row.checksum:
        # of a file cut short and then mended, the manifest's checksum stays the same
        return f"checksum:{row.checksum}:{status.st_size}"
    return f"{status.st_size}:{status.st_mtime_ns}"
