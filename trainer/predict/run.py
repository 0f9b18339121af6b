"""The work of `trainer predict`: from a run and a list of images to ranked predictions."""

from collections.abc import Callable, Iterable, Sequence

from pipeline.render import SIDE
from schemas.recipe import RenderConfig
from trainer.errors import UsageError
from trainer.predict.ahead import RenderAhead, RenderTask
from trainer.predict.classify import Classified, classify
from trainer.predict.config import PredictConfig
from trainer.predict.origin import Origin
from trainer.predict.predictions import Prediction, rank_predictions
from trainer.predict.sources import Source
from trainer.run_folder import RunFolder

# Is handed the outcomes and how many there will be, and gives them on.
Watch = Callable[[Iterable[Classified], int], Iterable[Classified]]


def predict(
    run: RunFolder,
    sources: Sequence[Source],
    *,
    origin: Origin,
    config: PredictConfig,
    watch: Watch,
) -> list[Prediction]:
    """Returns what a run says of images, likeliest crystals first, failures last.

    Args:
        run: the run; its best weights are used.
        sources: the images.
        origin: of the run, for its labels and its temperature.
        config: how.
        watch: shows the progress.

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
        return rank_predictions(sources, watch(outcomes, len(sources)), labels=origin.labels)
