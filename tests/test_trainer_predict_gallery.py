"""The gallery: drops in their order, pictures, numbers, and nothing that acts on its own."""

import base64
import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser

from schemas.labels import MARCO4, PAPER10
from tests.browser import CONTRASTS, open_browser
from tests.plates import draw_plate
from tests.trainer_predict_runs import make_origin, predictions_of
from trainer.predict.ahead import Failure
from trainer.predict.drops import find_drops, first_drops
from trainer.predict.gallery import Card, gallery_html
from trainer.predict.overview import Overview, shared_folder
from trainer.predict.sources import Source
from trainer.predict.thumbnails import Thumbnail, make_thumbnail, read_thumbnail

BAD = Failure("truncated", "JPEG that does not decode")
HOSTILE = '<script>alert(1)</script>" onload="x \u202e {{ 7 * 7 }}'


class Page(HTMLParser):
    """What a page has: its tags, and its texts by the class of the element they stand in."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if data.strip():
            self.texts.append(data.strip())

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts).replace("\N{NO-BREAK SPACE}", " "))

    def of_class(self, name: str) -> list[dict[str, str | None]]:
        return [a for _, a in self.tags if name in (a.get("class") or "").split()]


@pytest.fixture(scope="module")
def plate(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("plate") / "plate.jpg"
    draw_plate(path, 3)
    return path


def sources_of(folder: Path, *names: str, group: str = "", label: str = "") -> list[Source]:
    """Returns sources whose files all show some plate."""
    found = []
    for name in names:
        draw_plate(folder / f"{name}.jpg", len(name))
        found.append(Source(f"plates/{name}", str(folder / f"{name}.jpg"), group, label))
    return found


def page_of(predictions, *, images: int = 300, **origin) -> Page:
    return Page(gallery_html(predictions, origin=make_origin(**origin), images=images))


def names_of(drops) -> list[list[str]]:
    return [[shot.source.image_id for shot in drop.shots] for drop in drops]


def test_drops_stand_by_their_likeliest_image_and_in_the_order_of_time():
    sources = [
        *(Source(f"a_t{number}", f"a{number}", "a") for number in (10, 2, 1)),
        *(Source("b_t1", "b1", "b"), Source("c", "c1"), Source("c", "c2"), Source("x", "x")),
    ]
    drops = find_drops(predictions_of(sources, [0.1, 0.8, 0.2, 0.9, 0.5, 0.6, BAD]))
    assert names_of(drops) == [["b_t1"], ["a_t1", "a_t2", "a_t10"], ["c"], ["c"]]
    assert [drop.best.p_crystal for drop in drops] == [0.9, 0.8, 0.6, 0.5]
    shown = first_drops(drops, images=3)
    assert names_of(shown) == [["b_t1"], ["a_t1", "a_t2"]]
    assert [drop.images for drop in shown] == [1, 3]
    assert first_drops(drops, images=0) == []
    assert first_drops(drops, images=99) == drops


def test_numbers_of_the_overview_by_hand():
    labels = ["small crystals", "small crystals", "clear", "clear", "a word of theirs", ""]
    sources = [Source(f"i{n}", f"u{n}", "", label) for n, label in enumerate([*labels, "clear"])]
    predictions = predictions_of(sources, [1.0, 0.3, 0.0, 0.62, 0.9, 0.55, BAD])
    found = Overview.of(predictions, origin=make_origin(), drops=7)
    assert (found.usable, found.unusable, found.crystals) == (6, 1, 4)
    assert (found.labelled, found.agreed) == (4, 0)
    assert (found.expert_crystals, found.missed, found.false_alarms) == (2, 1, 1)
    assert [(look.threshold.value, look.images) for look in found.looks] == [(0.4, 4), (0.2, 5)]
    assert sum(found.bins) == 6
    assert [bin for bin, images in enumerate(found.bins) if images] == [0, 6, 11, 12, 18, 19]


@pytest.mark.parametrize(
    ("names", "folder"),
    [
        (["a/b/1", "a/b/2"], "a/b/"),
        (["a/b", "a/b/c"], "a/"),
        (["a/bc", "a/bd"], "a/"),
        (["x"], ""),
        (["a/x"], "a/"),
        (["/p/1", "q/1"], ""),
        ([], ""),
    ],
)
def test_the_folder_that_all_names_share(names, folder):
    assert shared_folder(names) == folder


def test_the_page_shows_what_it_was_given(tmp_path):
    sources = [
        *sources_of(tmp_path, "d1_t1", "d1_t2", group="d1", label="clear"),
        *sources_of(tmp_path, "alone", label="large crystals"),
        Source("plates/bad", str(tmp_path / "bad.jpg")),
        Source("plates/gone", str(tmp_path / "gone.jpg")),
    ]
    page = page_of(predictions_of(sources, [0.25, 0.875, 0.5, BAD, 0.125]))
    assert "4 images by P(crystal)" in page.text
    assert "d1 2 images" in page.text
    assert page.text.index("87.5 %") < page.text.index("50.0 %")
    assert "Names are below plates/" in page.text
    assert len([a for a in page.of_class("shot") if "differs" in (a["class"] or "")]) == 3
    assert "Only images where the expert says otherwise (3)" in page.text
    assert "The image can no longer be read." in page.text
    assert "bad truncated JPEG that does not decode" in page.text
    assert "95 % 40 % 2" in page.text
    assert "chosen on the 31 crystal images" in page.text
    assert "calibrated on the validation split" in page.text
    assert "drawn plates" not in page.text
    pictures = [a for tag, a in page.tags if tag == "img"]
    assert len(pictures) == 3
    for attributes in pictures:
        kind, _, data = (attributes["src"] or "").partition(",")
        assert kind == "data:image/jpeg;base64"
        assert Image.open(io.BytesIO(base64.b64decode(data))).size == (256, 192)


def test_the_page_says_what_it_cannot_know(tmp_path):
    sources = sources_of(tmp_path, *(f"p{number}" for number in range(5)))
    page = page_of(
        predictions_of(sources, [0.5] * 5),
        images=2,
        temperature=None,
        thresholds=(),
        drawn=True,
        reconstruction=True,
        views=1,
    )
    assert "not calibrated: the run has no evaluation of these weights" in page.text
    assert "once the run is evaluated" in page.text
    assert "Trained on drawn plates." in page.text
    assert "(our reconstruction)" in page.text
    assert "of each image as it lies" in page.text
    assert "The 2 likeliest of 5 images" in page.text
    assert len(page.of_class("shot")) == 2
    assert not [a for _, a in page.tags if a.get("id") in ("only", "unusable")]


def test_a_page_of_nothing_but_failures_is_a_page():
    page = page_of(predictions_of([Source("a/b", "b.jpg")], [BAD]))
    assert "0 images by P(crystal)" in page.text
    assert "No image is shown." in page.text


def test_hostile_names_are_only_shown(tmp_path):
    (source,) = sources_of(tmp_path, "x")
    hostile = Source(HOSTILE, source.uri, HOSTILE, HOSTILE)
    bad = Source(HOSTILE, HOSTILE)
    predictions = predictions_of([hostile, bad], [0.5, Failure("damaged", HOSTILE)])
    page = page_of(predictions, dataset=HOSTILE)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "iframe", "object"})
    assert not [name for _, a in page.tags for name in a if name.startswith("on")]
    assert "{{ 7 * 7 }}" in page.text
    assert "\u202e" not in page.text
    assert "[U+202E]" in page.text


def test_nothing_is_fetched_and_nothing_runs(tmp_path):
    text = gallery_html(
        predictions_of(sources_of(tmp_path, "x"), [0.5]), origin=make_origin(), images=9
    )
    assert "default-src 'none'" in text
    assert re.findall(r"(?:src|href)=\"(?!data:|#)", text) == []
    assert "url(" not in text
    assert "@import" not in text


@pytest.mark.parametrize("extension", ["jpg", "png", "tif"])
def test_thumbnails_are_upright_and_in_colour(tmp_path, extension):
    pixels = np.zeros((300, 400, 3), np.uint8)
    pixels[:150] = (200, 40, 40)  # red above
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right
    path = tmp_path / f"turned.{extension}"
    Image.fromarray(pixels).transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    thumbnail = make_thumbnail(path.read_bytes())
    assert (thumbnail.width, thumbnail.height) == (256, 192)
    shown = np.asarray(Image.open(io.BytesIO(thumbnail.jpeg)).convert("RGB")).astype(int)
    assert np.abs(shown[20, 128] - (200, 40, 40)).max() < 12
    assert shown[170, 128].max() < 12


@pytest.mark.parametrize("mode", ["L", "I;16", "1", "P", "RGBA", "LA"])
def test_thumbnails_of_other_modes_are_what_the_network_sees(tmp_path, mode):
    ramp = np.tile(np.arange(256, dtype=np.uint8), (200, 1))
    if mode == "I;16":
        image = Image.fromarray(ramp.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(ramp).convert(mode)
    image.save(tmp_path / "a.png")
    thumbnail = make_thumbnail((tmp_path / "a.png").read_bytes())
    shown = Image.open(io.BytesIO(thumbnail.jpeg))
    assert (shown.mode, shown.size) == ("L", (256, 200))
    values = np.asarray(shown).astype(int)
    assert values[100, 20] < 70
    assert values[100:102, 230:250].mean() > 190


@pytest.mark.parametrize(
    ("size", "insets"),
    [
        ((256, 192), "0.00% 12.50%"),  # fills the frame of 4 by 3
        ((256, 128), "16.67% 25.00%"),  # as wide as the frame, two thirds as high
        ((240, 200), "0.00% 12.50%"),  # as high as the frame
        ((128, 256), "25.00% 31.25%"),  # half as wide as high
        ((256, 256), ""),
    ],
)
def test_the_square_that_the_network_is_given_is_marked(size, insets):
    (prediction,) = predictions_of([Source("a", "a.jpg")], [0.5])
    card = Card(prediction, "a", (), Thumbnail(b"", *size), False, False)
    assert card.square == insets


def test_a_picture_that_is_gone_is_none(tmp_path, plate):
    assert read_thumbnail(str(plate)) is not None
    assert read_thumbnail(str(tmp_path / "absent.jpg")) is None
    (tmp_path / "text.jpg").write_text("no image", encoding="utf-8")
    assert read_thumbnail(str(tmp_path / "text.jpg")) is None


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """A page with drops of one to six images, portrait ones too, long names, failures."""
    folder = tmp_path_factory.mktemp("gallery")
    sources = [
        source
        for images in range(1, 7)
        for source in sources_of(
            folder,
            *(f"drop{images}_t{at}" for at in range(images)),
            group=f"drop{images}" if images % 2 else "a-very-long-name-of-a-drop" * 3,
            label=PAPER10.names[images],
        )
    ]
    draw_plate(folder / "tall.png", 4, size=(200, 300))
    draw_plate(folder / "wide.png", 4, size=(700, 200))
    sources += [Source(name, str(folder / f"{name}.png")) for name in ("tall", "wide")]
    sources.append(Source("x" * 300, "y" * 300))
    scores = [0.98 * 0.9**at for at in range(len(sources) - 1)]
    page = gallery_html(
        predictions_of(sources, [*scores, BAD]), origin=make_origin(drawn=True), images=99
    )
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    return path


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser_it_is_quiet_fits_and_stands_out(browser, written, scheme):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    tab = context.new_page()
    complaints, requests = [], []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(written.as_uri(), wait_until="networkidle")
    tab.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    for width in (320, 390, 768, 1280):
        tab.set_viewport_size({"width": width, "height": 900})
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [written.as_uri()]
    contrasts = tab.evaluate(CONTRASTS)
    assert len(contrasts) > 100
    assert [text for ratio, text in contrasts if ratio < 4.5] == []
    context.close()


@pytest.mark.browser
def test_in_a_browser_drops_are_rows_and_the_filter_filters(browser, written):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.goto(written.as_uri(), wait_until="networkidle")
    tops = tab.evaluate(
        "[...document.querySelectorAll('.drop')].map((drop) =>"
        " [...drop.querySelectorAll('.frame')].map((f) => f.getBoundingClientRect().top))"
    )
    for row in tops:
        assert len(set(row[:4])) == 1  # one drop over time, side by side
    shots = tab.locator(".shot")
    shown = shots.count()
    tab.get_by_label("Only images where").check()
    visible = sum(shot.is_visible() for shot in shots.all())
    assert 0 < visible < shown
    context.close()


def test_other_labels_than_the_papers_make_a_page(tmp_path):
    (source,) = sources_of(tmp_path, "x", label="Crystals")
    predictions = predictions_of([source], [0.75], labels=MARCO4)
    page = page_of(predictions, labels=MARCO4)
    assert "Expert: Crystals" in page.text
    assert not page.of_class("flag")
