"""The report of runs in a real browser, opened from a file as a person opens it."""

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser import CONTRASTS, Opened, open_browser
from tests.trainer_report_facts import (
    CLOSER,
    FORMULA,
    HANDLER,
    HOSTILE,
    SCRIPT,
    TURNED,
    Simulated,
    hostile_labels,
    make_eight,
    make_run,
)
from trainer.report import read_run, write_report
from trainer.report.matrix import cell_colours, contrast
from trainer.report.wording import cut, visible

pytestmark = pytest.mark.browser

PAGES = ("eight", "one", "hostile")
HEADINGS = [
    "What the numbers are taken on",
    "Table 1: accuracy",
    "The same networks, counted otherwise",
    "Missed crystals and false alarms",
    "Looking at the likeliest crystals first",
    "Table 2: accuracy of each label",
    "Table 3: area under the curve",
    "Figure 3: what is taken for what",
    "Calibration",
    "Training",
    "What made the runs",
    "About the paper's numbers",
]
# Contrast of every text of a figure, but in the cells of a matrix, with the page.
FIGURE_CONTRASTS = """() => {
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).map(Number).map((v) => v / 255)
      .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const page = light(getComputedStyle(document.body).backgroundColor);
  return [...document.querySelectorAll("svg text")]
    .map((text) => [getComputedStyle(text).fill, text.textContent])
    .filter(([fill]) => !["rgb(0, 0, 0)", "rgb(255, 255, 255)"].includes(fill))
    .map(([fill, text]) => {
      const pair = [light(fill), page];
      return [(Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05), text];
    });
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


def hostile_run(folder: Path) -> Path:
    """Writes a run with something hostile wherever a name or a text can be."""
    run = Simulated(
        labels=hostile_labels(), images=(9, 9, 6, 3), data=(SCRIPT, CLOSER), epochs=2, skill=2
    )
    made = make_run(folder / ("<b>" + "run"), run)
    path = made / "evaluation.json"
    facts = {**json.loads(path.read_text()), "title": HANDLER, "arch": SCRIPT}
    facts |= {"device": TURNED, "recipe": FORMULA}
    path.write_text(json.dumps(facts))
    sessions = {"format": 1, "sessions": [{text: text for text in HOSTILE}]}
    (made / "environment.json").write_text(json.dumps(sessions))
    return made


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    one = make_run(folder / "runs" / "one", dataclasses.replace(Simulated(), origins={"robot": 9}))
    runs = {
        "eight": make_eight(folder / "runs" / "eight"),
        "one": [one],
        "hostile": [hostile_run(folder / "runs")],
    }
    return {
        name: write_report([read_run(run) for run in runs[name]], folder / name)[0]
        for name in PAGES
    }


@pytest.fixture(params=PAGES)
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
    assert tab.locator("h1").count() == 1
    assert tab.locator("h2").all_inner_texts() == HEADINGS
    ids = tab.evaluate("[...document.querySelectorAll('[id]')].map((element) => element.id)")
    assert len(ids) == len(set(ids))
    text = Path(tab.url.removeprefix("file://")).read_text(encoding="utf-8")
    used = set(re.findall(r"url\(#([^)]+)\)|xlink:href=\"#([^\"]+)\"", text))
    assert len(used) > 10
    assert {one or other for one, other in used} <= set(ids)
    for link in tab.locator("nav a").all():
        assert tab.locator(link.get_attribute("href")).count() == 1


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_is_wider_than_the_window(opened, width):
    tab = opened.tab
    tab.set_viewport_size({"width": width, "height": 900})
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    too_wide = tab.evaluate(
        "[...document.querySelectorAll('main *, header *, nav *')].filter((element) =>"
        " !element.closest('.wide table') && !element.closest('svg *')"
        " && !element.closest('.spoken') && !(innerWidth <= 640 && element.closest('.cards thead'))"
        " && (element.getBoundingClientRect().right > innerWidth + 0.5"
        " || element.getBoundingClientRect().left < -0.5)).map((element) => element.outerHTML)"
    )
    assert too_wide == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out(opened, scheme):
    opened.tab.emulate_media(color_scheme=scheme)
    for script in (CONTRASTS, FIGURE_CONTRASTS):
        contrasts = opened.tab.evaluate(script)
        assert len(contrasts) > 100
        assert [text for ratio, text in contrasts if ratio < 4.5] == []


def test_numbers_of_a_matrix_stand_out():
    for share in range(101):
        for missed in (False, True):
            assert contrast(*cell_colours(share, missed=missed)) > 4.5


def test_texts_of_a_figure_stay_inside_of_it(opened):
    outside = opened.tab.evaluate(
        "[...document.querySelectorAll('figure')].flatMap((figure) => {"
        " const box = figure.querySelector('svg').getBoundingClientRect();"
        " return [...figure.querySelectorAll('svg text')].filter((text) => {"
        "  const own = text.getBoundingClientRect();"
        "  return own.left < box.left - 1 || own.right > box.right + 1"
        "   || own.top < box.top - 1 || own.bottom > box.bottom + 1;"
        " }).map((text) => figure.id + ': ' + text.textContent); })"
    )
    assert outside == []


def test_drawn_plates_are_said_on_top_and_stay_in_sight(browser, pages):
    context = browser.new_context(viewport={"width": 390, "height": 800})
    tab = context.new_page()
    tab.goto(pages["eight"].as_uri())
    strip = tab.get_by_text("Drawn plates: no result on crystals", exact=True).first
    tab.locator("#figure3").scroll_into_view_if_needed()
    box = strip.bounding_box()
    assert box["y"] >= 0
    assert box["y"] + box["height"] < 60
    assert tab.title().endswith("drawn plates")
    tab.goto(pages["one"].as_uri())
    assert tab.get_by_text("Drawn plates").count() == 0
    context.close()


def test_the_papers_numbers_look_unlike_ours(browser, pages):
    tab = browser.new_page()
    tab.goto(pages["eight"].as_uri())
    ours, papers = (
        tab.locator(f"#table1-table tbody td{kind}").first.evaluate(
            "cell => [getComputedStyle(cell).fontStyle, getComputedStyle(cell).backgroundColor]"
        )
        for kind in (":not(.paper)", ".paper")
    )
    assert ours[0] != papers[0]
    assert ours[1] != papers[1]
    assert "not comparable" in tab.locator("#table1-caption").inner_text()
    tab.close()


def test_it_prints(browser, pages):
    tab = browser.new_page()
    tab.goto(pages["eight"].as_uri())
    tab.emulate_media(media="print")
    tab.set_viewport_size({"width": 720, "height": 1000})  # A4 in CSS pixels, less its margins
    assert tab.evaluate("document.documentElement.scrollWidth") <= 720
    assert tab.pdf(format="A4").startswith(b"%PDF")
    tab.close()


def test_hostile_texts_are_only_shown(browser, pages):
    context = browser.new_context()
    opened = Opened(context.new_page())
    opened.open(pages["hostile"])
    tab = opened.tab
    shown = tab.locator("body").text_content()
    for text in HOSTILE:
        assert any(visible(cut(text, longest)) in shown for longest in (60, 90, 300))
    assert not [character for character in shown if character in TURNED and not character.isascii()]
    assert "49" not in tab.locator("#environment-table").inner_text()  # {{ 7 * 7 }} stays as it is
    assert tab.locator("script, iframe, b, img, [onmouseover], [onerror]").count() == 0
    assert opened.complaints == []
    context.close()
