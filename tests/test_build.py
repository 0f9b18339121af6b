"""The promises of a build: same bytes whatever came before, nothing lost, nothing changed."""

import collections
import dataclasses
import json
import os
import shutil

import pytest
from PIL import Image

from schemas.recipe import AugmentConfig, BalanceConfig, Recipe, RenderConfig
from tests.builds import (
    RECIPE,
    build_arguments,
    build_quietly,
    catalog,
    leftovers,
    metadata,
    records,
    run,
    shards,
    snapshot,
    versions,
)
from tests.plates import (
    COUNTS,
    draw_plate,
    draw_plates,
    image_id,
    plate_pixels,
    read_rows,
    touch,
    write_rows,
)

IMAGES = sum(COUNTS.values())


def relabel(manifest, number, label):
    rows = read_rows(manifest)
    rows[number][1] = label
    write_rows(manifest, rows)


def test_origins_are_counted_and_decide_no_byte(plates, built, tmp_path):
    rows = read_rows(plates)
    columns = ("uri", "label", "image_id", "group", "origin")
    told = [
        [str(plates.parent / row[0]), *row[1:], "drawn" * (n > 2)] for n, row in enumerate(rows)
    ]
    outcome = build_quietly(write_rows(tmp_path / "plates.csv", told, columns), tmp_path / "drops")
    assert outcome.metadata["origins"] == {"drawn": len(rows) - 3}
    assert metadata(built / "1.0.0")["origins"] == {}
    assert shards(outcome.folder) == shards(built / "1.0.0")


def test_a_version_has_every_image_and_every_record(built):
    version = built / "1.0.0"
    rows = catalog(version)
    assert len(rows) == IMAGES
    found = collections.Counter((record.image_id, record.variant) for record in records(version))
    assert set(found.values()) == {1}
    wanted = {(name, v) for name, row in rows.items() for v in range(row.copies)}
    assert found.keys() == wanted
    for record in records(version):
        row = rows[record.image_id]
        assert (record.label, record.group, record.copies) == (
            row.label_index,
            row.group,
            row.copies,
        )
    facts = metadata(version)
    assert sum(map(sum, facts["images"].values())) == IMAGES
    assert sum(map(sum, facts["records"].values())) == len(wanted)
    assert not leftovers(built)


def test_no_group_is_in_two_splits(built):
    splits = collections.defaultdict(set)
    for row in catalog(built / "1.0.0").values():
        splits[row.group].add(row.split)
    assert len(splits) == IMAGES // 2
    assert all(len(found) == 1 for found in splits.values())


@pytest.mark.parametrize("processes", [1, 3])
def test_the_number_of_processes_changes_no_byte(plates, built, tmp_path, processes):
    build_quietly(plates, tmp_path / "drops", processes=processes)
    assert shards(tmp_path / "drops" / "1.0.0") == shards(built / "1.0.0")


def test_a_copy_of_the_plates_elsewhere_gives_the_same_bytes(plates, built, tmp_path):
    manifest = tmp_path / "a copy, ü" / plates.name
    # copyfile leaves times behind: every file is younger than the one it came from
    shutil.copytree(plates.parent, manifest.parent, copy_function=shutil.copyfile)
    build_quietly(manifest, tmp_path / "drops")
    assert shards(tmp_path / "drops" / "1.0.0") == shards(built / "1.0.0")


def test_the_order_of_the_rows_changes_no_byte(workshop, built, tmp_path):
    rows = read_rows(workshop.manifest)
    write_rows(workshop.manifest, rows[::-1])
    build_quietly(workshop.manifest, tmp_path / "fresh")
    assert shards(tmp_path / "fresh" / "1.0.0") == shards(built / "1.0.0")


def test_an_engine_gives_the_same_bytes(plates, built, tmp_path):
    # fewer than a thousand plates are built without one, unless it is asked for
    outcome = build_quietly(plates, tmp_path / "drops", runner="FnApiRunner")
    assert outcome.metadata["build"]["runner"] == "FnApiRunner"
    assert metadata(built / "1.0.0")["build"]["runner"] == "none"
    assert shards(tmp_path / "drops" / "1.0.0") == shards(built / "1.0.0")


def test_a_history_of_edits_ends_in_the_bytes_of_a_fresh_build(workshop, tmp_path):
    relabel(workshop.manifest, 0, "needles & plates")
    build_quietly(workshop.manifest, workshop.out)
    rows = read_rows(workshop.manifest)
    del rows[3]
    draw_plate(workshop.manifest.parent / "new.png", 77)
    rows.append(["new.png", "large crystals", "new", "new"])
    write_rows(workshop.manifest, rows)
    build_quietly(workshop.manifest, workshop.out)
    draw_plate(workshop.manifest.parent / rows[5][0], 78)  # another plate, under the same name
    relabel(workshop.manifest, 0, "clear")
    last = build_quietly(workshop.manifest, workshop.out)

    fresh = build_quietly(workshop.manifest, tmp_path / "fresh")
    assert shards(last.folder) == shards(fresh.folder)
    assert catalog(last.folder) == catalog(fresh.folder)
    assert versions(workshop.out) == ["1.0.0", "1.0.1", "1.1.0", "1.2.0"]


def test_relabelling_opens_no_source_and_moves_no_image(workshop):
    before = catalog(workshop.out / "1.0.0")
    relabel(workshop.manifest, 1, "heavy precipitate")
    for path in (workshop.manifest.parent / "plates").iterdir():
        status = path.stat()
        path.write_bytes(b"\0" * status.st_size)  # whoever opens it now cannot use it
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    outcome = build_quietly(workshop.manifest, workshop.out)
    after = catalog(outcome.folder)
    assert outcome.metadata["version"] == "1.0.1"
    assert {name: row.split for name, row in after.items()} == {
        name: row.split for name, row in before.items()
    }
    changed = {name for name in after if after[name].label != before[name].label}
    assert changed == {image_id(1)}


def test_later_builds_leave_a_finished_version_as_it_was(workshop):
    before = snapshot(workshop.out / "1.0.0")
    relabel(workshop.manifest, 0, "needles & plates")
    build_quietly(workshop.manifest, workshop.out)
    build_quietly(workshop.manifest, workshop.out, dataclasses.replace(RECIPE, seed=5))
    assert versions(workshop.out) == ["1.0.0", "1.0.1", "2.0.0"]
    assert snapshot(workshop.out / "1.0.0") == before


def test_a_build_of_the_same_writes_nothing_at_all(plates, built):
    before = snapshot(built)
    done = run(*build_arguments(plates, built))
    assert done.returncode == 0
    assert done.stdout == f"up to date: {built / '1.0.0'}\n"
    assert done.stderr == ""
    assert snapshot(built) == before


def add_image(manifest):
    draw_plate(manifest.parent / "new.jpg", 99)
    write_rows(manifest, [*read_rows(manifest), ["new.jpg", "clear", "new", "new"]])


def remove_image(manifest):
    write_rows(manifest, read_rows(manifest)[:-1])


def replace_content(manifest):
    draw_plate(manifest.parent / read_rows(manifest)[0][0], 99)


def touch_image(manifest):
    touch(manifest.parent / read_rows(manifest)[0][0])


def move_plates(manifest):
    (manifest.parent / "plates").rename(manifest.parent / "moved")
    rows = [[row[0].replace("plates/", "moved/"), *row[1:]] for row in read_rows(manifest)]
    write_rows(manifest, rows)


@pytest.mark.parametrize(
    ("edit", "version"),
    [
        (lambda manifest: relabel(manifest, 0, "heavy precipitate"), "1.0.1"),
        (add_image, "1.1.0"),
        (remove_image, "1.1.0"),
        (replace_content, "1.1.0"),
        (touch_image, None),
        (move_plates, None),
    ],
    ids=["label", "added", "removed", "replaced", "touched", "moved"],
)
def test_an_edit_decides_the_next_version(workshop, edit, version):
    edit(workshop.manifest)
    outcome = build_quietly(workshop.manifest, workshop.out)
    assert outcome.committed == (version is not None)
    assert outcome.metadata["version"] == (version or "1.0.0")
    assert versions(workshop.out) == sorted({"1.0.0", version or "1.0.0"})
    again = build_quietly(workshop.manifest, workshop.out)
    assert not again.committed
    assert again.folder == outcome.folder


@pytest.mark.parametrize(
    "recipe",
    [
        dataclasses.replace(RECIPE, seed=1),
        dataclasses.replace(RECIPE, render=RenderConfig(fill="edge")),
        dataclasses.replace(RECIPE, augment=AugmentConfig(max_rotation=90)),
        dataclasses.replace(RECIPE, records_per_shard=64),
        dataclasses.replace(
            RECIPE,
            labels=dataclasses.replace(RECIPE.labels, crystal_names=frozenset({"large crystals"})),
        ),
    ],
    ids=["seed", "fill", "rotation", "shards", "labels"],
)
def test_another_recipe_makes_a_major_version(workshop, recipe, tmp_path):
    outcome = build_quietly(workshop.manifest, workshop.out, recipe)
    assert outcome.metadata["version"] == "2.0.0"
    fresh = build_quietly(workshop.manifest, tmp_path / "fresh", recipe)
    assert shards(outcome.folder) == shards(fresh.folder)


def counts_by_label(version):
    found = collections.Counter()
    for row in catalog(version).values():
        found[row.split, row.label] += row.copies
    return found


def test_without_balance_each_image_has_one_record(plates, tmp_path):
    recipe = dataclasses.replace(RECIPE, balance=BalanceConfig("none"))
    outcome = build_quietly(plates, tmp_path / "drops", recipe)
    assert {row.copies for row in catalog(outcome.folder).values()} == {1}
    assert len(list(records(outcome.folder))) == IMAGES


def test_balance_of_the_training_split_alone(plates, built, tmp_path):
    recipe = dataclasses.replace(RECIPE, balance=BalanceConfig("train"))
    outcome = build_quietly(plates, tmp_path / "drops", recipe)
    rows = catalog(outcome.folder).values()
    assert {row.copies for row in rows if row.split != "train"} == {1}
    train = {k: n for k, n in counts_by_label(outcome.folder).items() if k[0] == "train"}
    balanced = {k: n for k, n in counts_by_label(built / "1.0.0").items() if k[0] == "train"}
    assert train == balanced
    assert max(train.values()) > min(COUNTS.values())


def test_max_copies_caps_every_image(plates, tmp_path):
    recipe = dataclasses.replace(RECIPE, balance=BalanceConfig(max_copies=2))
    outcome = build_quietly(plates, tmp_path / "drops", recipe)
    assert max(row.copies for row in catalog(outcome.folder).values()) == 2
    names = RECIPE.labels.names
    assert ["train", names.index("large crystals")] in outcome.metadata["capped"]


def test_shards_without_an_image_are_there_and_empty(plates, built, tmp_path):
    recipe = dataclasses.replace(RECIPE, records_per_shard=1)
    outcome = build_quietly(plates, tmp_path / "drops", recipe)
    sizes = [path.stat().st_size for path in outcome.folder.glob("*.tfrecord-*")]
    assert len(sizes) == len(outcome.metadata["shards"]) > IMAGES
    assert 0 in sizes

    def pixels(version):
        return sorted((r.image_id, r.variant, r.image) for r in records(version))

    assert pixels(outcome.folder) == pixels(built / "1.0.0")


def test_a_split_can_be_empty(tmp_path):
    manifest = draw_plates(tmp_path, {"clear": 2, "large crystals": 1})
    rows = [[*row, "train"] for row in read_rows(manifest)]
    write_rows(manifest, rows, ("uri", "label", "image_id", "group", "split"))
    outcome = build_quietly(manifest, tmp_path / "drops")
    assert list(outcome.metadata["records"]) == ["train"]
    assert {row.split for row in catalog(outcome.folder).values()} == {"train"}
    info = json.loads((outcome.folder / "dataset_info.json").read_text())
    assert [split["name"] for split in info["splits"]] == ["train"]


def test_sources_of_every_kind_end_as_records_of_128_pixels(tmp_path):
    manifest = draw_plates(tmp_path, {"clear": 1})
    folder = manifest.parent / "plates"
    for number, size in enumerate([(160, 130), (1280, 960), (700, 900)]):
        draw_plate(folder / f"size{number}.jpg", number, size=size)
    draw_plate(folder / "progressive.jpg", 3, progressive=True)
    pixels = Image.fromarray(plate_pixels(4))
    pixels.convert("CMYK").save(folder / "cmyk.jpg")
    pixels.convert("L").save(folder / "gray.png")
    pixels.convert("P").save(folder / "palette.png")
    pixels.convert("RGBA").save(folder / "alpha.png")
    pixels.save(
        folder / "turned.jpg",
        exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0",
    )
    Image.fromarray(plate_pixels(5)[..., 0].astype("uint16") * 257).save(folder / "deep.tif")
    frames = [Image.fromarray(plate_pixels(n)) for n in (6, 7)]
    frames[0].save(folder / "pages.tif", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    paths = sorted(folder.iterdir())
    write_rows(manifest, [[f"plates/{path.name}", "clear", path.name, path.name] for path in paths])
    outcome = build_quietly(manifest, tmp_path / "drops", max_reject_fraction=0)
    found = {record.image_id: record for record in records(outcome.folder)}
    assert found.keys() == {path.name for path in paths}
    assert all(max(record.image) > 60 for record in found.values())


def test_the_summary_says_what_was_made(plates, tmp_path):
    out = tmp_path / "drops"
    done = run(*build_arguments(plates, out))
    assert done.returncode == 0
    assert done.stderr == ""
    made = len(list(records(out / "1.0.0")))
    for part in (
        f"version 1.0.0: {IMAGES} images, {made} records",
        "no rejects",
        f"{IMAGES} images opened, {made} records rendered, 4 shards written, 0 kept",
        f"report: {out}/1.0.0/report.html",
        f'builder_from_directory("{out}/1.0.0")',
    ):
        assert part in done.stdout


def test_the_plan_comes_true(plates, tmp_path):
    out = tmp_path / "drops"
    plan = run(*["plan", *build_arguments(plates, out)[1:]])
    assert plan.returncode == 0
    assert not out.exists()
    build_quietly(plates, out)
    made = counts_by_label(out / "1.0.0")
    words = next(line for line in plan.stdout.splitlines() if line.startswith("large crystals"))
    assert int(words.split()[5]) == made["train", "large crystals"]
    assert (
        run(*["plan", *build_arguments(plates, out)[1:]])
        .stdout.rstrip()
        .endswith("up to date: 4 shards, as in version 1.0.0")
    )


def test_the_recipe_in_the_metadata_is_the_one_asked_for(built):
    assert metadata(built / "1.0.0")["recipe"] == Recipe(records_per_shard=32).to_json()
