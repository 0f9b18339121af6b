"""Builds that are killed, stopped, starved of room, or given a dataset that is not whole."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pipeline.errors import BuildError
from pipeline.lock import locked
from schemas.recipe import canonical_json, text_digest
from tests.builds import (
    ROOT,
    assert_gone,
    build_arguments,
    build_quietly,
    command,
    descendants,
    environment,
    leftovers,
    metadata,
    run,
    shards,
    snapshot,
    start,
    versions,
    wait_until,
)
from tests.plates import draw_plate, draw_plates, read_rows, write_rows

pytestmark = pytest.mark.timeout(240)


def finished_shards(out: Path) -> int:
    return len(list((out / "pool").glob("*.json")))


@pytest.fixture(scope="module")
def long_job(tmp_path_factory):
    """The manifest of plates that take some seconds to build, into 64 shards."""
    folder = tmp_path_factory.mktemp("long")
    rows = []
    for number in range(24):
        draw_plate(folder / f"{number}.jpg", number, size=(1280, 960))
    for number in range(480):  # the same plates under many names
        label = "clear" if number % 4 else "large crystals"
        rows.append([f"{number % 24}.jpg", label, f"image{number}", f"drop{number}"])
    return write_rows(folder / "plates.csv", rows)


LONG = ("--total-records", 4800, "--records-per-shard", 80)


@pytest.fixture(scope="module")
def long_shards(long_job, tmp_path_factory):
    """The shards that a build of `long_job` makes when nothing happens to it."""
    out = tmp_path_factory.mktemp("undisturbed") / "drops"
    assert run(*build_arguments(long_job, out, *LONG)).returncode == 0
    return shards(out / "1.0.0")


def go_on(manifest, out, wanted, *more):
    """Runs the same command again and checks that it ends as if nothing had happened."""
    done = run(*build_arguments(manifest, out, *more))
    assert done.returncode == 0, done.stderr
    assert shards(out / "1.0.0") == wanted
    assert versions(out) == ["1.0.0"]
    assert not leftovers(out)
    return done


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_build_killed_again_and_again_ends_in_the_same_bytes(
    long_job, long_shards, tmp_path, seed
):
    out = tmp_path / "drops"
    chance = random.Random(seed)
    done = []
    for _ in range(4):
        build = start(*build_arguments(long_job, out, *LONG))
        time.sleep(chance.uniform(0.4, 2.2))
        processes = descendants(build.pid)
        build.kill()
        build.communicate()
        assert_gone(processes)
        done.append(finished_shards(out))
    assert done == sorted(done), "a finished shard was lost"
    go_on(long_job, out, long_shards, *LONG)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_a_build_stopped_among_its_shards_goes_on_from_there(
    long_job, long_shards, tmp_path, number, code
):
    out = tmp_path / "drops"
    build = start(*build_arguments(long_job, out, *LONG))
    wait_until(lambda: finished_shards(out) > 3, what="shards")
    processes = descendants(build.pid)
    build.send_signal(number)
    _, told = build.communicate(timeout=20)
    assert build.returncode == code
    assert_gone(processes)
    kept = finished_shards(out)
    assert 3 < kept < len(long_shards)
    assert versions(out) == []
    if number != signal.SIGKILL:
        assert told.strip().count("\n") == 0
        assert f"finished shards are in {out / 'pool'}" in told
        assert "run the same command again" in told
        assert not leftovers(out)
    done = go_on(long_job, out, long_shards, *LONG)
    assert f"{kept} kept" in done.stdout


@pytest.mark.slow
def test_a_signal_to_the_whole_group_is_one_line_too(long_job, tmp_path):
    # what Ctrl-C on a terminal does
    build = start(*build_arguments(long_job, tmp_path / "drops", *LONG))
    wait_until(lambda: finished_shards(tmp_path / "drops") > 3, what="shards")
    os.killpg(build.pid, signal.SIGINT)
    _, told = build.communicate(timeout=20)
    assert build.returncode == 130
    assert told.startswith("\nstopped by Ctrl-C: ")
    assert told.strip().count("\n") == 0


@pytest.mark.slow
def test_the_engine_is_stopped_at_once_too(long_job, long_shards, tmp_path):
    out = tmp_path / "drops"
    build = start(*build_arguments(long_job, out, *LONG, "--runner", "FnApiRunner"))
    wait_until(lambda: finished_shards(out) > 3, what="shards")
    processes = descendants(build.pid)
    build.send_signal(signal.SIGINT)
    _, told = build.communicate(timeout=20)
    assert build.returncode == 130
    assert told.strip().count("\n") == 0
    assert not leftovers(out)
    assert_gone(processes)
    go_on(long_job, out, long_shards, *LONG)


def test_leftovers_of_a_killed_build_are_swept_by_the_next(workshop):
    rest = [workshop.out / "pool" / "incomplete.0.rows", workshop.out / "incomplete.1.1.0.1"]
    for path in rest:
        path.mkdir()
        (path / "part").write_text("x")
    (workshop.out / "pool" / "incomplete.2.train.tfrecord").write_text("x")
    rows = read_rows(workshop.manifest)
    rows[0][1] = "needles & plates"
    write_rows(workshop.manifest, rows)
    build_quietly(workshop.manifest, workshop.out)
    assert not leftovers(workshop.out)


def test_a_version_without_its_commit_does_not_exist(workshop, built):
    (workshop.out / "1.0.0" / "dataset_info.json").unlink()
    assert versions(workshop.out) == []
    shutil.rmtree(workshop.out / "1.0.0")
    build_quietly(workshop.manifest, workshop.out)
    assert shards(workshop.out / "1.0.0") == shards(built / "1.0.0")


# Two at a time


def test_a_second_build_fails_with_a_clear_line(workshop):
    (workshop.out / "pool" / "incomplete.0.rows").write_text("of the build that goes on")
    before = versions(workshop.out)
    with locked(workshop.out):
        second = run(*build_arguments(workshop.manifest, workshop.out, "--seed", 1))
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert f"{workshop.out} is being built by process {os.getpid()}" in second.stderr
    assert versions(workshop.out) == before
    assert leftovers(workshop.out), "the second build swept away what the first one writes"
    assert run(*build_arguments(workshop.manifest, workshop.out, "--seed", 1)).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_a_second_build_takes_nothing_from_the_first(workshop, tmp_path, number):
    part = workshop.out / "pool" / "incomplete.0.rows"
    part.write_text("of the build that goes on")
    fifo = tmp_path / "waits.csv"
    os.mkfifo(fifo)
    second = start(*build_arguments(fifo, workshop.out))  # it waits for the manifest

    def reads():
        with contextlib.suppress(OSError):
            descriptors.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        return bool(descriptors)

    descriptors = []
    wait_until(reads, what="the second build")
    second.send_signal(number)
    _, told = second.communicate(timeout=20)
    os.close(descriptors[0])
    assert second.returncode == 128 + number
    assert told.startswith("\nstopped by")
    assert part.exists()


@pytest.mark.slow
def test_two_builds_at_once_end_right_or_say_why_not(long_job, long_shards, tmp_path):
    out = tmp_path / "drops"
    both = [start(*build_arguments(long_job, out, *LONG)) for _ in range(2)]
    ends = [(*build.communicate(timeout=120), build.returncode) for build in both]
    assert sorted(code for *_, code in ends) in ([0, 0], [0, 1])
    for _, told, code in ends:
        assert code == 0 or "is being built by process" in told
    go_on(long_job, out, long_shards, *LONG)


# A pool that is not what it should be


@pytest.fixture
def pool_only(workshop):
    """A dataset whose version is still to be made of the pool; its reports by path."""
    shutil.rmtree(workshop.out / "1.0.0")
    return workshop


def first_report(out):
    """Returns the report of a shard that has several images, as (path, value)."""
    found = [(path, json.loads(path.read_text())) for path in (out / "pool").glob("*.json")]
    return max(found, key=lambda pair: len(pair[1]["images"]))


def write_report(path, report):
    """Writes a report whose checksum holds, whatever it says."""
    text = canonical_json({key: value for key, value in report.items() if key != "check"})
    path.write_text(f'{{"check":"{text_digest(text)}",{text[1:]}')


def lose_an_image(report):
    report["images"].popitem()


def reject_it_too(report):
    name = next(iter(report["images"]))
    report["rejects"].append([name, "damaged", "it is also there"])


def invent_an_image(report):
    report["images"]["invented"] = next(iter(report["images"].values()))


def change_a_label(report):
    next(iter(report["images"].values()))[0] += 1


def change_the_copies(report):
    next(iter(report["images"].values()))[2] += 1


def lose_a_record(report):
    report["records"] -= 1


@pytest.mark.parametrize(
    "tamper",
    [
        lose_an_image,
        reject_it_too,
        invent_an_image,
        change_a_label,
        change_the_copies,
        lose_a_record,
    ],
)
def test_what_does_not_add_up_fails_the_build(pool_only, tamper):
    path, report = first_report(pool_only.out)
    tamper(report)
    write_report(path, report)
    with pytest.raises(BuildError, match=f"shard {path.stem} has .* please report"):
        build_quietly(pool_only.manifest, pool_only.out)
    assert versions(pool_only.out) == []
    assert not leftovers(pool_only.out)


def test_the_image_that_was_lost_is_named(pool_only):
    path, report = first_report(pool_only.out)
    lost, _ = report["images"].popitem()
    write_report(path, report)
    failed = run(*build_arguments(pool_only.manifest, pool_only.out))
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert f"(lost: {lost})" in failed.stderr


def test_a_shard_of_another_size_fails_the_build(pool_only):
    path, _ = first_report(pool_only.out)
    shard = path.with_suffix(".tfrecord")
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(BuildError, match=f"{shard.name} has .* bytes, its report says"):
        build_quietly(pool_only.manifest, pool_only.out)
    assert versions(pool_only.out) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 99}', "\ufffd"])
def test_a_damaged_report_fails_the_build_and_can_be_repaired(pool_only, built, text):
    path, _ = first_report(pool_only.out)
    path.write_text(text)
    with pytest.raises(BuildError, match=f"{path.name} is no shard report"):
        build_quietly(pool_only.manifest, pool_only.out)
    build_quietly(pool_only.manifest, pool_only.out, repair=True)
    assert shards(pool_only.out / "1.0.0") == shards(built / "1.0.0")


@pytest.mark.parametrize("suffixes", [[".json"], [".tfrecord"], [".idx", ".json"]])
def test_a_shard_that_is_not_whole_is_built_again(pool_only, built, suffixes):
    path, _ = first_report(pool_only.out)
    for suffix in suffixes:
        path.with_suffix(suffix).unlink()
    outcome = build_quietly(pool_only.manifest, pool_only.out)
    assert outcome.metadata["build"]["shards_written"] == 1
    assert shards(outcome.folder) == shards(built / "1.0.0")


# A disk that is full, or cannot be written


class Disk:
    """A file system of its own."""

    def __init__(self, folder: Path):
        self.folder = folder

    def mount(self, options: str) -> None:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", self.folder], check=True, timeout=20
        )


@pytest.fixture
def disk(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = Disk(folder)
    try:
        mounted.mount("size=1m")
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    yield mounted
    subprocess.run(["umount", "--lazy", folder], check=True, timeout=20)


@pytest.mark.parametrize("runner", ["DirectRunner", "FnApiRunner"])
def test_a_disk_that_runs_full_is_one_line_and_room_is_all_it_takes(plates, built, disk, runner):
    out = disk.folder / "drops"
    # the shards fit, but not beside what is collected for them
    records = sum(map(sum, metadata(built / "1.0.0")["records"].values()))
    disk.mount(f"remount,size={records * 17}k")
    failed = run(*build_arguments(plates, out, "--runner", runner))
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1, failed.stderr
    assert f"{out}" in failed.stderr
    assert "No space left on device; make room, then run the same command again" in failed.stderr
    assert versions(out) == []
    assert not leftovers(out)
    disk.mount("remount,size=64m")
    go_on(plates, out, shards(built / "1.0.0"), "--runner", runner)


def test_a_disk_without_room_for_the_shards_is_told_before(plates, disk):
    disk.mount("remount,size=256k")
    failed = run(*build_arguments(plates, disk.folder / "drops"))
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert "free; make room, or choose another --out" in failed.stderr


def test_a_disk_that_runs_full_at_the_commit_leaves_no_version(plates, built, disk, tmp_path):
    out = disk.folder / "drops"
    disk.mount("remount,size=64m")
    shutil.copytree(built / "pool", out / "pool")
    used = shutil.disk_usage(disk.folder).used
    disk.mount(f"remount,size={used // 1024 + 24}k")
    failed = run(*build_arguments(plates, out))
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert "No space left on device; make room" in failed.stderr
    assert versions(out) == []
    assert not leftovers(out)
    disk.mount("remount,size=64m")
    go_on(plates, out, shards(built / "1.0.0"))


def test_a_folder_that_cannot_be_written_is_one_line(plates, disk):
    disk.mount("remount,ro")
    failed = run(*build_arguments(plates, disk.folder / "drops"))
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert f"error: {disk.folder / 'drops'}: Read-only file system; choose" in failed.stderr
    disk.mount("remount,rw,size=64m")
    assert run(*build_arguments(plates, disk.folder / "drops")).returncode == 0


def test_a_finished_version_on_a_disk_that_cannot_be_written_is_up_to_date(plates, built, disk):
    disk.mount("remount,size=64m")
    shutil.copytree(built, disk.folder / "drops")
    disk.mount("remount,ro,size=64m")
    done = run(*build_arguments(plates, disk.folder / "drops"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("up to date")


# A place that is no dataset


def test_a_file_in_the_place_of_the_dataset_is_a_wrong_use(plates, tmp_path):
    out = tmp_path / "drops"
    out.write_text("a file")
    failed = run(*build_arguments(plates, out))
    assert failed.returncode == 2
    assert failed.stderr == f"error: wanted a folder for the dataset, got the file {out}\n"
    assert out.read_text() == "a file"


def test_a_folder_of_other_things_is_left_alone(plates):
    before = snapshot(plates.parent)
    failed = run(*build_arguments(plates, plates.parent))
    assert failed.returncode == 2
    assert failed.stderr.count("\n") == 1
    assert "holds other things (plates, plates.csv); choose another --out" in failed.stderr
    assert snapshot(plates.parent) == before


def test_a_manifest_that_is_not_there_is_one_line(tmp_path):
    failed = run(*build_arguments(tmp_path / "no.csv", tmp_path / "drops"))
    assert failed.returncode == 1
    assert failed.stderr == f"error: {tmp_path / 'no.csv'}: No such file or directory\n"
    assert not (tmp_path / "drops").exists()


def test_faults_of_a_manifest_are_told_before_anything_is_built(tmp_path):
    manifest = draw_plates(tmp_path, {"clear": 3})
    rows = read_rows(manifest)
    rows[0][1], rows[2][2] = "claer", rows[1][2]
    write_rows(manifest, rows)
    failed = run(*build_arguments(manifest, tmp_path / "drops"))
    assert failed.returncode == 2
    assert "line 2: unknown label 'claer'; the nearest known one is 'clear'" in failed.stderr
    assert "line 4: image 'p001' stands on line 3 already" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not (tmp_path / "drops").exists()


def test_debug_shows_where_an_error_arose(tmp_path):
    arguments = build_arguments(tmp_path / "no.csv", tmp_path / "drops", "--debug")
    done = subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        env=environment(),
        cwd=ROOT,
        check=False,
        timeout=60,
    )
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")
