"""Images that cannot be used: each a reject by name and reason, and no other image pays."""

import csv
import dataclasses
import os
import socket

import pytest
from PIL import Image

from pipeline.errors import BuildError
from tests.builds import (
    RECIPE,
    build_arguments,
    build_quietly,
    catalog,
    leftovers,
    records,
    run,
    shards,
    snapshot,
    versions,
)
from tests.plates import draw_plate, draw_plates, plate_pixels, read_rows, touch, write_rows

GOOD = {"clear": 6, "large crystals": 3}


def write_bomb(path):
    """Writes an image of 400 million pixels that takes few bytes."""
    Image.new("1", (20_000, 20_000)).save(path)


def write_truncated(path):
    draw_plate(path, 1)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def write_circle(path):
    path.symlink_to(path)


def write_socket(path):
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(path.parent, os.O_PATH)  # the name of a socket has 107 bytes at most
        listener.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)


BAD = {
    "gone.jpg": ("missing", lambda path: None),
    f"{'long' * 70}.jpg": ("missing", lambda path: None),
    "good0.jpg/inside.jpg": ("missing", lambda path: None),
    "circle.jpg": ("missing", write_circle),
    "socket.jpg": ("missing", write_socket),
    "empty.jpg": ("empty", lambda path: path.write_bytes(b"")),
    "text.jpg": ("not-an-image", lambda path: path.write_text("a text, whatever its name says")),
    "folder.jpg": ("not-an-image", lambda path: path.mkdir()),
    "truncated.jpg": ("truncated", write_truncated),
    "bomb.png": ("too-large", write_bomb),
    "dot.png": ("too-small", lambda path: Image.new("RGB", (1, 1)).save(path)),
    "floats.tif": ("unsupported", lambda path: Image.new("F", (200, 200)).save(path)),
}


@pytest.fixture
def collection(tmp_path):
    """A manifest of nine good plates and, between them, one bad image of each kind."""
    manifest = draw_plates(tmp_path, GOOD)
    folder = manifest.parent / "plates"
    draw_plate(folder / "good0.jpg", 50)
    rows = read_rows(manifest)
    for name, (_, write) in BAD.items():
        write(folder / name)
        rows.append([f"plates/{name}", "heavy precipitate", name, name])
    return write_rows(manifest, rows)


def read_rejects(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_bad_image_is_a_reject_with_its_reason(collection, tmp_path):
    outcome = build_quietly(collection, tmp_path / "drops", max_reject_fraction=1)
    rejects = read_rejects(outcome.folder / "rejects.csv")
    assert {row["image_id"]: row["reason"] for row in rejects} == {
        name: reason for name, (reason, _) in BAD.items()
    }
    assert all(row["message"] and row["label"] == "heavy precipitate" for row in rejects)
    assert {row["image_id"]: row["uri"] for row in rejects} == {
        name: str(collection.parent / "plates" / name) for name in BAD
    }
    rows = catalog(outcome.folder)
    assert len(rows) == sum(GOOD.values()) + len(BAD)
    assert {name for name, row in rows.items() if not row.copies} == BAD.keys()
    assert all(row.shard is None for name, row in rows.items() if name in BAD)
    assert {record.image_id for record in records(outcome.folder)} == rows.keys() - BAD.keys()


def test_good_images_are_as_if_there_were_no_bad_ones(collection, tmp_path):
    unbalanced = dataclasses.replace(
        RECIPE, balance=dataclasses.replace(RECIPE.balance, mode="none")
    )
    both = build_quietly(collection, tmp_path / "both", unbalanced, max_reject_fraction=1)
    write_rows(collection, [row for row in read_rows(collection) if row[2] not in BAD])
    good = build_quietly(collection, tmp_path / "good", unbalanced)
    assert shards(good.folder).items() <= shards(both.folder).items()


def test_too_many_rejects_fail_the_build_and_what_is_done_is_kept(collection, tmp_path):
    out = tmp_path / "drops"
    failed = run(*build_arguments(collection, out))
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    for part in (f"{len(BAD)} of 21 images", "5 missing", "--max-reject-fraction 0.01", str(out)):
        assert part in failed.stderr
    assert versions(out) == []
    assert not leftovers(out)
    listed = read_rejects(out / "rejects.csv")
    assert {row["image_id"] for row in listed} == BAD.keys()

    pool = snapshot(out / "pool")
    done = run(*build_arguments(collection, out, "--max-reject-fraction", 0.6))
    assert done.returncode == 0
    assert "0 images opened, 0 records rendered, 0 shards written" in done.stdout
    assert f"{len(BAD)} rejects (5 missing, 2 not-an-image" in done.stdout
    assert {k: v for k, v in snapshot(out / "pool").items() if k != "."} == {
        k: v for k, v in pool.items() if k != "."
    }
    assert read_rejects(out / "1.0.0" / "rejects.csv") == listed
    assert not (out / "rejects.csv").exists()


def test_the_bound_itself_is_allowed(collection, tmp_path):
    images = len(read_rows(collection))
    bound = len(BAD) / images
    with pytest.raises(BuildError):
        build_quietly(collection, tmp_path / "drops", max_reject_fraction=bound - 0.001)
    assert build_quietly(collection, tmp_path / "drops", max_reject_fraction=bound).committed


def test_a_dataset_can_be_all_rejects_if_that_is_allowed(tmp_path):
    manifest = write_rows(tmp_path / "plates.csv", [["a.jpg", "clear", "a", "a"]])
    outcome = build_quietly(manifest, tmp_path / "drops", max_reject_fraction=1)
    assert list(records(outcome.folder)) == []
    assert [row["reason"] for row in read_rejects(outcome.folder / "rejects.csv")] == ["missing"]


@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("bad", ["gone.jpg", "truncated.jpg"])
def test_a_mended_image_is_used_by_the_next_build(tmp_path, bad, checksum):
    manifest = draw_plates(tmp_path, GOOD)
    path = manifest.parent / "plates" / bad
    BAD[bad][1](path)
    rows = [*read_rows(manifest), [f"plates/{bad}", "clear", "bad", "bad"]]
    columns = ("uri", "label", "image_id", "group")
    if checksum:  # the manifest's word for what should be there
        rows = [[*row, f"md5-{number}"] for number, row in enumerate(rows)]
        columns = (*columns, "checksum")
    write_rows(manifest, rows, columns)
    before = build_quietly(manifest, tmp_path / "drops", max_reject_fraction=1)
    assert not catalog(before.folder)["bad"].copies

    draw_plate(path, 1)
    after = build_quietly(manifest, tmp_path / "drops")
    assert after.metadata["version"] == "1.1.0"
    assert catalog(after.folder)["bad"].copies
    assert shards(after.folder) == shards(build_quietly(manifest, tmp_path / "fresh").folder)


def test_an_image_that_breaks_later_becomes_a_reject(workshop):
    uri = read_rows(workshop.manifest)[0][0]
    path = workshop.manifest.parent / uri
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    touch(path)
    outcome = build_quietly(workshop.manifest, workshop.out, max_reject_fraction=1)
    assert outcome.metadata["version"] == "1.1.0"
    rejects = read_rejects(outcome.folder / "rejects.csv")
    assert [(row["image_id"], row["reason"]) for row in rejects] == [("p000", "truncated")]
    assert "p000" not in {record.image_id for record in records(outcome.folder)}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_a_reject_until_it_may(workshop):
    path = workshop.manifest.parent / read_rows(workshop.manifest)[0][0]
    path.chmod(0)
    touch(path)
    barred = build_quietly(workshop.manifest, workshop.out, max_reject_fraction=1)
    assert not catalog(barred.folder)["p000"].copies
    path.chmod(0o600)
    mended = build_quietly(workshop.manifest, workshop.out)
    assert catalog(mended.folder)["p000"].copies


def test_a_fault_of_the_machine_is_no_reject(tmp_path):
    # the memory of a process, read from its start: input/output error
    manifest = draw_plates(tmp_path, GOOD)
    write_rows(manifest, [*read_rows(manifest), ["/proc/self/mem", "clear", "mem", "mem"]])
    failed = run(*build_arguments(manifest, tmp_path / "drops", "--max-reject-fraction", 1))
    assert failed.returncode == 1
    assert failed.stderr == "error: /proc/self/mem: Input/output error\n"
    assert versions(tmp_path / "drops") == []
    assert not leftovers(tmp_path / "drops")


def test_pixels_of_a_reject_do_not_come_from_elsewhere(tmp_path):
    """A plate under another's name gives that plate's pixels, not those remembered."""
    manifest = draw_plates(tmp_path, {"clear": 2})
    first, second = (manifest.parent / row[0] for row in read_rows(manifest))
    out = build_quietly(manifest, tmp_path / "drops")
    before = {r.image_id: r.image for r in records(out.folder)}
    second.write_bytes(first.read_bytes())
    touch(second)
    after = {
        r.image_id: (r.image, r.render_key)
        for r in records(build_quietly(manifest, tmp_path / "drops").folder)
    }
    assert after["p000"][0] == before["p000"]
    assert after["p001"][0] != before["p001"]
    assert plate_pixels(0).shape == plate_pixels(1).shape
