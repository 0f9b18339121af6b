"""Splits and balance: DESIGN sections 5.3 and 5.4, and P3, as properties."""

import collections
import dataclasses
import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.balance import balance, snap
from pipeline.plan import DatasetPlan, Source, plan_dataset
from pipeline.split import split_of
from schemas.draws import uniform
from schemas.manifest import ManifestRow
from schemas.recipe import SPLITS, BalanceConfig, Recipe, SplitConfig
from tests.strategies import ids, manifest_rows, seeds

LABELS = 10
STEP = 1.02

# 486,000 images: 9 % crystals (labels 3, 5, 6, 7, 9), the largest label 27.8 %.
PAPER = (72_900, 135_108, 106_434, 4_374, 87_318, 8_748, 8_748, 13_122, 40_500, 8_748)


def paper_counts() -> dict[str, tuple[int, ...]]:
    shares = {"train": 0.80, "validation": 0.05, "test": 0.15}
    return {split: tuple(round(share * n) for n in PAPER) for split, share in shares.items()}


def plan(rows: list[ManifestRow], recipe: Recipe) -> DatasetPlan:
    sources = [Source("/" + row.uri, f"of {row.image_id}") for row in rows]
    return plan_dataset(rows, sources, recipe=recipe)


def split_by_id(plan: DatasetPlan) -> dict[str, str]:
    pairs = [(image.image_id, shard.key.split) for shard in plan.shards for image in shard.images]
    assert len(pairs) == len(dict(pairs))  # no image in two shards
    return dict(pairs)


# Splits


def test_splits_have_not_changed():
    groups = ("plate-1", "plate-7", "plate-20", "plate-21", "plate-24")
    assert [split_of(0, group, SplitConfig()) for group in groups] == GOLDEN_SPLITS


GOLDEN_SPLITS = ["train", "test", "train", "train", "train"]


@given(seeds, ids)
def test_a_split_is_its_draws_place_among_the_shares(seed, group):
    drawn = uniform(seed, "split", group)
    wanted = "train" if drawn < 0.80 else "validation" if drawn < 0.80 + 0.05 else "test"
    assert split_of(seed, group, SplitConfig()) == wanted


@given(seeds, ids)
def test_shares_of_one_and_none(seed, group):
    assert split_of(seed, group, SplitConfig(1.0, 0.0, 0.0)) == "train"
    assert split_of(seed, group, SplitConfig(0.0, 1.0, 0.0)) == "validation"
    assert split_of(seed, group, SplitConfig(0.0, 0.0, 1.0)) == "test"
    assert split_of(seed, group, SplitConfig(0.5, 0.0, 0.5)) != "validation"


@pytest.mark.parametrize("seed", [0, 1, 2**62])
def test_shares_of_20000_groups(seed):
    groups = 20_000
    found = collections.Counter(
        split_of(seed, f"plateID_{number}_d1", SplitConfig()) for number in range(groups)
    )
    for split, share in {"train": 0.80, "validation": 0.05, "test": 0.15}.items():
        # four standard deviations; the sample is fixed
        assert abs(found[split] / groups - share) < 4 * math.sqrt(share * (1 - share) / groups)


def test_another_seed_splits_otherwise():
    groups = [f"drop-{number}" for number in range(200)]
    splits = [[split_of(seed, group, SplitConfig()) for group in groups] for seed in (0, 1)]
    assert splits[0] != splits[1]


@given(manifest_rows(LABELS), st.data())
def test_no_edit_moves_an_image_between_splits(rows, data):
    before = split_by_id(plan(rows, Recipe()))
    edited = [
        dataclasses.replace(row, label=data.draw(st.integers(0, LABELS - 1)))
        for row in data.draw(st.permutations(rows))
        if data.draw(st.booleans())
    ]
    new = [
        dataclasses.replace(row, image_id="new " + row.image_id, uri="new " + row.uri)
        for row in data.draw(manifest_rows(LABELS, max_size=5))
    ]
    after = split_by_id(plan(edited + new, Recipe()))
    for row in edited:
        assert after[row.image_id] == before[row.image_id]


@given(manifest_rows(LABELS), seeds)
def test_no_group_is_in_two_splits(rows, seed):
    splits = split_by_id(plan(rows, Recipe(seed=seed)))
    by_group = collections.defaultdict(set)
    for row in rows:
        by_group[row.group].add(splits[row.image_id])
    assert all(len(found) == 1 for found in by_group.values())


@given(manifest_rows(LABELS), st.sampled_from(SPLITS))
def test_a_pin_decides_and_moves_no_other_group(rows, split):
    pinned = [
        dataclasses.replace(row, split=split) if row.group == rows[0].group else row for row in rows
    ]
    before, after = split_by_id(plan(rows, Recipe())), split_by_id(plan(pinned, Recipe()))
    for row in pinned:
        assert after[row.image_id] == (row.split or before[row.image_id])


# The grid of quotas


def test_the_grid_is_of_powers():
    quota = 1.0
    for power in range(300):
        assert snap(quota) == quota
        assert quota == pytest.approx(STEP**power, rel=1e-12)
        quota *= STEP


@given(st.floats(1, 1e6))
def test_snap_goes_to_the_nearest_in_ratio(quota):
    snapped = snap(quota)
    assert snapped >= 1
    assert snapped == snap(snapped)
    ratio = max(quota / snapped, snapped / quota)
    assert ratio <= math.sqrt(STEP) * (1 + 1e-9)


@given(st.floats(1, 1e6), st.floats(1, 1e6))
def test_snap_keeps_order(one, other):
    assert (snap(one) <= snap(other)) or one > other


# Quotas

label_counts = st.lists(st.integers(0, 3000), min_size=2, max_size=10).filter(any)
split_counts = st.dictionaries(st.sampled_from(SPLITS), label_counts, min_size=1).map(
    lambda counts: {
        split: tuple(numbers + [0] * (10 - len(numbers))) for split, numbers in counts.items()
    }
)


def expected_by_label(counts, quotas, split: str) -> list[float]:
    """Returns the expected records of each label that has images."""
    return [n * q for n, q in zip(counts[split], quotas.by_split[split], strict=True) if n]


def spread(records: list[float]) -> float:
    return max(records) / min(records)


@given(split_counts)
def test_every_split_is_balanced_and_nothing_is_discarded(counts):
    quotas = balance(counts, BalanceConfig())
    assert quotas.capped == ()
    for split, numbers in counts.items():
        assert spread(expected_by_label(counts, quotas, split)) <= 1.03
        assert min(quotas.by_split[split]) >= 1
        # the largest label gets one variant an image
        assert quotas.by_split[split][numbers.index(max(numbers))] == 1


@given(split_counts, st.sampled_from(["none", "train"]))
def test_splits_that_are_not_balanced_keep_their_images(counts, mode):
    quotas, all_balanced = balance(counts, BalanceConfig(mode)), balance(counts, BalanceConfig())
    for split in counts:
        if mode == "train" and split == "train":
            assert quotas.by_split[split] == all_balanced.by_split[split]
        else:
            assert set(quotas.by_split[split]) == {1.0}


def test_paper_is_balanced():
    counts = paper_counts()
    quotas = balance(counts, BalanceConfig())
    for split in SPLITS:
        assert spread(expected_by_label(counts, quotas, split)) <= 1.03


@given(split_counts, seeds, ids)
def test_copies_are_the_quota_rounded_up_or_down(counts, seed, image_id):
    quotas = balance(counts, BalanceConfig())
    for split in counts:
        for label, quota in enumerate(quotas.by_split[split]):
            copies = quotas.copies(seed, image_id, split=split, label=label)
            up = uniform(seed, "copy", image_id) < quota - math.floor(quota)
            assert copies == math.floor(quota) + up
            assert copies >= 1


def test_records_come_to_what_is_expected():
    rows = [
        ManifestRow(f"plate-{number}", f"{number}.jpg", min(number % 13, 9), f"plate-{number}")
        for number in range(6000)
    ]
    made = plan(rows, Recipe())
    for split, records in made.records().items():
        for images, quota, found in zip(
            made.counts[split], made.quotas.by_split[split], records, strict=True
        ):
            fraction = quota % 1
            noise = math.sqrt(images * fraction * (1 - fraction))
            assert abs(found - images * quota) <= 4 * noise + 1e-6


@pytest.mark.parametrize("edits", [1, 5, 20])
@pytest.mark.parametrize(
    "config", [BalanceConfig(), BalanceConfig(target_per_class=108_000)], ids=["largest", "target"]
)
def test_a_handful_of_label_edits_leaves_nearly_all_quotas(config, edits):
    before = balance(paper_counts(), config)
    moved = total = 0
    for source, target in itertools.permutations(range(LABELS), 2):
        counts = {split: list(numbers) for split, numbers in paper_counts().items()}
        counts["train"][source] -= edits
        counts["train"][target] += edits
        after = balance(counts, config)
        for split in SPLITS:
            pairs = zip(before.by_split[split], after.by_split[split], strict=True)
            moved += sum(one != other for one, other in pairs)
            total += LABELS
    assert moved / total < 0.02


# Targets


@pytest.mark.parametrize("total", [1_348_957, 1_200_000, 2_000_000, 5_000_000])
@pytest.mark.parametrize("mode", ["all", "train"])
def test_total_records(total, mode):
    counts = paper_counts()
    quotas = balance(counts, BalanceConfig(mode, total_records=total))
    expected = {split: quotas.expected_records(counts, split) for split in counts}
    assert sum(expected.values()) == pytest.approx(total, rel=0.005)
    if mode == "all":
        for split, share in {"train": 0.80, "validation": 0.05, "test": 0.15}.items():
            assert expected[split] == pytest.approx(share * total, rel=0.01)


def test_the_papers_total_is_balanced():
    counts = paper_counts()
    quotas = balance(counts, BalanceConfig(total_records=1_348_957))
    for split in SPLITS:
        # the target is a little less than the largest label, of which nothing is discarded
        assert spread(expected_by_label(counts, quotas, split)) <= 1.03


@given(split_counts, st.integers(1, 100_000), st.sampled_from(["train", "all"]))
def test_a_total_below_the_images_discards_nothing(counts, total, mode):
    quotas = balance(counts, BalanceConfig(mode, total_records=total))
    images = sum(map(sum, counts.values()))
    expected = sum(quotas.expected_records(counts, split) for split in counts)
    assert expected >= images * (1 - 1e-12)
    if total <= images:
        assert expected == pytest.approx(images)


@pytest.mark.parametrize("target", [150_000, 400_000])
def test_target_per_class(target):
    counts = paper_counts()
    quotas = balance(counts, BalanceConfig(target_per_class=target))
    shares = {"train": 1, "validation": 0.05 / 0.80, "test": 0.15 / 0.80}
    for split, share in shares.items():
        for records in expected_by_label(counts, quotas, split):
            assert records == pytest.approx(share * target, rel=0.011)


def test_target_per_class_without_images_for_training():
    counts = {"test": (300, 100)}
    quotas = balance(counts, BalanceConfig(target_per_class=600))
    assert expected_by_label(counts, quotas, "test") == pytest.approx([600, 600], rel=0.011)


@pytest.mark.parametrize(
    "config", [BalanceConfig(total_records=9), BalanceConfig(target_per_class=9), BalanceConfig()]
)
def test_nothing_to_balance(config):
    assert balance({}, config).by_split == {}


def test_max_copies_caps_and_says_so():
    counts = {"train": (1000, 10, 400, 0), "test": (100, 100, 5, 1)}
    quotas = balance(counts, BalanceConfig(max_copies=15))
    assert quotas.capped == (("train", 1), ("test", 2), ("test", 3))
    assert quotas.by_split["train"] == (1, 15, snap(2.5), 1)
    assert quotas.by_split["test"] == (1, 1, 15, 15)
    for number in range(50):
        assert quotas.copies(0, f"plate-{number}", split="train", label=1) == 15


def test_a_cap_that_is_not_reached_changes_nothing():
    counts = paper_counts()
    most = max(max(quotas) for quotas in balance(counts, BalanceConfig()).by_split.values())
    capped = balance(counts, BalanceConfig(max_copies=math.ceil(most)))
    assert capped == balance(counts, BalanceConfig())


@settings(max_examples=30)
@given(manifest_rows(LABELS), st.randoms(use_true_random=False))
def test_quotas_do_not_depend_on_the_order_of_rows(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert plan(shuffled, Recipe()).quotas == plan(rows, Recipe()).quotas
