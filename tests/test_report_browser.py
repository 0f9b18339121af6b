"""The report of a version in a real browser, opened from a file as a person opens it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from pipeline.report import report_html
from pipeline.report.markup import cut, visible
from tests.browser import CONTRASTS, Opened, open_browser
from tests.report_facts import HOSTILE, REJECT, hostile_facts, make_facts

pytestmark = pytest.mark.browser

HEADINGS = [
    "Is it right?",
    "Class balance",
    "Contact sheet",
    "Rejects",
    "Leaks",
    "Load it",
    "What it was built from",
    "Timing",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    texts = {
        "sound": report_html(make_facts(rejects=(REJECT,), pictures=True)),
        "hostile": report_html(hostile_facts()),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in texts}


@pytest.fixture(params=["sound", "hostile"])
def opened(request, browser, pages) -> Iterator[Opened]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = Opened(context.new_page())
    opened.open(pages[request.param])
    yield opened
    context.close()


def test_page_is_quiet_and_whole_in_itself(opened):
    tab = opened.tab
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [tab.url]
    assert tab.url.startswith("file:")
    assert tab.locator("h1").count() == 1
    assert tab.locator("h2").all_inner_texts() == HEADINGS


def test_all_pictures_are_shown_pixel_for_pixel(opened):
    sizes = opened.tab.evaluate(
        "Promise.all([...document.images].map(async (image) => {"
        " await image.decode();"
        " return [image.naturalWidth, image.naturalHeight, image.width, image.height]; }))"
    )
    assert len(sizes) > 20
    assert sizes == [[128] * 4] * len(sizes)


@pytest.mark.parametrize("width", [320, 380, 768, 1280])
@pytest.mark.parametrize("double", [False, True])
def test_nothing_is_wider_than_the_window(opened, width, double):
    tab = opened.tab
    tab.set_viewport_size({"width": width, "height": 900})
    tab.get_by_label("Show pixels at double size").set_checked(double)
    assert tab.locator("img").first.evaluate("image => image.width") == (256 if double else 128)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    too_wide = tab.evaluate(
        "[...document.querySelectorAll('main *, header *, nav *')].filter((element) =>"
        " element.getBoundingClientRect().right > innerWidth + 0.5 ||"
        " element.getBoundingClientRect().left < -0.5).map((element) => element.outerHTML)"
    )
    assert too_wide == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out(opened, scheme):
    opened.tab.emulate_media(color_scheme=scheme)
    contrasts = opened.tab.evaluate(CONTRASTS)
    assert len(contrasts) > 100
    assert [text for ratio, text in contrasts if ratio < 4.5] == []


def test_dark_and_light_differ_and_paper_is_light(opened):
    def page_colour() -> str:
        return opened.tab.evaluate("getComputedStyle(document.body).backgroundColor")

    colours = {}
    for media in ("screen", "print"):
        for scheme in ("light", "dark"):
            opened.tab.emulate_media(media=media, color_scheme=scheme)
            colours[media, scheme] = page_colour()
    assert colours["screen", "dark"] != colours["screen", "light"]
    assert colours["print", "dark"] == colours["print", "light"] == colours["screen", "light"]


def test_hostile_texts_are_only_shown(browser, pages):
    context = browser.new_context()
    opened = Opened(context.new_page())
    opened.open(pages["hostile"])
    tab = opened.tab
    for element in tab.locator("td, th, figcaption, h1").all()[:40]:
        element.hover()
    shown = tab.locator("body").text_content()
    for text in HOSTILE:
        assert visible(cut(text)) in shown
    assert tab.locator("script, iframe, b, [onmouseover], [onerror]").count() == 0
    assert tab.title().endswith("dataset report")
    assert opened.complaints == []
    context.close()
