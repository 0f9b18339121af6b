"""What is asked of a training, and the config that it makes with the data at hand."""

import dataclasses
from pathlib import Path

from trainer.dataset import DatasetVersion
from trainer.errors import UsageError
from trainer.networks import find_network
from trainer.recipes import Recipe
from trainer.run_config import DataFacts, RunConfig
from trainer.training.device import Wanted


@dataclasses.dataclass(frozen=True)
class TrainRequest:
    """A network to train.

    Attributes:
        data: folder of the version.
        out: folder of the run.
        arch: name of the network.
        recipe: how; values that it leaves to the network are None.
        width: factor of the network's channels.
        seed: of all that is drawn.
        cache: where records lie while they are read: "ram", "stream" or "auto". The order of
            the records is the same in all.
        xla: whether to compile steps.
        device: on what.
        tensorboard: folder for curves. None: in the run.
    """

    data: Path
    out: Path
    arch: str
    recipe: Recipe
    width: float = 1.0
    seed: int = 0
    cache: str = "auto"
    xla: bool = False
    device: Wanted = dataclasses.field(default_factory=Wanted)
    tensorboard: Path | None = None

    def config(self, version: DatasetVersion) -> RunConfig:
        """Returns the config of the run on the version that is in `data`.

        Raises:
            UsageError: if a value cannot be used.
        """
        try:
            return RunConfig(
                arch=self.arch,
                recipe=self.recipe.for_network(find_network(self.arch)),
                data=DataFacts.of(version),
                labels=version.labels,
                width=self.width,
                seed=self.seed,
                deterministic=self.device.deterministic,
                xla=self.xla,
            )
        except ValueError as error:
            raise UsageError(str(error)) from error
