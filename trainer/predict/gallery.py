"""The gallery: one page with the images that most likely show crystals, drop by drop."""

import dataclasses
import importlib.resources
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import jinja2

from schemas.labels import LabelSet
from trainer.predict import wording
from trainer.predict.drops import Drop, find_drops, first_drops
from trainer.predict.origin import Origin
from trainer.predict.overview import Overview, shared_folder
from trainer.predict.predictions import Prediction
from trainer.predict.thumbnails import Thumbnail, read_thumbnail

LIKELIEST = 3  # labels shown without a click
WIDEST = 4  # columns that a drop may take
FAILURES_SHOWN = 200
_FRAME = 4 / 3  # width over height of a picture's frame


@dataclasses.dataclass(frozen=True)
class LabelBar:
    """A label with its probability, 0 to 1, and whether it means that there is a crystal."""

    name: str
    crystal: bool
    share: float


@dataclasses.dataclass(frozen=True)
class Card:
    """One image as the page shows it.

    Attributes:
        prediction: the image and what the network says of it.
        name: what it is called here.
        bars: all labels, likeliest first.
        picture: its thumbnail, or None where it could no longer be read.
        expert_crystal: whether the expert's label means that there is a crystal.
        differs: whether the expert gave it another label than the network.
    """

    prediction: Prediction
    name: str
    bars: tuple[LabelBar, ...]
    picture: Thumbnail | None
    expert_crystal: bool
    differs: bool

    @property
    def square(self) -> str:
        """The square that the network is given, as CSS insets from the frame.

        "" where that is the whole image, or there is no picture.
        """
        picture = self.picture
        if picture is None or picture.width == picture.height:
            return ""
        across, down = min(1, picture.width / picture.height / _FRAME), 1.0
        if across == 1:
            down = _FRAME * picture.height / picture.width
        side = min(across * _FRAME, down)  # in heights of the frame
        return f"{50 * (1 - side):.2f}% {50 * (1 - side / _FRAME):.2f}%"


@dataclasses.dataclass(frozen=True)
class Row:
    """One drop as the page shows it: its name, its cards over time, how wide it is."""

    drop: Drop
    name: str
    cards: tuple[Card, ...]

    @property
    def columns(self) -> int:
        """Columns that it takes, 1 to `WIDEST`."""
        return min(len(self.cards), WIDEST)

    def name_of(self, card: Card) -> str:
        """Returns what a card is called below the name of its row, without repeating that.

        Of an image of a drop it is the rest of its own name, such as the number of the
        inspection; of an image alone, whose own name heads the row, it is the folder.
        """
        folder, _, name = card.name.rpartition("/")
        if not self.drop.group:
            return folder
        return name.removeprefix(self.name).lstrip("_-. ") or folder


def gallery_html(predictions: Sequence[Prediction], *, origin: Origin, images: int) -> str:
    """Returns the page, whole in itself: one file, no script, no network.

    Args:
        predictions: by rank, failures last.
        origin: what made them.
        images: how many images to show at most. The page has their pictures, some 7 kB each.
    """
    drops = find_drops(predictions)
    shown = first_drops(drops, images=images)
    overview = Overview.of(predictions, origin=origin, drops=len(drops))
    folder = shared_folder([prediction.source.image_id for prediction in predictions])
    cards = _cards([shot for drop in shown for shot in drop.shots], folder, origin.labels)
    rows = [_row(drop, cards) for drop in shown]
    style = importlib.resources.files(__package__).joinpath("gallery.css")
    return _template().render(
        origin=origin,
        overview=overview,
        rows=rows,
        folder=folder,
        shown=len(cards),
        differing=sum(card.differs for card in cards.values()),
        failures=[p for p in predictions if p.failure][:FAILURES_SHOWN],
        likeliest=LIKELIEST,
        style=style.read_text(encoding="utf-8"),
    )


def _cards(shots: Sequence[Prediction], folder: str, labels: LabelSet) -> Mapping[str, Card]:
    """Returns the cards of images by their uri."""
    uris = [shot.source.uri for shot in shots]
    with ThreadPoolExecutor() as pool:  # Pillow decodes without Python's lock
        pictures = pool.map(read_thumbnail, uris)
        return {
            uri: _card(shot, picture, folder, labels)
            for uri, shot, picture in zip(uris, shots, pictures, strict=True)
        }


def _card(shot: Prediction, picture: Thumbnail | None, folder: str, labels: LabelSet) -> Card:
    bars = [
        LabelBar(name, name in labels.crystal_names, share)
        for name, share in zip(labels.names, shot.probabilities, strict=True)
    ]
    expert = shot.source.label
    return Card(
        prediction=shot,
        name=shot.source.image_id.removeprefix(folder),
        bars=tuple(sorted(bars, key=lambda bar: -bar.share)),
        picture=picture,
        expert_crystal=expert in labels.crystal_names,
        differs=expert in labels.names and expert != shot.predicted,
    )


def _row(drop: Drop, cards: Mapping[str, Card]) -> Row:
    shots = tuple(cards[shot.source.uri] for shot in drop.shots)
    return Row(drop, drop.group or shots[0].name.rpartition("/")[2], shots)


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("trainer.predict", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "count": wording.count,
        "percent": wording.percent,
        "shown": wording.shown,
    }
    return environment.get_template("gallery.html")
