"""What `diff` says of two versions."""

import dataclasses

import pytest

from pipeline.errors import BuildError
from pipeline.version_diff import diff_versions
from schemas.recipe import BalanceConfig
from tests.builds import RECIPE, build_quietly, catalog, run, shards
from tests.plates import draw_plate, read_rows, touch, write_rows


def build_edited(workshop, edit, recipe=RECIPE, **options):
    rows = read_rows(workshop.manifest)
    edit(rows)
    write_rows(workshop.manifest, rows)
    return build_quietly(workshop.manifest, workshop.out, recipe, **options).folder


def test_two_equal_versions_differ_in_nothing(built):
    diff = diff_versions(built / "1.0.0", built / "1.0.0")
    assert diff.shards_shared == diff.shards == 4
    empty = dataclasses.replace(diff, shards=0, shards_shared=0)
    assert not any(dataclasses.asdict(empty).values())


def test_labels_images_and_contents(workshop):
    def edit(rows):
        rows[0][1] = rows[1][1] = "heavy precipitate"
        rows[30][1] = "clear"
        draw_plate(workshop.manifest.parent / "new.png", 77)
        draw_plate(workshop.manifest.parent / rows[9][0], 78)
        touch(workshop.manifest.parent / rows[8][0])
        rows.append(["new.png", "large crystals", "new", "new"])
        del rows[12]

    now = build_edited(workshop, edit)
    diff = diff_versions(workshop.out / "1.0.0", now)
    assert diff.relabelled == {
        ("clear", "heavy precipitate"): ["p000", "p001"],
        ("needles & plates", "clear"): ["p030"],
    }
    assert (diff.added, diff.removed, diff.replaced) == (["new"], ["p012"], ["p009"])
    assert (diff.moved, diff.recipe) == ([], [])
    old, new = catalog(workshop.out / "1.0.0"), catalog(now)
    changes = [new[name].copies - old[name].copies for name in old.keys() & new.keys()]
    assert diff.copies_gained == sum(change for change in changes if change > 0)
    assert diff.copies_lost == -sum(change for change in changes if change < 0)
    same = set(shards(workshop.out / "1.0.0").values()) & set(shards(now).values())
    assert (diff.shards_shared, diff.shards) == (len(same), 4)

    back = diff_versions(now, workshop.out / "1.0.0")
    assert (back.added, back.removed) == (diff.removed, diff.added)
    assert (back.copies_gained, back.copies_lost) == (diff.copies_lost, diff.copies_gained)
    assert back.relabelled["clear", "needles & plates"] == ["p030"]


def test_images_that_changed_their_group_may_move(workshop):
    def edit(rows):
        for row in rows:
            row[3] = "one drop"

    now = build_edited(workshop, edit)
    old, new = catalog(workshop.out / "1.0.0"), catalog(now)
    moved = sorted(name for name in old if old[name].split != new[name].split)
    assert diff_versions(workshop.out / "1.0.0", now).moved == moved != []


def test_an_image_that_became_a_reject_has_other_content(workshop):
    def edit(rows):
        (workshop.manifest.parent / rows[4][0]).write_bytes(b"no image")

    now = build_edited(workshop, edit, max_reject_fraction=1)
    diff = diff_versions(workshop.out / "1.0.0", now)
    assert (diff.replaced, diff.removed) == (["p004"], [])
    assert diff.copies_lost > 0


@pytest.mark.parametrize(
    ("recipe", "names"),
    [
        (dataclasses.replace(RECIPE, seed=3), ["seed"]),
        (
            dataclasses.replace(
                RECIPE, balance=BalanceConfig(target_per_class=9), records_per_shard=64
            ),
            ["balance.target_per_class", "records_per_shard"],
        ),
    ],
    ids=["seed", "balance"],
)
def test_fields_of_the_recipe_are_named(workshop, recipe, names):
    now = build_edited(workshop, lambda _: None, recipe)
    assert diff_versions(workshop.out / "1.0.0", now).recipe == names


def test_the_command_prints_it(workshop):
    def edit(rows):
        rows[0][1] = rows[1][1] = "heavy precipitate"

    now = build_edited(workshop, edit)
    done = run("diff", workshop.out / "1.0.0", now)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "clear -> heavy precipitate: 2 images (p000, p001)"
    assert lines[-1].startswith("shards: ")
    assert lines[-1].endswith(" of 4 shared")


def test_what_is_no_version_is_refused(built, tmp_path):
    with pytest.raises(ValueError, match="wanted the folder of a finished version"):
        diff_versions(built, built / "1.0.0")
    with pytest.raises(ValueError, match="wanted the folder of a finished version"):
        diff_versions(built / "1.0.0", built / "1.0.1")


def test_a_damaged_catalog_is_named(workshop):
    path = workshop.out / "1.0.0" / "catalog.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BuildError, match=r"1\.0\.0/catalog\.parquet cannot be read"):
        diff_versions(path.parent, path.parent)
