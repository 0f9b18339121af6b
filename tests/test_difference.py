"""What `plan` says is what the build then does."""

import dataclasses
import re
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import progress
from pipeline.build import make_plan
from pipeline.change import find_change
from pipeline.summary import plan_text
from schemas.dataset import DatasetFolder
from tests.builds import RECIPE, build_quietly, catalog
from tests.histories import History
from tests.plates import draw_plate, read_rows, touch, write_rows


def change_of(workshop, recipe=RECIPE):
    return find_change(make_plan(workshop.manifest, recipe), DatasetFolder(workshop.out))


def numbers(text):
    """Returns the lines below "since version", and the numbers of the last line."""
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("since version"))
    last = re.fullmatch(
        r"shards: ([\d,]+) to write, ([\d,]+) to keep; records: ([\d,]+) to render of ([\d,]+) "
        r"images, ([\d,]+) to take over; .* about .* on 2 cores",
        lines[-1],
    )
    return lines[start:-1], [int(number.replace(",", "")) for number in last.groups()]


def edit_everything(workshop):
    """Relabels two, adds one, removes one, touches one and replaces one; none is another's."""
    rows = read_rows(workshop.manifest)
    rows[0][1] = "heavy precipitate"
    rows[1][1] = "heavy precipitate"
    rows[30][1] = "clear"
    draw_plate(workshop.manifest.parent / "new.png", 77)
    rows.append(["new.png", "large crystals", "new", "new"])
    touch(workshop.manifest.parent / rows[5][0])
    draw_plate(workshop.manifest.parent / rows[9][0], 78)
    del rows[12]
    write_rows(workshop.manifest, rows)


def test_the_plan_says_what_the_build_does(workshop):
    edit_everything(workshop)
    change = change_of(workshop)
    lines, (write, keep, render, sources, reuse) = numbers(plan_text(change, cores=2))
    old = catalog(workshop.out / "1.0.0")
    before = progress.TALLY.read()
    outcome = build_quietly(workshop.manifest, workshop.out)
    counts = progress.TALLY.read().since(before)
    new = catalog(outcome.folder)
    both = old.keys() & new.keys()
    gained = sum(max(0, new[name].copies - old[name].copies) for name in both)
    lost = sum(max(0, old[name].copies - new[name].copies) for name in both)
    wanted = [
        "since version 1.0.0:",
        "  3 images relabelled",
        "    clear -> heavy precipitate: 2",
        "    needles & plates -> clear: 1",
        "  1 images added",
        "  1 images removed",
        "  2 images whose file changed or was touched",
    ]
    wanted += [f"  {gained} copies gained"] if gained else []
    wanted += [f"  {lost} copies lost"] if lost else []
    assert lines == wanted
    build = outcome.metadata["build"]
    assert (write, keep) == (build["shards_written"], build["shards_kept"])
    assert sources == counts.opened == build["images_opened"]
    # of the touched file alone it cannot be said whether it must be rendered
    assert render - counts.rendered == new[read_rows(workshop.manifest)[5][2]].copies
    records = sum(
        shard["records"]
        for shard in outcome.metadata["shards"]
        if shard["key"] in {str(plan.key) for plan in change.missing}
    )
    assert render + reuse == records


def test_a_plan_writes_nothing(workshop):
    edit_everything(workshop)
    before = {path: path.stat().st_mtime_ns for path in workshop.out.rglob("*")}
    change_of(workshop)
    assert {path: path.stat().st_mtime_ns for path in workshop.out.rglob("*")} == before


edits = st.tuples(
    st.sampled_from(("relabel", "add", "remove", "regroup", "replace", "shards", "fill")),
    st.integers(0, 40),
    st.integers(0, 40),
)


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(st.lists(edits, min_size=1, max_size=5))
def test_every_plan_comes_true(tmp_path_factory, steps):
    history = History(tmp_path_factory.mktemp("history"))
    history.build()
    before = catalog(history.out / "1.0.0")
    for edit in steps:
        history.edit(*edit)
    history.to_open()  # writes the manifest
    change = find_change(make_plan(history.manifest, history.recipe), DatasetFolder(history.out))
    outcome, counts = history.build()
    after = catalog(outcome.folder)
    both = before.keys() & after.keys()
    work, difference = change.work, change.difference
    assert (work.sources, work.records_to_render) == (counts.opened, counts.rendered)
    written = {str(shard.key) for shard in change.missing}
    shards = [facts for facts in outcome.metadata["shards"] if facts["key"] in written]
    assert work.records_to_reuse == sum(facts["records"] for facts in shards) - counts.rendered
    assert sum(difference.relabelled.values()) == sum(
        before[n].label != after[n].label for n in both
    )
    assert difference.added == len(after.keys() - before.keys())
    assert difference.removed == len(before.keys() - after.keys())
    replaced = sum(before[n].content_digest != after[n].content_digest for n in both)
    assert difference.touched == replaced
    changes = [after[n].copies - before[n].copies for n in both]
    assert difference.copies_gained == sum(max(0, change) for change in changes)
    assert difference.copies_lost == sum(max(0, -change) for change in changes)
    shutil.rmtree(history.root)


def test_a_lost_shard_is_named_as_such(workshop):
    next((workshop.out / "pool").glob("train-*.tfrecord")).unlink()
    lines, (write, keep, render, _, reuse) = numbers(plan_text(change_of(workshop), cores=2))
    assert lines == ["since version 1.0.0:", "  nothing, but shards are gone or damaged"]
    assert (write, keep, reuse) == (1, 3, 0)
    assert render > 0


def test_another_recipe_is_named_as_such(workshop):
    recipe = dataclasses.replace(RECIPE, seed=1)
    lines, (_, _, render, sources, reuse) = numbers(plan_text(change_of(workshop, recipe), cores=2))
    assert "  another recipe" in lines
    assert (sources, reuse) == (len(read_rows(workshop.manifest)), 0)
    assert render >= sources


@pytest.mark.parametrize("unreadable", [False, True])
def test_a_reject_of_the_version_is_no_new_image(workshop, unreadable):
    path = workshop.manifest.parent / read_rows(workshop.manifest)[3][0]
    content = path.read_bytes()
    path.write_bytes(content[:50])
    build_quietly(workshop.manifest, workshop.out, max_reject_fraction=1)
    path.write_bytes(content[: 40 if unreadable else None])
    difference = change_of(workshop).difference
    assert (difference.added, difference.removed) == (0, 0)
