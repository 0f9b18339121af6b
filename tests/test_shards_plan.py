"""Shard plans: a name is a promise about the content, and says nothing of the place."""

import collections
import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.plan import Source, plan_dataset
from schemas.draws import uniform
from schemas.manifest import ManifestRow
from schemas.recipe import BalanceConfig, Recipe
from schemas.shards import (
    PlannedImage,
    ShardKey,
    plan_shard,
    record_order,
    render_key,
    shard_count,
    shard_index,
)
from tests.strategies import ids, manifest_rows, seeds

RECIPE = Recipe(records_per_shard=16)
FOUR = ShardKey("train", 3, 16)
IMAGES = (
    PlannedImage("b", "g", 1, 2, "12:34", "/x/b.jpg"),
    PlannedImage("a", "g", 0, 1, "checksum:ff", "/x/a.jpg"),
)


def test_names_have_not_changed():
    plan = plan_shard(FOUR, IMAGES, recipe_digest=Recipe().digest())
    assert plan.name == "train-00003-of-00016-b58a6c7e40c03bc9ef1d1285c20f7bf3"
    assert plan.records == 3
    assert [shard_index(0, name, 16) for name in "abcd"] == [13, 6, 12, 1]
    assert record_order(0, [("a", 3), ("b", 2)]) == [
        ("b", 0),
        ("a", 1),
        ("b", 1),
        ("a", 0),
        ("a", 2),
    ]
    assert (
        render_key(Recipe().render_digest(), "a", 0, "00" * 32)
        == "c0aed000420a3c6f67067e4860980797"
    )


@given(st.builds(ShardKey, st.sampled_from(["train", "validation", "test"]), *[st.integers(0)] * 2))
def test_keys_are_read_as_written(key):
    assert ShardKey.parse(str(key)) == key


@pytest.mark.parametrize(
    "text", ["", "train-1-of-2", "dev-00001-of-00002", "train-00001-of-00002-"]
)
def test_other_texts_are_no_keys(text):
    with pytest.raises(ValueError, match="wanted a shard key such as"):
        ShardKey.parse(text)


# One shard


def test_the_order_of_images_does_not_matter():
    one = plan_shard(FOUR, IMAGES, recipe_digest="r")
    assert one == plan_shard(FOUR, IMAGES[::-1], recipe_digest="r")
    assert [image.image_id for image in one.images] == ["a", "b"]


@pytest.mark.parametrize(
    ("field", "value", "matters"),
    [
        ("image_id", "c", True),
        ("group", "h", True),
        ("label", 2, True),
        ("copies", 3, True),
        ("fingerprint", "12:35", True),
        ("uri", "/elsewhere/b.jpg", False),
    ],
)
def test_what_decides_bytes_is_in_the_digest_and_nothing_else(field, value, matters):
    other = (dataclasses.replace(IMAGES[0], **{field: value}), IMAGES[1])
    before = plan_shard(FOUR, IMAGES, recipe_digest="r")
    assert (plan_shard(FOUR, other, recipe_digest="r").digest != before.digest) == matters


def test_every_field_of_a_planned_image_is_tested_above():
    mark = test_what_decides_bytes_is_in_the_digest_and_nothing_else.pytestmark[0]
    assert [row[0] for row in mark.args[1]] == [f.name for f in dataclasses.fields(PlannedImage)]


def test_key_recipe_and_number_of_images_are_in_the_digest():
    digests = {
        plan_shard(key, images, recipe_digest=recipe).digest
        for key in (FOUR, ShardKey("test", 3, 16), ShardKey("train", 4, 16))
        for images in (IMAGES, IMAGES[:1], ())
        for recipe in ("r", "s")
    }
    assert len(digests) == 18


def test_fields_of_neighbours_do_not_run_together():
    one = dataclasses.replace(IMAGES[0], image_id="ab", group="c")
    other = dataclasses.replace(IMAGES[0], image_id="a", group="bc")
    digests = {plan_shard(FOUR, [image], recipe_digest="r").digest for image in (one, other)}
    assert len(digests) == 2


# Where an image belongs


@given(seeds, ids, st.integers(0, 12))
def test_twice_as_many_shards_part_each_in_two(seed, image_id, power):
    index = shard_index(seed, image_id, 2**power)
    assert 0 <= index < 2**power
    assert shard_index(seed, image_id, 2 ** (power + 1)) in (2 * index, 2 * index + 1)


def test_shards_are_alike_in_size():
    found = collections.Counter(shard_index(0, f"plate-{n}", 16) for n in range(16_000))
    assert len(found) == 16
    assert all(abs(count - 1000) < 4 * 31 for count in found.values())


@given(st.floats(0, 1e8), st.integers(1, 10**6))
def test_the_number_of_shards_is_the_smallest_power_of_two(records, most):
    count = shard_count(records, most)
    assert count & (count - 1) == 0
    assert records <= count * most
    assert count == 1 or records > count // 2 * most


def test_the_papers_dataset_has_256_training_shards_or_fewer():
    assert shard_count(0.8 * 1_348_957, 8192) == 256
    assert shard_count(8192, 8192) == 1
    assert shard_count(8192.5, 8192) == 2


# Order of records


@given(seeds, st.dictionaries(ids, st.integers(1, 6), max_size=8))
def test_the_order_is_a_permutation_that_the_order_of_images_does_not_change(seed, copies):
    images = list(copies.items())
    order = record_order(seed, images)
    assert sorted(order) == sorted((name, v) for name, count in images for v in range(count))
    assert record_order(seed, images[::-1]) == order


def test_the_order_mixes_labels_and_variants():
    # half of the images are of one label and first by name, as a folder would list them
    images = [(f"{label}-{number:03d}", 4) for label in "ab" for number in range(250)]
    order = record_order(0, images)
    labels = [name[0] for name, _ in order]
    changes = sum(one != other for one, other in itertools.pairwise(labels))
    assert abs(changes - 1000) < 4 * 22  # of 2,000 records, as in a shuffle
    first = labels[:200].count("a")
    assert abs(first - 100) < 4 * 7
    together = sum(one[0] == other[0] for one, other in itertools.pairwise(order))
    assert together < 20


# A dataset


def sources_of(rows, folder="/plates/"):
    return [Source(folder + row.uri, f"1:{row.image_id}") for row in rows]


def names(plan) -> dict[ShardKey, str]:
    return {shard.key: shard.name for shard in plan.shards}


@given(manifest_rows(10), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    one = plan_dataset(rows, sources_of(rows), recipe=RECIPE)
    assert plan_dataset(shuffled, sources_of(shuffled), recipe=RECIPE) == one


@given(manifest_rows(10))
def test_every_image_is_planned_once_in_the_shard_of_its_name(rows):
    plan = plan_dataset(rows, sources_of(rows), recipe=RECIPE)
    found = {}
    for shard in plan.shards:
        for image in shard.images:
            assert image.image_id not in found
            assert shard.key.index == shard_index(0, image.image_id, shard.key.count)
            found[image.image_id] = (image.group, image.label, image.uri, image.fingerprint)
    assert found == {
        row.image_id: (row.group, row.label, source.uri, source.fingerprint)
        for row, source in zip(rows, sources_of(rows), strict=True)
    }
    assert sum(map(sum, plan.records().values())) == sum(shard.records for shard in plan.shards)


def test_every_shard_of_a_split_is_there_even_without_images():
    rows = [ManifestRow("a", "a.jpg", 0, "a", "test")]
    plan = plan_dataset(rows, sources_of(rows), recipe=Recipe(records_per_shard=1))
    assert [str(shard.key) for shard in plan.shards] == ["test-00000-of-00001"]
    rows += [ManifestRow(f"b{n}", f"b{n}.jpg", n % 10, f"b{n}", "train") for n in range(40)]
    plan = plan_dataset(rows, sources_of(rows), recipe=Recipe(records_per_shard=1))
    train = [shard.key for shard in plan.shards if shard.key.split == "train"]
    assert train == [ShardKey("train", index, 64) for index in range(64)]


# Balance would change the copies of other images too, as it should; here it stays out.
PLAIN = Recipe(records_per_shard=16, balance=BalanceConfig("none"))
ROWS = [
    ManifestRow(f"plate-{n}", f"{n}.jpg", n % 10, f"drop-{n // 3}", "train") for n in range(200)
]


def changed_shards(rows, sources) -> set[int]:
    before = names(plan_dataset(ROWS, sources_of(ROWS), recipe=PLAIN))
    after = names(plan_dataset(rows, sources, recipe=PLAIN))
    assert before.keys() == after.keys()
    return {key.index for key in before if before[key] != after[key]}


@pytest.mark.parametrize("place", [0, 57, 199])
@pytest.mark.parametrize("edit", [{"label": 3}, {"group": "another"}, {"uri": "moved/to.jpg"}])
def test_an_edit_changes_its_own_shard_and_no_other(place, edit):
    row = ROWS[place]
    edit = {key: 4 if value == row.label else value for key, value in edit.items()}
    rows = [dataclasses.replace(row, **edit) if other is row else other for other in ROWS]
    own = {shard_index(0, row.image_id, 16)}
    assert changed_shards(rows, sources_of(rows)) == (set() if "uri" in edit else own)


def test_a_new_id_changes_the_shards_it_leaves_and_enters():
    renamed = dataclasses.replace(ROWS[0], image_id="another")
    touched = {shard_index(0, name, 16) for name in (ROWS[0].image_id, "another")}
    rows = [renamed, *ROWS[1:]]
    sources = [Source("/plates/0.jpg", "1:plate-0"), *sources_of(ROWS[1:])]
    assert changed_shards(rows, sources) == touched


def test_a_fingerprint_changes_its_own_shard_and_no_other():
    sources = sources_of(ROWS)
    sources[7] = dataclasses.replace(sources[7], fingerprint="2:0")
    assert changed_shards(ROWS, sources) == {shard_index(0, "plate-7", 16)}


def test_other_places_of_the_plates_change_nothing():
    assert changed_shards(ROWS, sources_of(ROWS, "/mnt/copy/")) == set()


def test_another_number_of_copies_changes_only_shards_with_such_images():
    some = [dataclasses.replace(row, label=0 if n % 20 else 1) for n, row in enumerate(ROWS)]
    few, more = (
        plan_dataset(
            some,
            sources_of(some),
            recipe=dataclasses.replace(PLAIN, balance=BalanceConfig(max_copies=most)),
        )
        for most in (2, 3)
    )
    # the recipe is in every digest, so compare what the shards are to hold
    touched = {
        one.key.index
        for one, other in zip(few.shards, more.shards, strict=False)
        if one.images != other.images
    }
    rare = {shard_index(0, row.image_id, 16) for row in some if row.label == 1}
    assert few.shards[0].key.count == more.shards[0].key.count
    assert touched == rare


def test_the_order_is_drawn_per_record():
    drawn = sorted((uniform(0, "order", "a", v), v) for v in range(5))
    assert record_order(0, [("a", 5)]) == [("a", v) for _, v in drawn]
