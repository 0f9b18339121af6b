"""The recipe: every choice is in the digest, and nothing else is (P8)."""

import dataclasses
from collections.abc import Iterator

import pytest

from schemas.labels import MARCO4, PAPER10, LabelSet
from schemas.recipe import (
    AugmentConfig,
    BalanceConfig,
    Recipe,
    RenderConfig,
    SplitConfig,
)

# For every field of the recipe, however deep, another value. A new field without an
# entry here fails the test below.
OTHER_VALUES = {
    "seed": 1,
    "labels.name": "other",
    "labels.names": PAPER10.names[::-1],
    "labels.crystal_names": PAPER10.crystal_names - {"small crystals"},
    "split.train": 0.75,
    "split.validation": 0.10,
    "split.test": 0.20,
    "balance.mode": "train",
    "balance.target_per_class": 1000,
    "balance.total_records": 1_348_957,
    "balance.max_copies": 50,
    "augment.max_rotation": 179.5,
    "augment.flip_probability": 0.25,
    "render.fill": "edge",
    "records_per_shard": 4096,
}
# Shares add up to 1, so one changes with another: this one gives way.
GIVES_WAY = {"train": "test", "validation": "train", "test": "validation"}
PIXELS = {"seed", "augment.max_rotation", "augment.flip_probability", "render.fill"}
DECIDE_NO_BYTE = {"labels.aliases"}


def paths(config: object, prefix: str = "") -> Iterator[str]:
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from paths(value, f"{prefix}{field.name}.")
        elif field.init:
            yield prefix + field.name


def changed(recipe: Recipe, path: str, value: object) -> Recipe:
    first, _, rest = path.partition(".")
    if not rest:
        return dataclasses.replace(recipe, **{first: value})
    inner = getattr(recipe, first)
    values = {rest: value}
    if first == "split":
        other = GIVES_WAY[rest]
        values[other] = getattr(inner, other) + getattr(inner, rest) - value
    return dataclasses.replace(recipe, **{first: dataclasses.replace(inner, **values)})


def test_every_field_has_another_value_here():
    assert set(paths(Recipe())) == OTHER_VALUES.keys() | DECIDE_NO_BYTE


@pytest.mark.parametrize("path", OTHER_VALUES)
def test_every_field_changes_the_digest(path):
    other = changed(Recipe(), path, OTHER_VALUES[path])
    assert other.digest() != Recipe().digest()


@pytest.mark.parametrize("path", OTHER_VALUES)
def test_what_decides_pixels_changes_the_render_digest_and_nothing_else(path):
    other = changed(Recipe(), path, OTHER_VALUES[path])
    assert (other.render_digest() != Recipe().render_digest()) == (path in PIXELS)


def test_all_digests_differ():
    digests = [changed(Recipe(), path, value).digest() for path, value in OTHER_VALUES.items()]
    assert len(set(digests)) == len(OTHER_VALUES)


def test_aliases_do_not_change_the_digest():
    labels = dataclasses.replace(PAPER10, aliases={"drizzle": "light precipitate"})
    assert Recipe(labels=labels).digest() == Recipe().digest()


def test_the_default_recipes_digests_have_not_changed():
    assert Recipe().digest() == "c7be59969041690c18550d49da5a7c3a"
    assert Recipe().render_digest() == "ea6427cbc1c890b67368a95bddc04b1b"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Recipe(augment=AugmentConfig(180, 1)), Recipe(augment=AugmentConfig(180.0, 1.0))),
        (Recipe(augment=AugmentConfig(-0.0)), Recipe(augment=AugmentConfig(0.0))),
        (Recipe(split=SplitConfig(1, 0, 0)), Recipe(split=SplitConfig(1.0, 0.0, 0.0))),
        (
            Recipe(labels=LabelSet("ab", ("a", "b"), frozenset("ab"))),
            Recipe(labels=LabelSet("ab", ("a", "b"), frozenset("ba"), {})),
        ),
    ],
)
def test_equal_recipes_have_equal_digests(one, other):
    assert one == other
    assert one.digest() == other.digest()
    assert one.render_digest() == other.render_digest()


def test_a_digest_is_of_values_that_json_gives_back():
    recipe = Recipe(labels=MARCO4, balance=BalanceConfig("train", 5, None, 9))
    values = recipe.to_json()
    assert values["labels"] == {
        "name": "marco4",
        "names": ["Clear", "Crystals", "Other", "Precipitate"],
        "crystal_names": ["Crystals"],
    }
    assert values["balance"] == {
        "mode": "train",
        "target_per_class": 5,
        "total_records": None,
        "max_copies": 9,
    }
    assert (values["seed"], values["records_per_shard"]) == (0, 8192)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SplitConfig(0.8, 0.1, 0.2), r"add up to 1.*0\.8, 0\.1, 0\.2"),
        (lambda: SplitConfig(1.1, -0.1, 0.0), "0 to 1"),
        (lambda: SplitConfig(float("nan"), 0.5, 0.5), "0 to 1"),
        (lambda: BalanceConfig("some"), "one of.*'some'"),
        (lambda: BalanceConfig(target_per_class=0), "target_per_class must be 1 or more, got 0"),
        (lambda: BalanceConfig(total_records=-1), "total_records must be 1 or more, got -1"),
        (lambda: BalanceConfig(max_copies=0), "max_copies must be 1 or more, got 0"),
        (lambda: BalanceConfig(target_per_class=1, total_records=1), "not both"),
        (lambda: BalanceConfig("none", target_per_class=5), "want a split that is balanced"),
        (lambda: BalanceConfig("none", total_records=5), "want a split that is balanced"),
        (lambda: AugmentConfig(max_rotation=180.5), "0 to 180 degrees, got 180.5"),
        (lambda: AugmentConfig(max_rotation=-1), "0 to 180 degrees, got -1"),
        (lambda: AugmentConfig(max_rotation=float("nan")), "0 to 180 degrees, got nan"),
        (lambda: AugmentConfig(flip_probability=1.01), "0 to 1, got 1.01"),
        (lambda: AugmentConfig(flip_probability=-0.5), "0 to 1, got -0.5"),
        (lambda: RenderConfig("white"), "one of.*'white'"),
        (lambda: Recipe(seed=-1), "seed must be .* got -1"),
        (lambda: Recipe(seed=2**63), "seed must be"),
        (lambda: Recipe(records_per_shard=0), "records_per_shard must be 1 or more, got 0"),
    ],
)
def test_bounds(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_bounds_are_part_of_the_range():
    SplitConfig(0.0, 0.0, 1.0)
    AugmentConfig(0.0, 0.0)
    AugmentConfig(180.0, 1.0)
    BalanceConfig("all", 1, None, 1)
    Recipe(seed=2**63 - 1, records_per_shard=1)


def test_recipes_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().seed = 1
