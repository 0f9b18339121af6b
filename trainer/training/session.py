"""One session of a run: from the last checkpoint to the last epoch, or to what stops it."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from trainer.dataset import DatasetVersion
from trainer.errors import UsageError
from trainer.input import data_errors, open_split
from trainer.progress import Progress
from trainer.run_config import RunConfig
from trainer.run_folder import RunFolder, RunState
from trainer.training import checkpoint
from trainer.training.curves import Curves
from trainer.training.device import check_precision, open_device
from trainer.training.environment import note_session
from trainer.training.events import Events
from trainer.training.learner import Learner, Sums
from trainer.training.passes import Place, go_through
from trainer.training.request import TrainRequest
from trainer.training.stop import Stop
from trainer.training.telling import tell_end, tell_epoch, tell_start


class Session:
    """A network with its data on a device, ready to be trained."""

    def __init__(self, request: TrainRequest, config: RunConfig, version: DatasetVersion):
        self._request, self._config = request, config
        self._recipe = config.recipe
        self._device = open_device(request.device)
        check_precision(self._device, mixed=self._recipe.mixed_precision)
        self._train_split = open_split(version, "train", cache=request.cache)
        self._validation_split = open_split(version, "validation", cache=request.cache)
        self._steps = self._train_split.steps(self._recipe.batch_size)
        self._check_last_batch()
        self._learner = Learner(config, device=self._device, steps_per_epoch=self._steps)

    def run(self, run: RunFolder, *, stop: Stop, events: Events) -> RunState:
        """Trains from the run's last checkpoint to the last epoch; the run must be locked."""
        state = run.state
        checkpoint.sweep(run, state)
        if state.epoch:
            checkpoint.restore(run, self._learner, state)
        changes = note_session(run, self._device, from_epoch=state.epoch)
        tell_start(events, self._config, state, device=self._device, changes=changes)
        curves = Curves(self._request.tensorboard or run.tensorboard, state.history)
        with contextlib.closing(curves), data_errors(), self._fitting():
            for state in self._epochs(run, state, stop):  # noqa: B020 - each follows the last
                curves.add(state.history[-1])
                tell_epoch(events, self._config, state)
        tell_end(events, run, state, trained=True)
        return state

    def _epochs(self, run: RunFolder, state: RunState, stop: Stop) -> Iterator[RunState]:
        """Trains one epoch after another; gives the state after each, committed."""
        recipe = self._recipe
        batches = self._train_split.epochs(
            state.epoch, recipe.epochs, seed=self._config.seed, batch_size=recipe.batch_size
        )
        feed = self._learner.feed(batches)
        while state.epoch < recipe.epochs:
            began = time.monotonic()
            place = _place(run, state, recipe.epochs)
            self._learner.begin_epoch(state.epoch)
            trained = self._pass(
                lambda steps, sums: self._learner.train(feed, steps, so_far=sums),
                self._steps,
                records=self._train_split.records,
                place=place,
                stop=stop,
            )
            last = checkpoint.save_last(run, self._learner, epoch=state.epoch + 1)
            with self._learner.averaged():
                validated = self._validate(place, stop)
                state = self._after(state, trained, validated)
                best = state.files.get("best", ("", ""))
                if state.best_epoch == state.epoch:
                    best = checkpoint.save_best(run, self._learner, epoch=state.epoch)
            state = dataclasses.replace(
                state,
                seconds=(*state.seconds, time.monotonic() - began),
                files={"last": last, "best": best},
            )
            checkpoint.commit(run, state)
            yield state

    def _validate(self, place: Place, stop: Stop) -> Sums:
        size = self._recipe.batch_size
        batches = self._validation_split.in_order(batch_size=size)
        feed = self._learner.feed(batches.map(lambda record: (record["image"], record["label"])))
        return self._pass(
            lambda steps, sums: self._learner.guess(feed, steps, so_far=sums),
            self._validation_split.steps(size),
            records=self._validation_split.records,
            place=Place(f"{place.title}, validation", place.kept),
            stop=stop,
        )

    def _pass(self, advance: Any, steps: int, *, records: int, place: Place, stop: Stop) -> Sums:
        with contextlib.closing(Progress(place.title, records)) as progress:
            return go_through(advance, steps, place=place, progress=progress, stop=stop)

    def _after(self, state: RunState, trained: Sums, validated: Sums) -> RunState:
        """Returns the state after an epoch."""
        epoch = state.epoch + 1
        entry = {
            "epoch": epoch,
            "learning_rate": self._learner.learning_rate,
            "loss": trained.mean_loss,
            "accuracy": trained.accuracy,
            "validation_loss": validated.mean_loss,
            "validation_accuracy": validated.accuracy,
        }
        before = state.best_epoch and state.history[state.best_epoch - 1]
        better = not before or _merit(entry) > _merit(before)
        return dataclasses.replace(
            state,
            epoch=epoch,
            best=entry["validation_accuracy"] if better else state.best,
            best_epoch=epoch if better else state.best_epoch,
            history=(*state.history, entry),
            finished=epoch == self._recipe.epochs,
        )

    def _check_last_batch(self) -> None:
        last = self._train_split.records % self._recipe.batch_size
        if 0 < last < self._device.replicas:
            raise UsageError(
                f"wanted a record for each of {self._device.replicas} devices in every batch, but "
                f"the last one of an epoch has {last}; give another --batch-size"
            )

    @contextlib.contextmanager
    def _fitting(self) -> Iterator[None]:
        try:
            yield
        except tf.errors.ResourceExhaustedError as error:
            raise UsageError(
                f"a batch of {self._recipe.batch_size} does not fit the memory of "
                f"{self._device.title}; give a smaller --batch-size"
            ) from error


def _merit(entry: Mapping[str, Any]) -> tuple[float, float]:
    """Orders epochs: more validation records right, then less validation loss, is better."""
    return entry["validation_accuracy"], -entry["validation_loss"]


def _place(run: RunFolder, state: RunState, epochs: int) -> Place:
    kept = f"epoch {state.epoch} is saved" if state.epoch else "no epoch is finished yet"
    to_do = f"the same command again goes on from there, in {run.folder}"
    return Place(f"epoch {state.epoch + 1} of {epochs}", f"{kept}; {to_do}")
