"""The report of a version: right numbers, and nothing in it but text, whatever it is told."""

import base64
import dataclasses
import html.parser
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from pipeline.build import make_plan
from pipeline.commit import commit_version
from pipeline.leaks import Leaks
from pipeline.plan import Source, plan_dataset
from pipeline.pool import Pool
from pipeline.report import ReportFacts, report_html, wording
from pipeline.report.checks import find_checks
from pipeline.report.markup import cut, element, table, visible
from pipeline.report.pictures import png_uri
from pipeline.results import Results
from pipeline.shard import build_shard
from pipeline.workers import RenderWorkers
from schemas.dataset import REPORT_FILE, DatasetFolder
from schemas.labels import MARCO4, PAPER10
from schemas.manifest import ManifestRow
from schemas.recipe import BalanceConfig, Recipe, SplitConfig
from tests.report_facts import HOSTILE, LONG, REJECT, hostile_facts, make_facts

TAGS = frozenset(
    re.findall(
        r"\w+",
        "html head meta link title style body header main nav section div span p h1 h2 h3 ul li a "
        "dl dt dd table caption thead tbody tfoot tr th td small bdi code pre "
        "figure figcaption img input label",
    )
)
VOID = frozenset({"img", "input", "link", "meta"})


class Page(html.parser.HTMLParser):
    """A page as a browser would take it apart.

    Attributes:
        tags: (name, attributes) of each element.
        tables: caption to rows, the head first; cells are texts.
        text: all that is shown.
        programs: text of each code block.
    """

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.text = ""
        self.programs: list[str] = []
        self._open: list[str] = []
        self._caption = ""
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        assert len(attrs) == len(dict(attrs))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "pre":
            self.programs.append("")
        if tag == "table":
            self._caption = ""
        if tag == "tr":
            self.tables.setdefault(self._caption, []).append([])
        if tag in ("td", "th"):
            self.tables[self._caption][-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "style" in self._open:
            return
        self.text += data
        if "pre" in self._open:
            self.programs[-1] += data
        if "caption" in self._open:
            self._caption += data
        elif {"td", "th"} & set(self._open):
            self.tables[self._caption][-1][-1] += data


def bad_checks(facts: ReportFacts) -> list[str]:
    return [str(check.text) for check in find_checks(facts) if not check.good]


@pytest.fixture(scope="module")
def facts() -> ReportFacts:
    return make_facts(rejects=(REJECT,), pictures=True)


@pytest.fixture(scope="module")
def page(facts) -> Page:
    return Page(report_html(facts))


@pytest.fixture(scope="module")
def hostile_text() -> str:
    return report_html(hostile_facts())


@pytest.fixture(scope="module")
def hostile_page(hostile_text) -> Page:
    return Page(hostile_text)


def test_equal_facts_give_equal_pages():
    small = (3,) * 10
    once, again = (make_facts(train=small, pictures=True) for _ in range(2))
    assert report_html(once) == report_html(again)


def test_headline_says_what_was_made(page, facts):
    images = sum(map(sum, facts.metadata["images"].values()))
    records = sum(map(sum, facts.metadata["records"].values()))
    for text in ("drops", "1.0.1", "2024-05-06 07:08:09 UTC", "from 1.0.0", "release 0.1.0"):
        assert text in page.text.partition("Is it right?")[0]
    assert f"images in 3\N{NO-BREAK SPACE}splits{images:,}" in page.text
    assert f"records{records:,}" in page.text


def test_first_version_has_no_parent():
    facts = make_facts()
    facts = dataclasses.replace(facts, metadata={**facts.metadata, "parent": None})
    assert "the first version" in Page(report_html(facts)).text


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_balance_has_images_copies_and_records_of_each_label(page, facts, split):
    rows = page.tables[f"Images and records of {split}, by label"]
    metadata = facts.metadata
    expected = [
        [
            f"{name} (crystal label)" if name in PAPER10.crystal_names else name,
            f"{images:,}",
            wording.copies(quota),
            f"{records:,}",
        ]
        for name, images, quota, records in zip(
            PAPER10.names,
            metadata["images"][split],
            metadata["quotas"][split],
            metadata["records"][split],
            strict=True,
        )
    ]
    totals = [f"{sum(metadata[key][split]):,}" for key in ("images", "records")]
    assert rows == [
        ["Label", "Images", "Copies", "Records"],
        *expected,
        ["all labels", totals[0], "", totals[1]],
    ]


def test_bars_are_as_long_as_their_numbers():
    facts = make_facts(
        Recipe(labels=MARCO4, balance=BalanceConfig(mode="none")),
        train=(100, 25, 50, 0),
    )
    facts.metadata["build"].pop("stages")
    widths = [
        attributes["style"]
        for _, attributes in Page(report_html(facts)).tags
        if (attributes.get("class") or "").startswith("fill")
    ]
    percents = [width for share in (100, 25, 50, 0) for width in [f"width:{share:.2f}%"] * 2]
    assert widths[:8] == percents


def test_crystals_are_counted_before_and_after(page, facts):
    numbers = facts.metadata["images"]["train"], facts.metadata["records"]["train"]
    shares = [
        wording.percent(sum(of[i] for i in PAPER10.crystal_indices) / sum(of)) for of in numbers
    ]
    rows = {row[0]: row[1] for row in page.tables["Splits"]}
    assert rows["Crystals among images"] == shares[0]
    assert rows["Crystals among records"] == shares[1]
    assert rows["Largest over smallest label, images"] == f"{287 / 6:.2f}"
    assert rows["Largest over smallest label, records"] == "1.02"


def test_a_sound_version_has_no_bad_check():
    assert bad_checks(make_facts()) == []


@pytest.mark.parametrize("seed", range(8))
def test_a_real_plan_counts_as_balanced(seed):
    images = {"Clear": 60, "Crystals": 3, "Other": 7, "Precipitate": 22}
    rows = [
        ManifestRow(f"{label}/{i}", f"{label}/{i}.jpg", MARCO4.index(label), f"{label}/{i}")
        for label, count in images.items()
        for i in range(count)
    ]
    recipe = Recipe(seed=seed, labels=MARCO4)
    plan = plan_dataset(rows, [Source(row.uri, "x") for row in rows], recipe=recipe)
    metadata = {
        **make_facts(recipe, train=(1, 1, 1, 1)).metadata,
        "planned_images": plan.counts,
        "images": plan.counts,
        "records": plan.records(),
        "quotas": plan.quotas.by_split,
        "shards": [{"key": str(shard.key), "bytes": 1} for shard in plan.shards],
    }
    bad = [text for text in bad_checks(ReportFacts(metadata, [], [])) if "image of" not in text]
    assert bad == []


def test_a_label_with_too_few_records_is_told():
    facts = make_facts()
    facts.metadata["records"]["validation"][3] //= 2
    (found,) = bad_checks(facts)
    assert "validation" in found
    assert "times the records of <bdi>large crystals</bdi>" in found


def test_an_image_that_vanished_is_told():
    facts = make_facts()
    facts.metadata["images"]["test"][1] -= 1
    (found,) = bad_checks(facts)
    assert "it fails for <bdi>clear</bdi> of test" in found


def test_rejects_are_told():
    (found,) = bad_checks(make_facts(rejects=(REJECT,)))
    assert "1\N{NO-BREAK SPACE}image (" in found


def test_labels_without_images_are_told_and_flagged():
    facts = make_facts(train=(20, 288, 0, *(40,) * 7))
    (found,) = bad_checks(facts)
    assert found == "No usable image of <bdi>heavy precipitate</bdi> (train, validation, test)."
    page = Page(report_html(facts))
    row = page.tables["Images and records of train, by label"][3]
    assert row == ["heavy precipitateno image", "0", "–", "0"]
    assert "No usable image in the training split." in page.text


def test_a_label_of_rejects_alone_is_flagged():
    facts = make_facts(train=(20, 288, 0, *(40,) * 7))
    facts.metadata["planned_images"]["train"][2] = 1
    lost = ("x", "x.jpg", "heavy precipitate", "train", "empty", "the file has no bytes")
    page = Page(report_html(dataclasses.replace(facts, rejects=[lost])))
    row = page.tables["Images and records of train, by label"][3]
    assert row[0] == "heavy precipitateall rejected"


def test_capped_labels_are_told_and_flagged():
    facts = make_facts(Recipe(balance=BalanceConfig(max_copies=40)))
    assert any(
        "--max-copies keeps from balance: <bdi>micro crystals</bdi> (train, test)." in text
        for text in bad_checks(facts)
    )
    rows = Page(report_html(facts)).tables["Images and records of train, by label"]
    assert [row[0] for row in rows if "capped" in row[0]] == [
        "micro crystals (crystal label)capped"
    ]


def test_splits_that_the_recipe_leaves_alone_are_not_blamed():
    facts = make_facts(Recipe(balance=BalanceConfig(mode="train")))
    assert bad_checks(facts) == []
    rows = {row[0]: row[1:] for row in Page(report_html(facts)).tables["Splits"]}
    assert rows["Balanced by the recipe"] == ["yes", "no", "no"]


def test_rejects_are_counted_and_the_first_listed():
    reasons = ["truncated"] * 150 + ["missing"] * 70 + ["empty"] * 10
    rejects = tuple(
        (f"i{n}", f"plates/{n}.jpg", "clear", "train", reason, f"message {n}")
        for n, reason in enumerate(reasons)
    )
    page = Page(report_html(make_facts(rejects=rejects)))
    assert page.tables["Rejects by reason"][1:] == [
        ["truncated", "150"],
        ["missing", "70"],
        ["empty", "10"],
    ]
    listed = page.tables["Rejects, one by one"][1:]
    assert len(listed) == 200
    assert listed[0] == ["i0plates/0.jpg", "cleartrain", "truncatedmessage 0"]
    assert "30 more in rejects.csv." in page.text
    assert ("a", {"href": "rejects.csv"}) in page.tags


def test_without_rejects_there_is_no_list():
    page = Page(report_html(make_facts()))
    assert "Every image of the manifest could be used." in page.text
    assert "Rejects by reason" not in page.tables


def test_pictures_are_the_variants_pixel_for_pixel(facts, page):
    shown = [attributes for tag, attributes in page.tags if tag == "img"]
    variants = [variant for image in facts.sheet for variant in image.variants]
    assert len(shown) == len(variants) > 40
    for attributes, variant in zip(shown, variants, strict=True):
        head, _, data = attributes["src"].partition(",")
        assert head == "data:image/png;base64"
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
        np.testing.assert_array_equal(pixels, variant)
        assert (attributes["width"], attributes["height"]) == ("128", "128")
    assert shown[0]["alt"] == "Variant 1 of 14 of plate-0/A1"


def test_pictures_come_in_the_order_of_the_label_set(facts):
    mixed = dataclasses.replace(facts, sheet=facts.sheet[::-1])
    sheet = Page(report_html(mixed)).text.partition("double size")[2]
    places = [sheet.index(name) for name in PAPER10.names]
    assert places == sorted(places)


def test_png_of_noise_stays_below_the_pixels_size():
    noise = np.random.default_rng(0).integers(0, 256, (128, 128), np.uint8)
    assert len(png_uri(noise)) < 1.36 * noise.size  # base64 alone takes a third


def test_recipe_source_and_timing_are_told(page):
    recipe, source = dict(page.tables["Recipe"]), dict(page.tables["Source"])
    work, stages = dict(page.tables["Work"]), dict(page.tables["Stages"])
    assert recipe["Seed"] == "0"
    assert recipe["Fill of empty corners"] == "black"
    assert recipe["Split"].replace("\N{NO-BREAK SPACE}", " ") == (
        "train 80.0 %, validation 5.0 %, test 15.0 %"
    )
    assert source["Manifest"] == "/data/plates/plates.csv"
    assert dict(page.tables["Digests"])["All records"] == "s" * 64
    assert work["Images a second"] == "10"  # 810 in the 81 s of the shards' stage
    assert work["Records a second"] == "36"
    assert (work["Shards written"], work["Shards kept from before"]) == ("2", "1")
    assert stages["commit"] == "2.09\N{NO-BREAK SPACE}s"


@pytest.mark.parametrize("missing", ["stages", "seconds", "images_opened", "manifest", "all"])
def test_a_build_that_tells_less_is_reported(missing):
    facts = make_facts()
    known = facts.metadata["build"].items()
    build = {key: value for key, value in known if missing not in (key, "all")}
    text = report_html(dataclasses.replace(facts, metadata={**facts.metadata, "build": build}))
    assert "Shards written" in Page(text).tables["Work"][3]


@pytest.mark.parametrize("name", ["page", "hostile_page"])
def test_a_page_holds_known_elements_only(name, request):
    page = request.getfixturevalue(name)
    assert {tag for tag, _ in page.tags} <= TAGS
    for _, attributes in page.tags:
        assert not [key for key in attributes if key.startswith("on")]
        for link in (attributes.get("href"), attributes.get("src")):
            assert link is None or re.fullmatch(
                r"data:(image/png;base64)?,[A-Za-z0-9+/=]*|#[a-z]+|(rejects|leaks)\.csv|metadata\.json",
                link,
            )


def test_a_policy_comes_before_anything_that_it_governs(hostile_page):
    assert [tag for tag, _ in hostile_page.tags[:4]] == ["html", "head", "meta", "meta"]
    attributes = hostile_page.tags[3][1]
    assert attributes["http-equiv"] == "Content-Security-Policy"
    policy = attributes["content"].split("; ")
    assert policy[:3] == ["default-src 'none'", "img-src data:", "style-src 'unsafe-inline'"]


def test_style_calls_for_nothing():
    style = re.search(r"<style>(.*?)</style>", report_html(make_facts()), re.S)[1]
    assert len(style) > 1000
    assert not re.search(r"url\(|@import|@font-face|<", style)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_shown_as_texts(hostile_page, text):
    assert cut(visible(text)) in hostile_page.text or visible(cut(text)) in hostile_page.text


def test_nothing_turns_the_direction_of_text(hostile_text):
    assert not re.search(r"[\u202a-\u202e\u2066-\u2069\u200e\u200f]", hostile_text)


def test_long_names_are_cut(hostile_text):
    assert LONG[-1000:] not in hostile_text


def test_a_page_is_below_three_megabytes():
    facts = make_facts(train=(3,) * 9 + (12,), pictures=True)
    noisy = [dataclasses.replace(image, variants=tuple(grainy(image))) for image in facts.sheet]
    full = [noisy[0]] * 40
    assert len(report_html(dataclasses.replace(facts, sheet=full)).encode()) < 3_000_000


def grainy(image) -> Iterator[np.ndarray]:
    """Gives variants with more grain than cameras leave after seven-fold reduction."""
    grain = np.random.default_rng(0).normal(0, 4, (128, 128))
    for variant in image.variants:
        yield np.clip(variant + grain, 0, 255).astype(np.uint8)


@given(st.text(alphabet=st.characters()))
@example("\ud800</td>")
@example("\r\n\x00\x0b&#0;")
def test_any_text_stays_text(text):
    markup = element("td", text, title=text)
    markup.encode()
    parsed: list[object] = []
    parser = html.parser.HTMLParser()
    parser.handle_starttag = lambda tag, attrs: parsed.append((tag, attrs))
    parser.handle_data = parsed.append
    parser.feed(markup)
    parser.close()
    shown = visible(text)
    assert parsed[0] == ("td", [("title", shown)])
    assert "".join(parsed[1:]) == shown


@given(st.text().filter(lambda text: "…" not in text), st.integers(4, 50))
def test_cut_texts_keep_their_ends(text, longest):
    short = cut(text, longest)
    assert len(short) <= longest
    head, _, tail = short.partition("…") if len(text) > longest else (text, "", "")
    assert text.startswith(head)
    assert text.endswith(tail)


def test_table_headings_have_their_scope():
    page = Page(table("T", ("a", "b"), [("1", "2")], foot=("3", "4")))
    scopes = [attributes["scope"] for tag, attributes in page.tags if tag == "th"]
    assert scopes == ["col", "col", "row", "row"]


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (wording.size(999), "999 bytes"),
        (wording.size(135_000_000), "135.0 MB"),
        (wording.size(22.4e9), "22.4 GB"),
        (wording.duration(0.001), "< 0.01 s"),
        (wording.duration(9.571), "9.57 s"),
        (wording.duration(59.4), "59 s"),
        (wording.duration(59.7), "1 min 0 s"),
        (wording.duration(3725), "1 h 2 min"),
        (wording.percent(0), "0.0 %"),
        (wording.percent(0.0001), "< 0.1 %"),
        (wording.percent(0.09), "9.0 %"),
        (wording.rate(3, 0), "–"),
        (wording.rate(5, 2), "2.5"),
        (wording.copies(13.806), "13.81"),
        (wording.copies(100.0), "100"),
        (wording.count(1, "copy", "copies"), "1 copy"),
        (wording.count(1200, "shard"), "1,200 shards"),
    ],
)
def test_numbers_read_well(found, wanted):
    assert found.replace("\N{NO-BREAK SPACE}", " ") == wanted


@pytest.mark.slow
def test_programs_on_the_page_load_the_version(tmp_path):
    """Runs them as they stand there, from the dataset's folder, on a real version."""
    dataset = DatasetFolder(tmp_path / "dataset")
    results = build_by_hand(tmp_path / "plates", dataset)
    metadata = commit_version(
        results,
        leaks=Leaks(),
        dataset=dataset,
        name="drops",
        version=(1, 0, 0),
        parent=None,
        build={},
    )
    page = Page((dataset.version_folder((1, 0, 0)) / REPORT_FILE).read_text(encoding="utf-8"))
    assert page.tables["Rejects by reason"][1:] == [["empty", "1"]]
    assert len(page.programs) == 2
    for program in page.programs:
        script = program + "\nprint(sorted((int(y), x.shape == (128, 128, 1)) for x, y in train))\n"
        command = [sys.executable, "-c", script]
        done = subprocess.run(
            command, cwd=dataset.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        wanted = [
            (label, True)
            for label, records in enumerate(metadata["records"]["train"])
            for _ in range(records)
        ]
        assert done.stdout.strip() == str(wanted)


def build_by_hand(plates: Path, dataset: DatasetFolder) -> Results:
    """Fills a pool from drawn plates, one of them without a byte, and returns the results."""
    plates.mkdir()
    lines = ["uri,label"]
    for number in range(8):
        pixels = np.full((200, 240), 20 * number + 60, np.uint8)
        Image.fromarray(pixels).save(plates / f"{number}.png")
        lines.append(f"{number}.png,{MARCO4.names[number % 4]}")
    (plates / "7.png").write_bytes(b"")
    (plates / "plates.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    recipe = Recipe(labels=MARCO4, split=SplitConfig(1, 0, 0))
    plan, pool = make_plan(plates / "plates.csv", recipe), Pool(dataset.pool)
    with RenderWorkers(1) as workers:
        reports = [
            build_shard(shard, pool=pool, recipe=recipe, workers=workers) for shard in plan.shards
        ]
    return Results(plan, reports)
