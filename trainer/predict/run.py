"""The work of `trainer predict`: from a run and a list of images to ranked predictions."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence

from pipeline.render import SIDE
from schemas.recipe import RenderConfig
from trainer.errors import UsageError
from trainer.predict.ahead import Failure, RenderAhead, RenderTask
from trainer.predict.classify import Classified, classify
from trainer.predict.config import PredictConfig
from trainer.predict.origin import Origin
from trainer.predict.predictions import Prediction, rank_predictions
from trainer.predict.sources import Source
from trainer.progress import Progress
from trainer.run_folder import RunFolder


def predict(
    run: RunFolder,
    sources: Sequence[Source],
    *,
    origin: Origin,
    config: PredictConfig,
) -> list[Prediction]:
    """Returns what a run says of images, likeliest crystals first, failures last.

    Args:
        run: the run; its best weights are used.
        sources: the images.
        origin: of the run, for its labels and its temperature.
        config: how.

    Raises:
        UsageError: if the run has no weights, or is for images of another size.
        TrainerError: if the network gives no numbers, or no worker process can be started.
    """
    side = run.config.side
    if side != SIDE:
        raise UsageError(
            f"wanted a run for images of {SIDE} x {SIDE} pixels, got one for {side} x {side}"
        )
    task = RenderTask(config.views, RenderConfig(**run.config.data.render))
    uris = [source.uri for source in sources]
    with RenderAhead(uris, task, processes=config.processes) as ahead:
        network = run.load_model()  # while the first images are being rendered
        outcomes = classify(
            ahead,
            network.predict_on_batch,
            batch_size=config.batch_size,
            temperature=origin.temperature,
        )
        return rank_predictions(sources, _watched(outcomes, len(sources)), labels=origin.labels)


def _watched(outcomes: Iterable[Classified], total: int) -> Iterator[Classified]:
    """Gives the outcomes on, and shows how many there were."""
    failures = 0
    with contextlib.closing(Progress("predicting", total, unit="images")) as progress:
        for outcome in outcomes:
            failures += isinstance(outcome, Failure)
            progress.add(1, f"{failures} could not be used")
            yield outcome
