"""Configs and small trainings on the drawn plates, for tests of training."""

import dataclasses
import io
import json
import signal
from pathlib import Path

from schemas.labels import PAPER10
from trainer.networks import NETWORKS
from trainer.recipes import MODERN, PAPER, Recipe
from trainer.run_config import DataFacts, RunConfig
from trainer.run_folder import RunState
from trainer.training.events import Events
from trainer.training.request import TrainRequest
from trainer.training.stop import Stop
from trainer.training.train import train

# All that can go wrong in a resume is in here: dropout, flips, momentum, a running mean, a
# schedule that moves with every step. The rate is one that breaks nothing within some steps.
EVERYTHING = dataclasses.replace(
    MODERN, epochs=4, batch_size=16, warmup_epochs=1.0, mixed_precision=False, ema=0.9
)
SHORT = dataclasses.replace(PAPER, epochs=2, batch_size=16)

FACTS = DataFacts(
    folder="/data/drops/1.0.0",
    name="drops",
    version="1.0.0",
    digest="0123abcd" * 8,
    origins={"drawn": 34},
    render={"fill": "black"},
)


def make_config(recipe: Recipe = SHORT, **changes: object) -> RunConfig:
    """Returns the config of a run on a version that is not there."""
    resolved = recipe.for_network(NETWORKS["crystalnet"])
    config = RunConfig("crystalnet", resolved, FACTS, PAPER10, width=0.125)
    return dataclasses.replace(config, **changes)


def make_request(version: Path, out: Path, recipe: Recipe = SHORT, **changes: object):
    """Returns what is asked of a training of a narrow network."""
    request = TrainRequest(data=version, out=out, arch="crystalnet", recipe=recipe, width=0.125)
    return dataclasses.replace(request, **changes)


class Told(io.StringIO):
    """What a training has told; stops it after an epoch, if wanted."""

    def __init__(self, *, stop: Stop | None = None, after: int = 0):
        super().__init__()
        self._stop, self._after = stop, after

    def write(self, text: str) -> int:
        told = json.loads(text) if text.strip() else {}  # a line and its end come apart
        if self._stop is not None and told.get("event") == "epoch" and told["epoch"] == self._after:
            self._stop.tell(signal.SIGTERM)
        return super().write(text)

    def events(self, kind: str | None = None) -> list[dict]:
        lines = [json.loads(line) for line in self.getvalue().splitlines()]
        return [line for line in lines if kind in (None, line["event"])]


def run_training(request: TrainRequest, *, stop_after: int = 0) -> tuple[RunState, Told]:
    """Trains in this process and returns the state and what was told.

    Args:
        request: what to train.
        stop_after: the epoch after which to stop, as SIGTERM does; 0: none.
    """
    stop = Stop()
    told = Told(stop=stop, after=stop_after)
    return train(request, stop=stop, events=Events(out=told, machine=True)), told


def lasting(state: RunState) -> dict:
    """Returns what two runs must agree on: all of the state but the time that it took."""
    value = state.to_json()
    del value["seconds"]
    return value
