"""`trainer predict RUN IMAGES...`: plates never seen, ranked by P(any crystal)."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.atomic import write_atomic
from trainer.errors import DataError, UsageError
from trainer.predict.config import PredictConfig

if TYPE_CHECKING:
    from trainer.predict.origin import Origin
    from trainer.predict.predictions import Prediction

HELP = "probabilities of images never seen, ranked"
DESCRIPTION = (
    "Ranks images by P(any crystal) with the best weights of a run. Images are files, folders "
    "(searched below) or manifests (CSV or Parquet with uri and, if wanted, image_id, group and "
    "label). An image that cannot be used is listed with the reason and stops nothing."
)
_LISTED = 20  # images printed
_DEFAULT = PredictConfig()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="folder of a trained run")
    parser.add_argument("images", metavar="IMAGES", nargs="+", help="file, folder or manifest")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="TABLE",
        help="table with all probabilities, .csv or .parquet",
    )
    parser.add_argument(
        "--html", type=Path, metavar="GALLERY", help="page with the likeliest crystals, .html"
    )
    parser.add_argument(
        "--gallery-images",
        type=int,
        default=_DEFAULT.gallery_images,
        metavar="N",
        help=f"most images on the page (default: {_DEFAULT.gallery_images})",
    )
    parser.add_argument(
        "--views",
        type=int,
        default=_DEFAULT.views,
        metavar="N",
        help="average over N views of each image: 1, the image as it lies, or an even number, "
        f"turns plain and mirrored (default: {_DEFAULT.views}, the ways to lay a square; "
        "1 asks an eighth of the network's time)",
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        default=_DEFAULT.batch_size,
        metavar="N",
        help=f"views that the network is given at a time (default: {_DEFAULT.batch_size})",
    )
    parser.add_argument(
        "--processes", type=int, help="processes that decode (default: one for each core)"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code."""
    from trainer.predict.gallery import gallery_html  # noqa: PLC0415 - help loads no NumPy
    from trainer.predict.origin import origin_of  # noqa: PLC0415
    from trainer.predict.run import predict  # noqa: PLC0415
    from trainer.predict.sources import find_sources  # noqa: PLC0415
    from trainer.predict.tables import write_predictions  # noqa: PLC0415
    from trainer.run_folder import RunFolder  # noqa: PLC0415

    config = _config(args)
    _check_outputs(args.out, args.html)
    trained = RunFolder.open(args.run_folder)
    origin = origin_of(trained, views=config.views)
    sources = find_sources(args.images, labels=origin.labels)
    _say("\n".join(_before(len(sources), origin)))
    predictions = predict(trained, sources, origin=origin, config=config)
    if args.out:
        write_predictions(args.out, predictions, origin=origin)
    if args.html:
        page = gallery_html(predictions, origin=origin, images=config.gallery_images)
        write_atomic(args.html, page)
    print("\n".join(_listing(predictions)))
    _say("\n".join(_after(predictions, [path for path in (args.out, args.html) if path])))
    if all(prediction.failure for prediction in predictions):
        raise DataError(
            f"wanted images, but none of {len(predictions):,} could be used; "
            f"the first one: {predictions[0].failure}"
        )
    return 0


def _config(args: argparse.Namespace) -> PredictConfig:
    try:
        return PredictConfig(
            views=args.views,
            batch_size=args.batch_size,
            processes=args.processes,
            gallery_images=args.gallery_images,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def _check_outputs(table: Path | None, page: Path | None) -> None:
    from trainer.predict.tables import check_folder, check_table_path  # noqa: PLC0415

    if table:
        check_table_path(table)
    if page:
        check_folder(page)


def _before(images: int, origin: "Origin") -> Iterator[str]:
    calibrated = (
        f"temperature {origin.temperature:.3f}"
        if origin.temperature
        else "not calibrated: no evaluation of these weights (`python -m trainer evaluate`)"
    )
    yield (
        f"{images:,} images through {origin.title} of {origin.dataset}, "
        f"{origin.views} views each, {calibrated}"
    )
    if origin.drawn:
        yield "it was trained on drawn plates: what it says of micrographs means nothing"


def _listing(predictions: "Sequence[Prediction]") -> Iterator[str]:
    """Gives the lines of a table of the likeliest crystals."""
    from trainer.predict.wording import percent, shown  # noqa: PLC0415

    ranked = [prediction for prediction in predictions if prediction.p_crystal is not None]
    if not ranked:
        return
    likeliest = ranked[:_LISTED]
    wide = max(len(prediction.predicted) for prediction in likeliest)
    yield f"{'rank':>6}  P(crystal)  {'label':<{wide}}  image"
    for prediction in likeliest:
        chance = percent(prediction.p_crystal or 0.0)
        name = shown(prediction.source.image_id)
        yield f"{prediction.rank:>6}  {chance:>10}  {prediction.predicted:<{wide}}  {name}"
    if len(ranked) > len(likeliest):
        yield f"{'...':>6}  and {len(ranked) - len(likeliest):,} more"


def _after(predictions: "Sequence[Prediction]", written: Sequence[Path]) -> Iterator[str]:
    from trainer.predict.wording import shown  # noqa: PLC0415

    failed = [prediction for prediction in predictions if prediction.failure]
    if failed:
        first = shown(f"{failed[0].source.uri}: {failed[0].failure}", 200)
        yield f"{len(failed):,} of {len(predictions):,} images could not be used; {first}"
    yield from (f"wrote {path}" for path in written)


def _say(text: str) -> None:
    if text:
        print(text, file=sys.stderr, flush=True)
