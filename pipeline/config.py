"""What a build is asked to do, and how it ends."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from schemas.recipe import Recipe
from schemas.tfds_files import check_dataset_name


@dataclasses.dataclass(frozen=True)
class BuildConfig:
    """What a build is asked to do.

    Attributes:
        manifest: the manifest's file.
        out: the dataset's folder.
        recipe: the recipe.
        name: name of the dataset, letters, digits and underscores.
        max_reject_fraction: share of images that may be rejects, 0 to 1.
        fail_on_leaks: whether to fail where duplicates stand in more than one split.
        labels_from: file of corrected labels to apply on top of the manifest, or None.
        repair: whether to read the pool's shards again and build the damaged ones anew.
        processes: render processes; None: one for each core.
        runner: name of Beam's runner.
        beam_options: other arguments for Beam, such as `--project`.
    """

    manifest: Path
    out: Path
    recipe: Recipe
    name: str
    max_reject_fraction: float = 0.01
    fail_on_leaks: bool = False
    labels_from: Path | None = None
    repair: bool = False
    processes: int | None = None
    runner: str = "DirectRunner"
    beam_options: Sequence[str] = ()

    def __post_init__(self) -> None:
        check_dataset_name(self.name)
        if not 0 <= self.max_reject_fraction <= 1:
            raise ValueError(f"max_reject_fraction must be 0 to 1, got {self.max_reject_fraction}")
        if self.processes is not None and self.processes < 1:
            raise ValueError(f"processes must be 1 or more, got {self.processes}")


@dataclasses.dataclass(frozen=True)
class BuildOutcome:
    """How a build ended.

    Attributes:
        metadata: of the newest version.
        folder: where that version lies.
        committed: whether this build made it; False where nothing had changed.
    """

    metadata: Mapping[str, Any]
    folder: Path
    committed: bool
