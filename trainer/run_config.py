"""What made a run: network, recipe, seed and data, as written to its `config.json`."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from schemas.labels import LabelSet
from schemas.recipe import canonical_json, text_digest
from trainer.dataset import DatasetVersion
from trainer.recipes import Recipe, recipe_from_json

RUN_FORMAT = 1  # of all files of a run; raised by hand when older runs cannot be read any more


@dataclasses.dataclass(frozen=True)
class DataFacts:
    """The version that a run was trained on.

    Attributes:
        folder: where it lay; decides nothing.
        name, version: what it is called; decide nothing.
        digest: of all its records' bytes, hexadecimal.
        origins: images by where they come from; drawn plates are "drawn".
        render: how its records were rendered, as in its recipe.
    """

    folder: str
    name: str
    version: str
    digest: str
    origins: Mapping[str, int]
    render: Mapping[str, Any]

    @property
    def drawn(self) -> bool:
        """Whether any plate was drawn by a program and is no micrograph."""
        return bool(self.origins.get("drawn"))

    @classmethod
    def of(cls, version: DatasetVersion) -> "DataFacts":
        """Returns the facts of a version that is open."""
        return cls(
            folder=str(version.folder),
            name=version.name,
            version=version.version,
            digest=version.digest,
            origins=dict(version.origins),
            render=dataclasses.asdict(version.render),
        )


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """What made a run.

    Attributes:
        arch: name of the network.
        recipe: with the network's own values filled in.
        data: the version.
        labels: its labels.
        width: factor of the network's channels.
        seed: of weights, order, dropout and augmentation, 0 to 2**63 - 1.
        side: of its images, in pixels.
        deterministic: whether the device was made to compute the same bits each time.
        xla: whether steps are compiled by XLA.
    """

    arch: str
    recipe: Recipe
    data: DataFacts
    labels: LabelSet
    width: float = 1.0
    seed: int = 0
    side: int = 128
    deterministic: bool = False
    xla: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed must be 0 to 2**63 - 1, got {self.seed}")
        if not self.width > 0:
            raise ValueError(f"width must be above 0, got {self.width}")
        if self.deterministic and self.xla:
            raise ValueError("deterministic and xla exclude each other: give one of them")

    def to_json(self) -> dict[str, Any]:
        """Returns the config as written to `config.json`."""
        plain = dataclasses.asdict(dataclasses.replace(self, labels=None))  # type: ignore[arg-type]
        return {"format": RUN_FORMAT, **plain, "labels": self.labels.to_json()}

    def decisive(self) -> dict[str, Any]:
        """Returns all that decides the weights, by dotted name of the field."""
        labels = self.labels.to_json()
        fields = {
            "arch": self.arch,
            "width": self.width + 0.0,
            "seed": self.seed,
            "side": self.side,
            "deterministic": self.deterministic,
            "xla": self.xla,
            "data.digest": self.data.digest,
            "labels": {key: labels[key] for key in ("names", "crystal_names")},
        }
        recipe = self.recipe.to_json()
        del recipe["name"]
        return fields | {f"recipe.{key}": value for key, value in recipe.items()}

    def digest(self) -> str:
        """Returns 32 hexadecimal digits that change with all that decides the weights."""
        return text_digest(canonical_json(self.decisive()))


def config_from_json(value: Mapping[str, Any]) -> RunConfig:
    """Returns the config that `RunConfig.to_json` wrote.

    Raises:
        KeyError, TypeError, ValueError: if it is none.
    """
    rest = dict(value)
    if (came := rest.pop("format")) != RUN_FORMAT:
        raise ValueError(f"format {came}, wanted {RUN_FORMAT}")
    labels = rest.pop("labels")
    return RunConfig(
        recipe=recipe_from_json(rest.pop("recipe")),
        data=DataFacts(**rest.pop("data")),
        labels=LabelSet(
            labels["name"],
            tuple(labels["names"]),
            frozenset(labels["crystal_names"]),
            labels["aliases"],
        ),
        **rest,
    )


def differing(old: RunConfig, new: RunConfig) -> list[str]:
    """Returns what differs between two configs and decides the weights, a text a field."""
    was, now = old.decisive(), new.decisive()
    return [f"{key} {was[key]}, not {now[key]}" for key in was if was[key] != now[key]]
