"""A dataset directory: the pool and the finished versions beside it; DESIGN section 5.8."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

from schemas.tfds_files import DATASET_INFO_FILE

METADATA_FILE = "metadata.json"
METADATA_FORMAT = 1
REJECTS_FILE = "rejects.csv"
LEAKS_FILE = "leaks.csv"
CROISSANT_FILE = "croissant.json"
REPORT_FILE = "report.html"
POOL_FOLDER = "pool"

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
Version = tuple[int, int, int]


def version_text(version: Version) -> str:
    """Returns a version as written.

    >>> version_text((1, 0, 2))
    '1.0.2'
    """
    return ".".join(map(str, version))


def parse_version(text: str) -> Version | None:
    """Returns the version that a text writes, or None."""
    match = _VERSION.fullmatch(text)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


@dataclasses.dataclass(frozen=True)
class DatasetFolder:
    """A dataset on disk.

    Attributes:
        folder: where it lies; it need not be there yet.
    """

    folder: Path

    @property
    def pool(self) -> Path:
        """The folder of the pool."""
        return self.folder / POOL_FOLDER

    def version_folder(self, version: Version) -> Path:
        """Returns the folder of a version."""
        return self.folder / version_text(version)

    def versions(self) -> list[Version]:
        """Returns the finished versions, oldest first.

        One without `dataset_info.json` was never finished and does not count.
        """
        if not self.folder.is_dir():
            return []
        found = ((parse_version(path.name), path) for path in self.folder.iterdir())
        return sorted(
            version for version, path in found if version and (path / DATASET_INFO_FILE).is_file()
        )

    def check(self) -> None:
        """Checks that a build may write here.

        Raises:
            ValueError: if there is something, and it is no dataset.
        """
        if not self.folder.exists():
            return
        if not self.folder.is_dir():
            raise ValueError(f"wanted a folder for the dataset, got the file {self.folder}")
        holds = [path.name for path in self.folder.iterdir() if not path.name.startswith(".")]
        if holds and POOL_FOLDER not in holds and not self.versions():
            raise ValueError(
                f"wanted an empty folder or a dataset, but {self.folder} holds other things "
                f"({', '.join(sorted(holds)[:3])}{', ...' if len(holds) > 3 else ''}); "
                "choose another --out"
            )

    def metadata(self, version: Version) -> dict[str, Any]:
        """Returns what `metadata.json` of a version says.

        Raises:
            ValueError: if it is not there, or was written by a tool of another format.
        """
        path = self.version_folder(version) / METADATA_FILE
        try:
            value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} cannot be read: {error}") from error
        if value.get("format") != METADATA_FORMAT:
            raise ValueError(
                f"{path} has format {value.get('format')}, wanted {METADATA_FORMAT}: "
                "it was written by another release of this program"
            )
        return value


def next_version(
    latest: Version | None, *, same_recipe: bool, same_images: bool, same_labels: bool
) -> Version | None:
    """Returns the number of the next version, or None where nothing has changed.

    Labels alone raise the last number, images the middle one, the recipe the first.

    >>> next_version((1, 4, 2), same_recipe=True, same_images=True, same_labels=False)
    (1, 4, 3)
    """
    if latest is None:
        return (1, 0, 0)
    major, minor, patch = latest
    if not same_recipe:
        return (major + 1, 0, 0)
    if not same_images:
        return (major, minor + 1, 0)
    return None if same_labels else (major, minor, patch + 1)
