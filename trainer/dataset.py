"""One finished version of a dataset, checked before anything is read from it."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.dataset import METADATA_FILE, METADATA_FORMAT
from schemas.labels import LabelSet
from schemas.manifest import DRAWN
from schemas.recipe import RenderConfig, recipe_from_json
from schemas.shards import ShardKey, version_shard_name
from schemas.tfds_files import DATASET_INFO_FILE
from trainer.errors import DataError

_TO_DO = "give the folder of a finished version, such as drops/1.0.0 (`python -m pipeline build`)"


@dataclasses.dataclass(frozen=True)
class Shard:
    """One TFRecord file of a version.

    Attributes:
        path: the file.
        records: how many records it has; may be 0.
        bytes: its size.
    """

    path: Path
    records: int
    bytes: int


@dataclasses.dataclass(frozen=True)
class DatasetVersion:
    """A finished version, as its `metadata.json` describes it.

    Attributes:
        folder: its directory.
        name: name of the dataset.
        version: its number, such as "1.0.2".
        digest: of all bytes of all its records, hexadecimal.
        labels: its labels, in the order of the records' label indices.
        render: how its variants were rendered; inference must render alike.
        splits: shards of each split that has records, by index.
        records: records of each split, by label index.
        origins: images by where they come from, as far as the manifest told; drawn plates
            are "drawn".
    """

    folder: Path
    name: str
    version: str
    digest: str
    labels: LabelSet
    render: RenderConfig
    splits: Mapping[str, tuple[Shard, ...]]
    records: Mapping[str, tuple[int, ...]]
    origins: Mapping[str, int]

    @property
    def drawn(self) -> bool:
        """Whether any plate was drawn by a program and is no micrograph."""
        return bool(self.origins.get(DRAWN))

    def shards(self, split: str) -> tuple[Shard, ...]:
        """Returns the shards of a split.

        Raises:
            DataError: if the split has no records.
        """
        shards = self.splits.get(split, ())
        if not any(shard.records for shard in shards):
            raise DataError(
                f"wanted records in the split {split}, but {self.folder} has none there; "
                "build a dataset with more plates, or with other shares of the splits"
            )
        return shards


def open_dataset(folder: Path) -> DatasetVersion:
    """Returns a finished version, checked against the files that are there.

    Raises:
        DataError: if it is unfinished, foreign, or a shard is missing or of another size.
    """
    if not (folder / DATASET_INFO_FILE).is_file():
        raise DataError(
            f"wanted a finished version, but {folder} has no {DATASET_INFO_FILE}; {_TO_DO}"
        )
    try:
        metadata = json.loads((folder / METADATA_FILE).read_text(encoding="utf-8"))
        if metadata["format"] != METADATA_FORMAT:
            raise ValueError(f"format {metadata['format']}, wanted {METADATA_FORMAT}")
        return _parse(folder, metadata)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{folder / METADATA_FILE} is no description of a dataset of ours ({error}); {_TO_DO}"
        ) from error


def _parse(folder: Path, metadata: Mapping[str, Any]) -> DatasetVersion:
    recipe = recipe_from_json(metadata["recipe"])
    splits: dict[str, list[Shard]] = {}
    for entry in metadata["shards"]:
        key = ShardKey.parse(entry["key"])
        shard = Shard(
            folder / version_shard_name(metadata["name"], key), entry["records"], entry["bytes"]
        )
        _check_file(shard)
        splits.setdefault(key.split, []).append(shard)
    return DatasetVersion(
        folder=folder,
        name=metadata["name"],
        version=metadata["version"],
        digest=metadata["digests"]["shards"],
        labels=recipe.labels,
        render=recipe.render,
        splits={split: tuple(shards) for split, shards in splits.items()},
        records={split: tuple(numbers) for split, numbers in metadata["records"].items()},
        origins=metadata.get("origins", {}),
    )


def _check_file(shard: Shard) -> None:
    size = shard.path.stat().st_size if shard.path.is_file() else None
    if size != shard.bytes:
        came = "is missing" if size is None else f"has {size} bytes"
        raise DataError(
            f"wanted {shard.bytes} bytes in {shard.path}, which {came}; "
            "`python -m pipeline verify` says what is damaged, `build --repair` mends it"
        )
