"""The events of a training, each told in one place."""

import math
from collections.abc import Sequence

from trainer.networks import NETWORKS
from trainer.progress import duration
from trainer.run_config import RunConfig
from trainer.run_folder import RunFolder, RunState
from trainer.training.device import Device
from trainer.training.events import Events

_CHANCE_MARGIN = 0.01  # nats; a loss so near to that of knowing nothing has learnt nothing
_REPEAT = 10  # epochs until a network that still learns nothing is called out again


def tell_start(
    events: Events, config: RunConfig, state: RunState, *, device: Device, changes: Sequence[str]
) -> None:
    """Tells what is trained, from where, on what."""
    title, recipe, data = NETWORKS[config.arch].title, config.recipe, config.data
    events.tell(
        "start",
        f"{title} on {data.name} {data.version}, epochs {state.epoch + 1} to {recipe.epochs}, "
        f"recipe {recipe.name}, {device.title}",
        arch=config.arch,
        from_epoch=state.epoch,
        epochs=recipe.epochs,
        data_digest=data.digest,
        config_digest=config.digest(),
        device=device.title,
        replicas=device.replicas,
    )
    if device.note:
        events.tell("note", device.note)
    if changes:
        events.tell(
            "environment_changed",
            f"not as in the session before: {'; '.join(changes)}; the result may differ in its "
            "last bits from that of a run that nothing stopped",
            changes=list(changes),
        )


def tell_epoch(events: Events, config: RunConfig, state: RunState) -> None:
    """Tells what an epoch came to, and calls out a network that learns nothing."""
    entry, seconds = state.history[-1], state.seconds[-1]
    epochs, best = config.recipe.epochs, state.best_epoch == state.epoch
    events.tell(
        "epoch",
        f"epoch {state.epoch} of {epochs}: loss {entry['loss']:.4f}, validation loss "
        f"{entry['validation_loss']:.4f}, accuracy {entry['accuracy']:.2%}, on validation "
        f"{entry['validation_accuracy']:.2%}{' (best)' if best else ''}, {duration(seconds)}",
        arch=config.arch,
        **entry,
        best=best,
        seconds=seconds,
    )
    chance = math.log(len(config.labels))
    least = min(entry["loss"], entry["validation_loss"])
    if least > chance - _CHANCE_MARGIN and state.epoch % _REPEAT == 1:
        events.tell(
            "not_learning",
            f"{NETWORKS[config.arch].title} has not learned yet: after epoch {state.epoch} its "
            f"loss is {least:.3f}, that of knowing nothing is {chance:.3f}; if it stays so, try "
            "another --learning-rate or --init",
            arch=config.arch,
            epoch=state.epoch,
            loss=least,
            chance=chance,
        )


def tell_end(events: Events, run: RunFolder, state: RunState, *, trained: bool) -> None:
    """Tells what a finished run came to."""
    epochs = f"{state.epoch} epoch{'s' if state.epoch > 1 else ''}"
    done = f"{epochs} in {duration(state.training_seconds)}" if trained else f"{epochs}, not again"
    events.tell(
        "finished",
        f"{NETWORKS[run.config.arch].title} is trained ({done}): best validation accuracy "
        f"{state.best or 0:.2%} in epoch {state.best_epoch}, in {run.folder}",
        arch=run.config.arch,
        run=str(run.folder),
        epoch=state.epoch,
        best=state.best,
        best_epoch=state.best_epoch,
        trained=trained,
    )
