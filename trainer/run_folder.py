"""One run on disk: what made it, how far it is, its best weights, and what came of them."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.atomic import write_atomic
from trainer.errors import UsageError
from trainer.run_config import RUN_FORMAT, DataFacts, RunConfig, config_from_json, differing

if TYPE_CHECKING:
    import keras

CONFIG_FILE = "config.json"
STATE_FILE = "state.json"
ENVIRONMENT_FILE = "environment.json"

__all__ = ["CONFIG_FILE", "STATE_FILE", "DataFacts", "RunConfig", "RunFolder", "RunState"]


@dataclasses.dataclass(frozen=True)
class RunState:
    """How far a run is.

    Attributes:
        epoch: epochs that are finished.
        best: best accuracy on the validation split, 0 to 1; None before the first epoch.
        best_epoch: the epoch it is of, from 1.
        history: one entry an epoch: epoch (from 1), learning_rate (at its last step), loss,
            accuracy, validation_loss, validation_accuracy. A loss is the mean cross-entropy in nats
            without smoothing and weight decay, so the paper's and other recipes' compare.
        seconds: how long each epoch took; no two runs agree on it, so it is no history.
        finished: whether all epochs are.
        files: name of the file with the "best" weights and of the "last" checkpoint, each
            with the SHA-256 of its content.
    """

    epoch: int = 0
    best: float | None = None
    best_epoch: int | None = None
    history: tuple[Mapping[str, Any], ...] = ()
    seconds: tuple[float, ...] = ()
    finished: bool = False
    files: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)

    @property
    def training_seconds(self) -> float:
        """Seconds of all finished epochs."""
        return sum(self.seconds)

    def to_json(self) -> dict[str, Any]:
        """Returns the state as written to `state.json`."""
        return {"format": RUN_FORMAT, **dataclasses.asdict(self)}


def _state_from_json(value: Mapping[str, Any]) -> RunState:
    rest = dict(value)
    if (came := rest.pop("format")) != RUN_FORMAT:
        raise ValueError(f"format {came}, wanted {RUN_FORMAT}")
    for field in ("history", "seconds"):
        rest[field] = tuple(rest[field])
    rest["files"] = {key: (name, digest) for key, (name, digest) in rest["files"].items()}
    return RunState(**rest)


class RunFolder:
    """A run. Nothing but `load_model` loads TensorFlow.

    Attributes:
        folder: its directory.
        config: what made it.
    """

    def __init__(self, folder: Path, config: RunConfig):
        self.folder = folder
        self.config = config

    @classmethod
    def open(cls, folder: Path) -> "RunFolder":
        """Returns the run in a folder.

        Raises:
            UsageError: if there is none.
        """
        path = folder / CONFIG_FILE
        to_do = "give the folder of a run (`python -m trainer train`)"
        if not path.is_file():
            raise UsageError(f"wanted a run, but {folder} has no {CONFIG_FILE}; {to_do}")
        try:
            return cls(folder, config_from_json(_read(path)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"{path} is no config of a run of ours ({error}); {to_do}") from error

    @classmethod
    def start(cls, folder: Path, config: RunConfig) -> "RunFolder":
        """Returns the run of a config: a new one, or the one in the folder if it is the same.

        Raises:
            UsageError: if the folder has a run of another config, or files that are no run.
        """
        if not (folder / CONFIG_FILE).is_file():
            if folder.exists() and any(not _is_ours(path) for path in folder.iterdir()):
                raise UsageError(
                    f"wanted an empty or a new folder, but {folder} has other files; "
                    "choose another --out"
                )
            folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps(config.to_json(), indent=2) + "\n"
            write_atomic(folder / CONFIG_FILE, text)
            return cls(folder, config)
        run = cls.open(folder)
        if differences := differing(run.config, config):
            raise UsageError(
                f"{folder} is a run of another config: {'; '.join(differences)}; "
                "give the same flags to go on with it, or another --out"
            )
        return run

    @property
    def state(self) -> RunState:
        """How far it is, read anew.

        Raises:
            UsageError: if `state.json` is damaged.
        """
        path = self.folder / STATE_FILE
        if not path.is_file():
            return RunState()
        try:
            return _state_from_json(_read(path))
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{path} is no state of a run of ours ({error}); train into another --out"
            ) from error

    @property
    def environment(self) -> dict[str, Any]:
        """What the newest session of the run ran on: commit, versions, device; {} before."""
        sessions = self.sessions
        return sessions[-1] if sessions else {}

    @property
    def sessions(self) -> list[dict[str, Any]]:
        """The environments of all sessions of the run, oldest first."""
        path = self.folder / ENVIRONMENT_FILE
        return list(_read(path)["sessions"]) if path.is_file() else []

    @property
    def best_weights(self) -> Path:
        """The file with the weights of the best validation epoch.

        Its name has the epoch, so that a better one never overwrites it while it is read.

        Raises:
            UsageError: if no epoch is finished.
        """
        files = self.state.files
        if "best" not in files:
            raise UsageError(
                f"{self.folder} has no weights yet: no epoch is finished; "
                "run `python -m trainer train` again to go on"
            )
        return self.folder / files["best"][0]

    @property
    def evaluation(self) -> Path:
        """Where `trainer evaluate` writes."""
        return self.folder / "evaluation.json"

    @property
    def tensorboard(self) -> Path:
        """Where the curves for TensorBoard lie."""
        return self.folder / "tensorboard"

    def predictions(self, split: str) -> Path:
        """Returns where the predictions for a split lie."""
        return self.folder / f"predictions-{split}.parquet"

    def load_model(self) -> "keras.Model":
        """Returns the network with its best weights, computing in float32.

        Raises:
            UsageError: if no epoch is finished.
        """
        weights = self.best_weights
        from trainer.training.device import quiet  # noqa: PLC0415 - before TensorFlow

        quiet()
        from trainer.models import build_network  # noqa: PLC0415 - loads TensorFlow

        config = self.config
        network = build_network(
            config.arch, labels=len(config.labels), side=config.side, width=config.width
        )
        network.load_weights(weights)
        return network


def _is_ours(path: Path) -> bool:
    return path.name.startswith(".") or path.name.startswith("incomplete.")


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
