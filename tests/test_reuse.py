"""Records taken over from the version before: which, how many, and with which bytes."""

import contextlib
import dataclasses
import os
import shutil

import pytest

from pipeline import progress
from pipeline.build import make_plan
from pipeline.pool import Pool
from schemas.recipe import BalanceConfig, RenderConfig
from tests.builds import RECIPE, build_quietly, catalog, metadata, records, shards, versions
from tests.plates import draw_plate, read_rows, touch, write_rows


def counted_build(workshop, recipe=RECIPE, **options):
    before = progress.TALLY.read()
    outcome = build_quietly(workshop.manifest, workshop.out, recipe, processes=1, **options)
    return outcome, progress.TALLY.read().since(before)


def check_fresh(workshop, outcome, recipe=RECIPE):
    """Checks that the newest version is what a build from scratch makes."""
    fresh = build_quietly(workshop.manifest, workshop.out.parent / "fresh", recipe, processes=2)
    assert shards(outcome.folder) == shards(fresh.folder)
    shutil.rmtree(workshop.out.parent / "fresh")


def edit_rows(workshop, edit):
    rows = read_rows(workshop.manifest)
    edit(rows)
    write_rows(workshop.manifest, rows)


def relabel(workshop, number, label):
    edit_rows(workshop, lambda rows: rows[number].__setitem__(1, label))


def base_shard_of(workshop, number):
    """Returns the pool's shard of the first version that holds an image."""
    folder = workshop.out / "1.0.0"
    name = catalog(folder)[read_rows(workshop.manifest)[number][2]].shard
    facts = metadata(folder)["shards"]
    key = name.split("-", 1)[1].replace(".tfrecord", "")
    return next(shard["pool"] for shard in facts if shard["key"] == key)


def number_in_the_largest_shard(workshop):
    folder = workshop.out / "1.0.0"
    largest = max(metadata(folder)["shards"], key=lambda shard: shard["records"])["pool"]
    numbers = range(len(read_rows(workshop.manifest)))
    return next(n for n in numbers if base_shard_of(workshop, n) == largest)


@contextlib.contextmanager
def no_source_can_be_used(manifest):
    """Makes the plates worthless, though of the same size and time, for a while."""
    saved = {path: path.read_bytes() for path in (manifest.parent / "plates").iterdir()}
    times = {path: path.stat().st_mtime_ns for path in saved}

    def write(path, content):
        path.write_bytes(content)
        os.utime(path, ns=(times[path], times[path]))

    for path, content in saved.items():
        write(path, b"\0" * len(content))
    yield
    for path, content in saved.items():
        write(path, content)


@pytest.mark.parametrize("records_per_shard", [8, 16, 64, 1024])
def test_other_numbers_of_shards_take_every_record_over(workshop, records_per_shard):
    recipe = dataclasses.replace(RECIPE, records_per_shard=records_per_shard)
    with no_source_can_be_used(workshop.manifest):
        outcome, counts = counted_build(workshop, recipe)
    assert (counts.opened, counts.rendered, counts.rejects) == (0, 0, 0)
    before, after = shards(workshop.out / "1.0.0"), shards(outcome.folder)
    assert len(before) != len(after)
    check_fresh(workshop, outcome, recipe)


@pytest.mark.parametrize("column", [1, 3], ids=["label", "group"])
def test_a_corrected_cell_changes_its_records_and_no_pixel(workshop, column):
    edit_rows(workshop, lambda rows: rows[2].__setitem__(column, rows[30][column]))
    old = {(r.image_id, r.variant): r for r in records(workshop.out / "1.0.0")}
    plan = make_plan(workshop.manifest, RECIPE)
    copies = {i.image_id: i.copies for shard in plan.shards for i in shard.images}
    gaining = {name for (name, _), r in old.items() if copies[name] > r.copies}
    outcome, counts = counted_build(workshop)
    assert counts.opened == len(gaining)
    for record in records(outcome.folder):
        was = old.get((record.image_id, record.variant))
        if was:
            assert (record.image, record.render_key) == (was.image, was.render_key)
    check_fresh(workshop, outcome)


def test_relabelling_with_checksums_needs_no_plate(workshop):
    columns = ("uri", "label", "image_id", "group", "checksum")
    rows = [[*row, f"sum-{row[2]}"] for row in read_rows(workshop.manifest)]
    recipe = dataclasses.replace(RECIPE, balance=BalanceConfig("none"))  # no copies gained
    write_rows(workshop.manifest, rows, columns)
    counted_build(workshop, recipe)
    rows[0][1] = rows[1][1] = "large crystals"
    write_rows(workshop.manifest, rows, columns)
    with no_source_can_be_used(workshop.manifest):
        for path in (workshop.manifest.parent / "plates").iterdir():
            touch(path)  # the checksum says that it is the same
        outcome, counts = counted_build(workshop, recipe)
    assert (counts.opened, counts.rejects) == (0, 0)
    assert outcome.metadata["version"] == "2.0.1"
    check_fresh(workshop, outcome, recipe)


def test_a_gained_copy_is_rendered_alone(workshop):
    more = dataclasses.replace(RECIPE, balance=BalanceConfig(target_per_class=40))
    before = catalog(workshop.out / "1.0.0")
    outcome, counts = counted_build(workshop, more)
    after = catalog(outcome.folder)
    gained = {name: row.copies - before[name].copies for name, row in after.items()}
    assert min(gained.values()) >= 0
    assert counts.rendered == sum(gained.values()) > 0
    assert counts.opened == sum(count > 0 for count in gained.values())
    check_fresh(workshop, outcome, more)


def test_lost_copies_cost_nothing(workshop):
    fewer = dataclasses.replace(RECIPE, balance=BalanceConfig(max_copies=1))
    with no_source_can_be_used(workshop.manifest):
        outcome, counts = counted_build(workshop, fewer)
    assert (counts.opened, counts.rendered) == (0, 0)
    check_fresh(workshop, outcome, fewer)


def test_a_touched_file_is_read_and_not_rendered(workshop):
    for path in (workshop.manifest.parent / "plates").iterdir():
        touch(path)
    outcome, counts = counted_build(workshop)
    assert (counts.opened, counts.rendered) == (len(catalog(outcome.folder)), 0)
    assert not outcome.committed
    assert versions(workshop.out) == ["1.0.0"]


def test_a_replaced_file_is_rendered_whole_and_alone(workshop):
    row = read_rows(workshop.manifest)[20]
    draw_plate(workshop.manifest.parent / row[0], 500)
    outcome, counts = counted_build(workshop)
    assert counts.opened == 1
    assert counts.rendered == catalog(outcome.folder)[row[2]].copies
    check_fresh(workshop, outcome)


def test_other_pixels_take_nothing_over(workshop):
    recipe = dataclasses.replace(RECIPE, render=RenderConfig("edge"))
    outcome, counts = counted_build(workshop, recipe)
    assert counts.opened == len(catalog(outcome.folder))
    assert counts.rendered == len(list(records(outcome.folder)))


def flip_a_byte(pool, name):
    path = pool.shard_path(name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(pool, name):
    path = pool.shard_path(name)
    path.write_bytes(path.read_bytes()[:-20_000])


def damage_report(pool, name):
    (pool.folder / f"{name}.json").write_text('{"format": 1')


def damage_index(pool, name):
    pool.index_path(name).write_text("not an index\n")


def shift_index(pool, name):
    lines = pool.index_path(name).read_text().splitlines(keepends=True)
    pool.index_path(name).write_text("".join(lines[1:]))


def remove(suffix):
    return lambda pool, name: (pool.folder / f"{name}{suffix}").unlink()


def build_unbalanced(workshop):
    """Builds a 1.0.0 in which a relabelled image changes its own shard alone; gives its recipe."""
    recipe = dataclasses.replace(RECIPE, balance=BalanceConfig("none"))
    shutil.rmtree(workshop.out)
    counted_build(workshop, recipe)
    return recipe


@pytest.mark.parametrize(
    ("damage", "rendered"),
    [
        (flip_a_byte, 1),
        (cut, 2),  # the record that is gone and the one before it, cut in two
        (damage_report, "all"),
        (damage_index, "all"),
        (shift_index, "all"),
        (remove(".tfrecord"), "all"),
        (remove(".idx"), "all"),
        (remove(".json"), "all"),
    ],
    ids=["flip", "cut", "report", "index", "shift", "no shard", "no index", "no report"],
)
def test_what_is_damaged_in_the_base_is_rendered(workshop, damage, rendered):
    recipe = build_unbalanced(workshop)
    number = number_in_the_largest_shard(workshop)
    pool, name = Pool(workshop.out / "pool"), base_shard_of(workshop, number)
    in_shard = pool.report(name).records
    # a file of its own: this is about the pool, the version is another test's
    shutil.copyfile(pool.shard_path(name), workshop.out / "copy")
    (workshop.out / "copy").replace(pool.shard_path(name))
    damage(pool, name)
    relabel(workshop, number, "large crystals")
    outcome, counts = counted_build(workshop, recipe)
    assert counts.rendered == (in_shard if rendered == "all" else rendered)
    check_fresh(workshop, outcome, recipe)


@pytest.mark.parametrize("suffix", [".tfrecord", ".idx", ".json"])
def test_a_kept_shard_that_lost_a_file_is_written_again(workshop, suffix):
    recipe = build_unbalanced(workshop)
    number = number_in_the_largest_shard(workshop)
    kept = next(
        shard["pool"]
        for shard in metadata(workshop.out / "1.0.0")["shards"]
        if shard["pool"] != base_shard_of(workshop, number) and shard["records"]
    )
    remove(suffix)(Pool(workshop.out / "pool"), kept)
    relabel(workshop, number, "large crystals")
    outcome, _ = counted_build(workshop, recipe)
    assert kept in {shard["pool"] for shard in outcome.metadata["shards"]}
    assert len(Pool(workshop.out / "pool").files(kept)) == 3
    check_fresh(workshop, outcome, recipe)


def test_a_pool_gone_by_hand_is_built_again(workshop):
    shutil.rmtree(workshop.out / "pool")
    outcome, _ = counted_build(workshop)
    # the version needs no successor: it has these shards
    assert not outcome.committed
    for facts in metadata(workshop.out / "1.0.0")["shards"]:
        path = workshop.out / "pool" / f"{facts['pool']}.tfrecord"
        assert path.stat().st_size == facts["bytes"]


def test_an_image_that_is_pinned_elsewhere_brings_its_records(workshop):
    rows = read_rows(workshop.manifest)
    before = catalog(workshop.out / "1.0.0")
    group = next(row[3] for row in rows if before[row[2]].split == "train")
    columns = ("uri", "label", "image_id", "group", "split")
    pinned = [[*row, "test" if row[3] == group else ""] for row in rows]
    write_rows(workshop.manifest, pinned, columns)
    plan = make_plan(workshop.manifest, RECIPE)
    copies = {i.image_id: i.copies for shard in plan.shards for i in shard.images}
    more = sum(max(0, count - before[name].copies) for name, count in copies.items())
    outcome, counts = counted_build(workshop)
    assert counts.rendered == more < sum(copies.values()) / 4
    assert {catalog(outcome.folder)[row[2]].split for row in rows if row[3] == group} == {"test"}
    check_fresh(workshop, outcome)


def test_quotas_move_in_steps_so_that_a_correction_stays_small(workshop):
    before = catalog(workshop.out / "1.0.0")
    relabel(workshop, 0, "clear" if before["p000"].label != "clear" else "heavy precipitate")
    outcome, counts = counted_build(workshop)
    assert counts.opened < len(before) / 2
    check_fresh(workshop, outcome)
