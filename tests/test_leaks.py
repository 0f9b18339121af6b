"""Leaks: what is found, what mends it, and what is not taken for a leak."""

import collections
import csv
import dataclasses
import functools
import io
import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from pipeline.decode import decode_plate
from pipeline.demo.plates import draw_plate
from pipeline.leaks import EXACT, LABEL_CONFLICT, NEAR, Leak, Leaks, SeenImage, find_leaks
from pipeline.likeness import find_likeness
from pipeline.likeness_bits import BITS, FLIPS, pack, turn
from pipeline.near import BANDS, FARTHEST, find_near
from pipeline.report import report_html
from pipeline.report.checks import find_checks
from pipeline.split import split_of
from schemas.dataset import LEAKS_FILE, REPORT_FILE
from schemas.labels import PAPER10
from tests.builds import RECIPE, build_arguments, build_quietly, metadata, run, versions
from tests.plates import write_rows
from tests.report_facts import make_facts

SPLITS = ("train", "validation", "test")
DROPS = 12


# Plates, and what is done to them on their way through hands and programs.


def encoded(image: Image.Image, name: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, name, **options)
    return stream.getvalue()


def jpeg(image: Image.Image, quality: int = 85) -> bytes:
    return encoded(image, "JPEG", quality=quality)


def resized(image: Image.Image, factor: float) -> Image.Image:
    size = round(image.width * factor), round(image.height * factor)
    return image.resize(size, Image.Resampling.BICUBIC)


EDITS = {
    "encoded again": lambda image: jpeg(image, 60),
    "encoded as PNG": lambda image: encoded(image, "PNG", compress_level=1),
    "smaller": lambda image: jpeg(resized(image, 0.8)),
    "larger": lambda image: jpeg(resized(image, 1.2)),
    "brighter": lambda image: jpeg(ImageEnhance.Brightness(image).enhance(1.1)),
    "darker": lambda image: jpeg(ImageEnhance.Brightness(image).enhance(0.9)),
    "more contrast": lambda image: jpeg(ImageEnhance.Contrast(image).enhance(1.1)),
    "less contrast": lambda image: jpeg(ImageEnhance.Contrast(image).enhance(0.9)),
    "gray": lambda image: jpeg(image.convert("L")),
    "shifted": lambda image: jpeg(image.transform(image.size, 0, (1, 0, 1, 0, 1, 1))),
    **{
        way.name.lower(): lambda image, way=way: jpeg(image.transpose(way))
        for way in Image.Transpose
    },
}


@pytest.fixture(scope="module")
def drops() -> list[Image.Image]:
    """Plates with different drops, in wells of one kind."""
    labels = itertools.cycle(PAPER10.names)
    return [
        Image.fromarray(draw_plate(0, number, label=label))
        for number, label in zip(range(DROPS), labels, strict=False)
    ]


def likeness_of(content: bytes) -> str:
    return find_likeness(decode_plate(content))


def distances(likenesses: list[str]) -> np.ndarray:
    """Returns in how many bits likenesses differ at least, of all ways to lie, by pair."""
    words = pack(likenesses)
    ways = [way ^ flip for way in (words, turn(words)) for flip in FLIPS]
    return np.min(
        [np.bitwise_count(words[:, None] ^ way[None]).sum(axis=-1) for way in ways], axis=0
    )


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_plate_is_alike(drops, edit):
    for drop in drops[:4]:
        pair = [likeness_of(jpeg(drop, 95)), likeness_of(EDITS[edit](drop))]
        assert distances(pair)[0, 1] <= FARTHEST
        assert len(find_near(pack(sorted(set(pair))))) == len(set(pair)) - 1


def test_plates_with_different_drops_are_not_alike(drops):
    likenesses = [likeness_of(jpeg(drop)) for drop in drops]
    between = distances(likenesses)[np.triu_indices(len(drops), 1)]
    assert between.min() > 2 * FARTHEST


@pytest.mark.skipif("PLATE_SAMPLES" not in os.environ, reason="no real micrographs here")
def test_real_plates_are_like_their_edits_and_not_like_one_another():
    paths = sorted((Path(os.environ["PLATE_SAMPLES"]) / "plates").iterdir())
    contents = [path.read_bytes() for path in paths]
    likenesses = [likeness_of(content) for content in contents]
    assert distances(likenesses)[np.triu_indices(len(paths), 1)].min() > 2 * FARTHEST
    for content, likeness in list(zip(contents, likenesses, strict=True))[::4]:
        image = Image.open(io.BytesIO(content)).convert("RGB")
        edited = [likeness_of(edit(image)) for edit in EDITS.values()]
        assert distances([likeness, *edited])[0].max() <= FARTHEST


def test_flat_plates_are_all_alike():
    flat = [jpeg(Image.new("L", size, gray)) for size, gray in [((640, 480), 9), ((900, 900), 200)]]
    assert len({likeness_of(content) for content in flat}) == 1


def test_a_likeness_does_not_depend_on_where_it_is_made(drops):
    """It is of the central square: what lies beside it is never in a record."""
    wide = jpeg(drops[0], 95)
    square = drops[0].crop((160, 0, 1120, 960))
    assert distances([likeness_of(wide), likeness_of(jpeg(square, 95))])[0, 1] <= 4


# The search, held against comparing all with all.


@given(
    bases=st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=4),
    made=st.lists(
        st.tuples(
            st.integers(0, 3),
            st.booleans(),
            st.integers(0, 3),
            st.sets(st.integers(0, BITS - 1), max_size=12),
        ),
        max_size=14,
    ),
)
def test_near_pairs_are_those_of_comparing_all(bases, made):
    likenesses = {base.hex() for base in bases}
    for base, turned, flip, changed in made:
        words = pack([bases[base % len(bases)].hex()])
        words = (turn(words) if turned else words) ^ FLIPS[flip]
        bits = np.unpackbits(np.frombuffer(words.astype(">u8").tobytes(), np.uint8))
        bits[sorted(changed)] ^= 1
        likenesses.add(np.packbits(bits).tobytes().hex())
    ordered = sorted(likenesses)
    found = {(i, j): bits for i, j, bits in find_near(pack(ordered)).tolist()}
    between = distances(ordered)
    pairs = {(i, j): between[i, j] for i, j in itertools.combinations(range(len(ordered)), 2)}
    sure = {pair for pair, bits in pairs.items() if bits < BANDS}
    assert sure <= found.keys()
    assert all(bits == pairs[pair] <= FARTHEST for pair, bits in found.items())


def test_many_plates_that_are_all_alike_give_few_pairs_that_join_them_all():
    rng = np.random.default_rng(0)
    bits = np.repeat(rng.integers(0, 2, (1, BITS), np.uint8), 3000, axis=0)
    for row in bits[1:]:
        row[rng.choice(BITS, 3, replace=False)] ^= 1
    words = np.unique(pack([row.tobytes().hex() for row in np.packbits(bits, axis=1)]), axis=0)
    pairs = find_near(words)
    assert len(pairs) < 100 * len(words)  # of 1500 for each
    joined = {0}
    neighbours = collections.defaultdict(set)
    for i, j, _ in pairs.tolist():
        neighbours[i].add(j)
        neighbours[j].add(i)
    waiting = [0]
    while waiting:
        new = neighbours[waiting.pop()] - joined
        joined |= new
        waiting += new
    assert len(joined) == len(words)


def test_there_may_be_nothing_to_search():
    assert find_near(pack([])).shape == (0, 3)
    assert find_leaks([]) == Leaks()


# Leaks, held against the meaning of the words.


def alike(number: int) -> str:
    """Returns one of several likenesses: near the next of its five, and far from the last."""
    base = np.random.default_rng(number // 5).integers(0, 2, BITS, np.uint8)
    base[: 7 * (number % 5)] ^= 1
    return np.packbits(base).tobytes().hex()


@st.composite
def seen_images(draw) -> list[SeenImage]:
    """Images of few groups and contents: many duplicates of each kind."""
    splits = draw(st.lists(st.sampled_from(SPLITS), min_size=1, max_size=8))
    likenesses = draw(st.lists(st.integers(0, 14).map(alike), min_size=1, max_size=8))
    drawn = draw(
        st.lists(
            st.tuples(
                st.integers(0, len(splits) - 1),
                st.integers(0, len(likenesses) - 1),
                st.sampled_from(["clear", "crystals"]),
            ),
            max_size=14,
        )
    )
    return [
        SeenImage(
            f"i{n:02d}", splits[group], label, f"g{group}", f"{content:064x}", likenesses[content]
        )
        for n, (group, content, label) in enumerate(drawn)
    ]


def kind_of(image: SeenImage, other: SeenImage) -> str | None:
    """Returns the kind of duplicates that two images are, if they are any."""
    if image.content_digest == other.content_digest:
        return EXACT
    return NEAR if are_near(*sorted((image.likeness, other.likeness))) else None


@functools.cache
def are_near(likeness: str, other: str) -> bool:
    return likeness == other or len(find_near(pack([likeness, other]))) == 1


def mended(images: list[SeenImage], leaks: Leaks) -> list[SeenImage]:
    """Returns the images with the groups as proposed, and the splits that follow."""
    split = {image.group: image.split for image in images}
    group = {name: row.mend for row in leaks.rows if row.mend for name in (row.group, row[9])}
    return [
        image._replace(
            group=group.get(image.group, image.group),
            split=split[group.get(image.group, image.group)],
        )
        for image in images
    ]


def crossing(leaks: Leaks) -> list[Leak]:
    return [row for row in leaks.rows if row.kind != LABEL_CONFLICT and row.split != row[7]]


@given(seen_images())
def test_each_image_with_a_duplicate_in_another_split_is_listed(images):
    leaks = find_leaks(images)
    expected = {
        image.image_id
        for image, other in itertools.permutations(images, 2)
        if image.split != other.split and kind_of(image, other)
    }
    assert {name for row in crossing(leaks) for name in (row.image_id, row[6])} == expected
    assert sum(leaks.counts()[kind] for kind in (EXACT, NEAR)) == len(crossing(leaks))


@given(seen_images())
def test_rows_say_what_is_so(images):
    by_id = {image.image_id: image for image in images}
    rows = find_leaks(images).rows
    assert len(set(rows)) == len(rows)
    for row in rows:
        image, other = by_id[row.image_id], by_id[row.other_image_id]
        assert row.image_id < row.other_image_id
        assert (row[2:6], row[6:10]) == (image[:4], other[:4])
        same = image.content_digest == other.content_digest
        assert row.distance == distances([image.likeness, other.likeness])[0, 1]
        assert same == (row.kind != NEAR)
        if row.kind == LABEL_CONFLICT:
            assert image.label != other.label
        else:
            assert image.group != other.group
            assert row.mend


@given(seen_images())
def test_what_mends_leaves_no_leak(images):
    leaks = find_leaks(images)
    after = find_leaks(mended(images, leaks))
    assert not crossing(after)
    assert {row.kind for row in after.rows} <= {LABEL_CONFLICT}
    assert after.counts()["label_conflicts"] == leaks.counts()["label_conflicts"]


@given(seen_images())
def test_only_groups_that_leak_are_mended_and_by_the_first_name_among_them(images):
    joined = {image.group: {image.group} for image in images}
    for image, other in itertools.combinations(images, 2):
        if kind_of(image, other):
            both = joined[image.group] | joined[other.group]
            joined |= dict.fromkeys(both, both)
    splits = {image.group: image.split for image in images}
    expected = {
        group: min(groups)
        for group, groups in joined.items()
        if len({splits[name] for name in groups}) > 1
    }
    rows = [row for row in find_leaks(images).rows if row.mend]
    assert {name: row.mend for row in rows for name in (row.group, row[9])} == expected


@given(seen_images())
def test_label_conflicts_are_exact_duplicates_with_different_labels(images):
    leaks = find_leaks(images)
    listed = [row for row in leaks.rows if row.kind == LABEL_CONFLICT]
    expected = {
        image.image_id
        for image, other in itertools.permutations(images, 2)
        if image.content_digest == other.content_digest and image.label != other.label
    }
    assert {name for row in listed for name in (row.image_id, row[6])} == expected
    assert leaks.counts()["label_conflicts"] == len(listed)
    firsts = {(image.content_digest, image.label): image for image in reversed(images)}
    first_names = {image.image_id for image in firsts.values()}
    assert all({row.image_id, row.other_image_id} & first_names for row in listed)


@given(seen_images(), st.randoms(use_true_random=False))
def test_the_order_of_the_images_does_not_matter(images, random):
    shuffled = random.sample(images, len(images))
    assert find_leaks(shuffled) == find_leaks(images)


@given(seen_images())
def test_copies_within_a_split_and_label_are_counted(images):
    kinds = collections.Counter((i.content_digest, i.split, i.label) for i in images)
    assert find_leaks(images).copies == sum(count - 1 for count in kinds.values())


def test_thousands_of_blank_plates_give_one_row_each():
    images = [
        SeenImage(f"i{n:05d}", SPLITS[n % 3], "clear", f"g{n:05d}", f"{n:064x}", "00" * 32)
        for n in range(5000)
    ]
    leaks = find_leaks(images)
    assert len(leaks.rows) <= len(images)
    assert {row.mend for row in leaks.rows} == {"g00000"}
    assert not crossing(find_leaks(mended(images, leaks)))


# From the command to the list.


def groups_in(split: str, count: int) -> list[str]:
    """Returns names of groups that fall into a split."""
    names = (f"drop{number}" for number in itertools.count())
    found = (name for name in names if split_of(RECIPE.seed, name, RECIPE.split) == split)
    return list(itertools.islice(found, count))


@pytest.fixture
def leaking(drops, tmp_path) -> Path:
    """A manifest of ten drops, of which some are there twice or thrice."""
    folder = tmp_path / "plates"
    folder.mkdir()
    train, (test,), (validation,) = (
        groups_in("train", 10),
        groups_in("test", 1),
        groups_in("validation", 1),
    )
    contents = {f"d{n}": (jpeg(drop, 95), train[n]) for n, drop in enumerate(drops[:10])}
    rows = [[name, "clear", group] for name, (_, group) in contents.items()]
    twins = {
        "same": (contents["d0"][0], "clear", test),
        "turned": (EDITS["rotate_90"](drops[1]), "clear", validation),
        "encoded": (EDITS["encoded again"](drops[1]), "clear", train[2]),
        "renamed": (contents["d3"][0], "large crystals", train[3]),
        "other label": (contents["d4"][0], "large crystals", test),
    }
    for name, (content, label, group) in twins.items():
        contents[name] = (content, group)
        rows.append([name, label, group])
    for name, (content, _) in contents.items():
        (folder / f"{name}.jpg").write_bytes(content)
    table = [[f"plates/{name}.jpg", label, name, group] for name, label, group in rows]
    return write_rows(tmp_path / "plates.csv", table)


def listed(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        assert tuple(reader.fieldnames or ()) == Leak._fields
    return rows


def test_leaks_are_listed_mended_and_gone(leaking, tmp_path):
    out = tmp_path / "drops"
    first = build_quietly(leaking, out)
    rows = listed(first.folder / LEAKS_FILE)
    found = {(row["kind"], row["image_id"], row["other_image_id"]) for row in rows}
    assert found >= {
        ("exact", "d0", "same"),
        ("near", "d1", "turned"),
        ("exact", "d4", "other label"),
        ("label-conflict", "d4", "other label"),
        ("label-conflict", "d3", "renamed"),
    }
    assert metadata(first.folder)["leaks"] == {
        "exact": 2,
        "near": 2,  # the turned plate is like d1, and like the one encoded again
        "label_conflicts": 2,
        "copies_within_splits": 0,
    }
    mends = {row[group]: row["mend"] for row in rows for group in ("group", "other_group")}
    with leaking.open(encoding="utf-8", newline="") as file:
        manifest = [
            [row["uri"], row["label"], row["image_id"], mends.get(row["group"]) or row["group"]]
            for row in csv.DictReader(file)
        ]
    write_rows(leaking, manifest)
    second = build_quietly(leaking, out, fail_on_leaks=True)
    assert {row["kind"] for row in listed(second.folder / LEAKS_FILE)} == {LABEL_CONFLICT}


def test_records_taken_over_keep_their_likeness(leaking, tmp_path):
    """A source that was touched, or relabelled, is the same picture still."""
    out = tmp_path / "drops"
    first = build_quietly(leaking, out)
    text = leaking.read_text(encoding="utf-8")
    leaking.write_text(text.replace("clear", "bad drop", 1), encoding="utf-8")
    touched = sorted((tmp_path / "plates").iterdir())[::2]
    assert "turned.jpg" in {path.name for path in touched}
    for path in touched:
        os.utime(path, (1, 1))
    second = build_quietly(leaking, out)
    assert second.committed
    work = second.metadata["build"]
    assert len(touched) <= work["images_opened"] < 15
    assert work["records_rendered"] < 15
    before, now = (listed(outcome.folder / LEAKS_FILE) for outcome in (first, second))
    assert [row for row in now if row["kind"] == NEAR] == [
        row for row in before if row["kind"] == NEAR
    ]


def test_a_build_can_fail_on_leaks_and_go_on(leaking, tmp_path):
    out = tmp_path / "drops"
    refused = run(*build_arguments(leaking, out, "--fail-on-leaks"))
    assert refused.returncode == 1
    assert len(refused.stderr.strip().splitlines()) == 1
    assert str(out / LEAKS_FILE) in refused.stderr
    assert versions(out) == []
    rows = listed(out / LEAKS_FILE)
    assert rows

    allowed = run(*build_arguments(leaking, out))
    assert allowed.returncode == 0
    assert "4 leaks (2 exact, 2 near), 2 label conflicts: see" in allowed.stdout
    assert "0 images opened" in allowed.stdout
    assert not (out / LEAKS_FILE).exists()
    assert listed(out / "1.0.0" / LEAKS_FILE) == rows
    page = (out / "1.0.0" / REPORT_FILE).read_text(encoding="utf-8")
    assert 'id="leaks"' in page
    assert "stand in two splits" in page

    again = run(*build_arguments(leaking, out, "--fail-on-leaks"))
    assert again.returncode == 1
    assert str(out / "1.0.0" / LEAKS_FILE) in again.stderr


def test_label_conflicts_alone_are_no_leaks(drops, tmp_path):
    (group,) = groups_in("train", 1)
    for name in ("a", "b"):
        (tmp_path / f"{name}.jpg").write_bytes(jpeg(drops[0]))
    rows = [("a.jpg", "clear", "a", group), ("b.jpg", "bad drop", "b", group)]
    done = build_quietly(
        write_rows(tmp_path / "plates.csv", rows), tmp_path / "drops", fail_on_leaks=True
    )
    (row,) = listed(done.folder / LEAKS_FILE)
    assert (row["kind"], row["mend"]) == (LABEL_CONFLICT, "")


def test_a_dataset_without_leaks_has_an_empty_list(built):
    assert isinstance(listed(built / "1.0.0" / LEAKS_FILE), list)


def leak(kind: str, splits: tuple[str, str], number: int = 0) -> Leak:
    split, other = splits
    names = f"a{number}", f"b{number}"
    return Leak(kind, 5, names[0], split, "clear", "g", names[1], other, "bad drop", "h", "g")


def test_the_report_shows_leaks_and_says_what_to_look_at():
    facts = dataclasses.replace(
        make_facts(),
        leaks=[
            leak(EXACT, ("train", "test")),
            leak(NEAR, ("test", "validation")),
            leak(NEAR, ("train", "train"), number=1),  # there for its group alone
            leak(LABEL_CONFLICT, ("train", "train")),
        ],
    )
    said = [str(check.text) for check in find_checks(facts) if not check.good]
    assert any(
        "1\N{NO-BREAK SPACE}exact duplicate and 1\N{NO-BREAK SPACE}near" in text for text in said
    )
    assert any("with different labels" in text for text in said)
    page = report_html(facts)
    assert all(f">{name}<" in page for name in ("a0", "b0", "a1", "b1"))
    assert LEAKS_FILE in page


def test_a_report_without_leaks_says_so():
    assert any("no image has a duplicate" in str(c.text).lower() for c in find_checks(make_facts()))


def test_a_long_list_is_cut_in_the_report_and_whole_in_the_file():
    leaks = [leak(EXACT, ("train", "test"), number) for number in range(250)]
    page = report_html(dataclasses.replace(make_facts(), leaks=leaks))
    assert "b199" in page
    assert "b200" not in page
    assert f'50 more in <a href="{LEAKS_FILE}">' in page
