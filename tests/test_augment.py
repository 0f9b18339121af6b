"""Augmentation: uniform, fixed for ever, and blind to the label (DESIGN section 5.5)."""

import collections
import inspect
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.augment import Augmentation, sample_augmentation
from pipeline.plan import Source, plan_dataset
from schemas.manifest import ManifestRow
from schemas.recipe import AugmentConfig, Recipe
from tests.strategies import ids, seeds

variants = st.integers(0, 1000)


def sample(image_id: str, variant: int, config: AugmentConfig | None = None) -> Augmentation:
    return sample_augmentation(0, image_id, variant=variant, config=config or AugmentConfig())


def test_augmentations_have_not_changed():
    assert sample("drop-1", 0) == Augmentation(107.23771230081007, False, False)
    assert sample("drop-1", 1) == Augmentation(168.9637737117789, False, False)
    assert sample_augmentation(
        7, "drop-1", variant=0, config=AugmentConfig(10.0, 1.0)
    ) == Augmentation(353.8637789919646, True, True)


def test_nothing_but_names_and_the_recipe_is_asked():
    assert list(inspect.signature(sample_augmentation).parameters) == [
        "seed",
        "image_id",
        "variant",
        "config",
    ]


@given(seeds, ids, variants, st.floats(0, 180), st.floats(0, 1))
def test_bounds(seed, image_id, variant, most, chance):
    augmentation = sample_augmentation(
        seed, image_id, variant=variant, config=AugmentConfig(most, chance)
    )
    assert 0 <= augmentation.angle < 360
    assert min(augmentation.angle, 360 - augmentation.angle) <= most * (1 + 1e-12) + 1e-12


@given(seeds, ids, variants)
def test_no_rotation_and_no_or_certain_flips(seed, image_id, variant):
    for chance in (0.0, 1.0):
        config = AugmentConfig(0.0, chance)
        assert sample_augmentation(seed, image_id, variant=variant, config=config) == Augmentation(
            0.0, bool(chance), bool(chance)
        )


@given(seeds, ids, variants, variants)
def test_variants_of_one_image_differ(seed, image_id, one, other):
    angles = {
        sample_augmentation(seed, image_id, variant=variant, config=AugmentConfig()).angle
        for variant in (one, other)
    }
    assert len(angles) == len({one, other})


def chi_square(counts: list[int]) -> float:
    expected = sum(counts) / len(counts)
    return sum((count - expected) ** 2 / expected for count in counts)


@pytest.mark.parametrize("variant", [0, 1, 7])
def test_every_variant_is_augmented_uniformly_the_first_one_too(variant):
    found = [sample(f"plate-{number}", variant) for number in range(20_000)]
    angles = collections.Counter(int(augmentation.angle / 10) for augmentation in found)
    assert len(angles) == 36
    assert chi_square(list(angles.values())) < 75  # 35 degrees of freedom; a fixed sample
    flips = collections.Counter((a.flip_horizontal, a.flip_vertical) for a in found)
    assert len(flips) == 4
    assert chi_square(list(flips.values())) < 17  # 3 degrees of freedom


def fill_area(angles: np.ndarray) -> np.ndarray:
    """Returns the share of a variant that lies beyond a plate of 1280x960, for each angle.

    Args:
        angles: in degrees, array of shape [variants].
    """
    centres = np.arange(-468, 480, 24)  # of 40 cells each way
    x, y = np.meshgrid(centres, centres)
    turns = np.radians(angles)[:, None]
    across = np.abs(x.ravel() * np.cos(turns) - y.ravel() * np.sin(turns))
    down = np.abs(x.ravel() * np.sin(turns) + y.ravel() * np.cos(turns))
    return ((across > 640) | (down > 480)).mean(axis=1)


def test_fill_area_is_that_of_the_geometry():
    plain, diagonal = fill_area(np.array([0.0, 45.0])).tolist()
    assert plain == 0
    # turned by 45 degrees, all four corners of the square reach beyond the plate: right
    # triangles of height 480 sqrt(2) - 480 and 480 sqrt(2) - 640
    reach = 480 * math.sqrt(2)
    assert diagonal == pytest.approx(
        2 * ((reach - 480) ** 2 + (reach - 640) ** 2) / 960**2, abs=0.005
    )


# Shares of labels as uneven as the paper's.
IMAGES = (600, 1112, 876, 36, 718, 72, 72, 108, 333, 72)


@pytest.fixture(scope="module")
def areas() -> dict[int, dict[str, np.ndarray]]:
    """For each label, what its records in the training split of a planned dataset have."""
    rows = [
        ManifestRow(f"label-{label}/plate-{n}", f"{label}/{n}.jpg", label, f"{label}-{n}", "train")
        for label, count in enumerate(IMAGES)
        for n in range(count)
    ]
    sources = [Source(row.uri, "1:1") for row in rows]
    plan = plan_dataset(rows, sources, recipe=Recipe())
    found = collections.defaultdict(list)
    for shard in plan.shards:
        for image in shard.images:
            found[image.label] += [sample(image.image_id, v) for v in range(image.copies)]
    return {
        label: {
            "fill": fill_area(np.array([augmentation.angle for augmentation in made])),
            "angle": np.array([augmentation.angle / 360 for augmentation in made]),
            "horizontal": np.array([float(a.flip_horizontal) for a in made]),
            "vertical": np.array([float(a.flip_vertical) for a in made]),
        }
        for label, made in found.items()
    }


@pytest.mark.parametrize("quantity", ["fill", "angle", "horizontal", "vertical"])
def test_labels_cannot_be_told_by_their_augmentation(areas, quantity):
    assert len(areas) == len(IMAGES)
    together = np.concatenate([values[quantity] for values in areas.values()])
    for values in areas.values():
        found = values[quantity]
        noise = together.std() / math.sqrt(len(found))
        assert abs(found.mean() - together.mean()) < 4 * noise


@pytest.mark.parametrize("quantity", ["fill", "angle"])
def test_the_whole_distribution_is_the_same_for_all_labels(areas, quantity):
    together = np.sort(np.concatenate([values[quantity] for values in areas.values()]))
    for values in areas.values():
        found = np.sort(values[quantity])
        # Kolmogorov and Smirnov's distance: 1.95 / sqrt(n) is passed by chance once in 1000
        places = np.searchsorted(found, together, side="right") / len(found)
        wanted = np.searchsorted(together, together, side="right") / len(together)
        assert np.abs(places - wanted).max() < 1.95 / math.sqrt(len(found))
