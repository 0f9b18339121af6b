"""Updates that are cut short, crowded, starved of disk, or read from: done for real."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from pipeline.build import make_plan
from pipeline.change import find_change
from pipeline.pool import Pool
from pipeline.verify import verify_version
from schemas.dataset import DatasetFolder
from schemas.draws import uniform
from tests.builds import (
    RECIPE,
    ROOT,
    build_arguments,
    build_quietly,
    environment,
    leftovers,
    metadata,
    run,
    shards,
    start,
    versions,
)
from tests.conftest import Workshop
from tests.plates import draw_plate, draw_plates, read_rows, write_rows


def edit(manifest, number):
    """Does one of several edits, all of which make work."""
    rows = read_rows(manifest)
    row = rows[(7 * number) % len(rows)]
    row[1] = ("clear", "heavy precipitate", "large crystals")[number % 3]
    if number % 2:
        draw_plate(manifest.parent / row[0], 1000 + number)
    if number % 5 == 4:
        draw_plate(manifest.parent / f"new{number}.png", 500 + number)
        rows.append([f"new{number}.png", "clear", f"new{number}", f"new{number}"])
    write_rows(manifest, rows)


def check_sound(workshop, fresh):
    """Checks that the newest version is that of a fresh build, and that nothing lies about."""
    outcome = build_quietly(workshop.manifest, fresh)
    last = max(versions(workshop.out), key=lambda name: [int(part) for part in name.split(".")])
    assert shards(workshop.out / last) == shards(outcome.folder)
    assert leftovers(workshop.out) == []
    assert list(verify_version(workshop.out / last, processes=1)) == []
    shutil.rmtree(fresh)


def test_a_build_cut_short_between_shards_renders_only_the_rest(workshop, tmp_path):
    """What a kill leaves: some shards finished, some files of others, no version."""
    for number in range(6):
        edit(workshop.manifest, number)
    whole = build_quietly(workshop.manifest, tmp_path / "whole")
    done = build_quietly(workshop.manifest, workshop.out)
    new = [s["pool"] for s in done.metadata["shards"]]
    shutil.rmtree(done.folder)
    pool = Pool(workshop.out / "pool")
    (pool.folder / f"{new[0]}.json").unlink()
    pool.discard(new[1])
    (pool.folder / f"incomplete.{'0' * 32}.{new[1]}.tfrecord").write_bytes(b"half")
    again = build_quietly(workshop.manifest, workshop.out)
    assert again.metadata["version"] == done.metadata["version"]
    assert again.metadata["build"]["shards_written"] == 2
    assert shards(again.folder) == shards(whole.folder)
    assert leftovers(workshop.out) == []
    assert pool.stems() == pool.names()


def test_a_kill_before_the_mended_shard_is_linked_can_be_mended(workshop):
    """The pool has the good shard already, the version still the damaged one."""
    version = workshop.out / "1.0.0"
    wanted = shards(version)
    path = max(version.glob("*.tfrecord-*"), key=lambda path: path.stat().st_size)
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-100])
    assert list(verify_version(version, processes=1))
    build_quietly(workshop.manifest, workshop.out, repair=True)
    assert shards(version) == wanted
    assert list(verify_version(version, processes=1)) == []


def test_two_datasets_are_built_at_once(workshop, tmp_path):
    """The lock is of one dataset; another build beside it has its own."""
    processes = [
        start(*build_arguments(workshop.manifest, tmp_path / name)) for name in ("first", "second")
    ]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert shards(tmp_path / "first" / "1.0.0") == shards(tmp_path / "second" / "1.0.0")


@pytest.mark.slow
def test_two_builds_of_one_dataset_never_mix(workshop, tmp_path):
    for number in range(3):
        edit(workshop.manifest, 2 * number + 1)
        commands = build_arguments(workshop.manifest, workshop.out)
        processes = [start(*commands) for _ in range(3)]
        codes = []
        for process in processes:
            _, errors = process.communicate(timeout=120)
            codes.append(process.returncode)
            if process.returncode:
                assert errors.count("\n") == 1
                assert " is being built by " in errors
        assert 0 in codes
        assert set(codes) <= {0, 1}
        assert len(versions(workshop.out)) == number + 2
        check_sound(workshop, tmp_path / f"fresh{number}")


@pytest.mark.slow
def test_kills_at_any_moment_lose_nothing(tmp_path):
    """Twenty updates, each killed at a moment of its own, then finished."""
    counts = {"clear": 60, "heavy precipitate": 25, "large crystals": 9}
    manifest = draw_plates(tmp_path / "plates", counts)
    workshop = Workshop(manifest, tmp_path / "drops")
    command = build_arguments(manifest, workshop.out)
    assert run(*command).returncode == 0
    edit(manifest, 20)  # an update, to know how long one takes here and now
    began = time.monotonic()
    assert run(*command).returncode == 0
    seconds = time.monotonic() - began
    killed = finished = 0
    for number in range(20):
        edit(manifest, number)
        if number % 4 == 3:  # more to do: all other pixels
            for row in read_rows(manifest)[number::3]:
                draw_plate(manifest.parent / row[0], 2000 + 100 * number + len(row[0]))
        before = {name: shards(workshop.out / name) for name in versions(workshop.out)}
        process = start(*command)
        time.sleep(seconds * (0.2 + 0.9 * uniform(0, "kill", number)))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        finished += process.returncode == 0
        for name, wanted in before.items():
            assert shards(workshop.out / name) == wanted
        for name in versions(workshop.out):  # whatever there is is whole
            assert list(verify_version(workshop.out / name, processes=1)) == []
        if number % 3:
            continue  # the next edit comes on top of what was left
        done = run(*command)
        assert done.returncode == 0, done.stderr
        check_sound(workshop, tmp_path / "fresh")
    assert killed >= 5, (killed, finished)
    assert run(*command).returncode == 0
    check_sound(workshop, tmp_path / "fresh")
    assert run("prune", workshop.out, "--keep", 1).returncode == 0
    (last,) = versions(workshop.out)
    pool = Pool(workshop.out / "pool")
    assert pool.stems() == {shard["pool"] for shard in metadata(workshop.out / last)["shards"]}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no small file system can be mounted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill_but(folder, left):
    """Fills a disk but for so many bytes; returns the file that does."""
    filler = folder / "filler"
    filler.write_bytes(b"\0" * (shutil.disk_usage(folder).free - left))
    return filler


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "message"),
    [
        (-100_000, "the shards to write take "),  # seen before anything is written
        (20_000, "No space left on device; make room"),  # the spool does not fit beside them
    ],
    ids=["before", "within a shard"],
)
def test_a_disk_full_in_an_update_keeps_what_is_done(workshop, small_disk, tmp_path, more, message):
    out = small_disk / "drops"
    subprocess.run(["cp", "-a", str(workshop.out), str(out)], check=True)
    before = shards(out / "1.0.0")
    for row in read_rows(workshop.manifest):
        draw_plate(workshop.manifest.parent / row[0], 700 + int(row[2][1:]))
    needed = find_change(make_plan(workshop.manifest, RECIPE), DatasetFolder(out)).bytes
    filler = fill_but(small_disk, needed + more)
    command = build_arguments(workshop.manifest, out)
    done = run(*command)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert versions(out) == ["1.0.0"]
    assert shards(out / "1.0.0") == before
    assert leftovers(out) == []
    there = Pool(out / "pool").names() - set(Pool(workshop.out / "pool").names())
    assert bool(there) == (more > 0)
    filler.unlink()
    assert run(*command).returncode == 0
    kept = metadata(out / "1.1.0")["build"]["shards_kept"]
    assert kept == len(there)
    check_sound(Workshop(workshop.manifest, out), tmp_path / "fresh")


_READER = """
import pathlib, sys
import tensorflow as tf
paths = sorted(map(str, pathlib.Path(sys.argv[1]).glob("*.tfrecord-*")))
stop = pathlib.Path(sys.argv[2])
seen = set()
epochs = 0
while True:
    last = stop.exists()
    seen.add(sum(hash(record) for record in tf.data.TFRecordDataset(paths).as_numpy_iterator()))
    epochs += 1
    if epochs == 1:
        print("reading", flush=True)
    if last:
        break
assert len(seen) == 1
print(epochs)
"""


@pytest.mark.slow
def test_a_reader_of_a_pinned_version_sees_no_change(workshop, tmp_path):
    (workshop.out / "1.0.0" / "KEEP").touch()
    stop = tmp_path / "stop"
    reader = subprocess.Popen(
        [sys.executable, "-c", _READER, str(workshop.out / "1.0.0"), str(stop)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment(), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        cwd=ROOT,
    )
    assert reader.stdout is not None
    assert reader.stdout.readline() == "reading\n"
    for number in range(3):
        edit(workshop.manifest, number)
        build_quietly(workshop.manifest, workshop.out)
        assert run("prune", workshop.out, "--keep", 1).returncode == 0
    stop.touch()
    output, errors = reader.communicate(timeout=120)
    assert reader.returncode == 0, errors
    assert int(output) > 1
    assert len(versions(workshop.out)) == 2
