"""What is wrong with a version is found, and named so that it can be found again."""

import dataclasses
import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from pipeline.pool import Pool
from pipeline.verify import verify_version, versions_to_verify
from schemas.catalog import CATALOG_FILE, read_catalog, write_catalog
from schemas.index import index_text
from schemas.records import decode_record, encode_record
from schemas.tfrecord import frame, read_frames
from tests.builds import build_arguments, build_quietly, catalog, metadata, run, shards, snapshot
from tests.plates import draw_plate, read_rows, write_rows


def faults(folder, **options):
    return [str(fault) for fault in verify_version(folder, processes=1, **options)]


def largest_shard(folder: Path) -> Path:
    return max(folder.glob("*.tfrecord-*"), key=lambda path: path.stat().st_size)


def frames(path: Path) -> list[tuple[int, bytes]]:
    with path.open("rb") as stream:
        return list(read_frames(stream))


def write_frames(path: Path, datas) -> None:
    """Writes records with right checksums over a shard, and its index beside it."""
    framed = [frame(data) for data in datas]
    path.write_bytes(b"".join(framed))
    index = path.parent / "index" / f"{path.name}.idx"
    index.write_text(index_text([len(record) for record in framed]))


def pool_path(folder: Path, path: Path) -> Path:
    """Returns the pool's file of a version's shard."""
    key = path.name.split("-", 1)[1].replace(".tfrecord", "")
    shard = next(shard for shard in metadata(folder)["shards"] if shard["key"] == key)
    return folder.parent / "pool" / f"{shard['pool']}.tfrecord"


def edit_catalog(folder: Path, edit) -> None:
    rows = list(read_catalog(folder / CATALOG_FILE))
    write_catalog([edit(row) for row in rows], folder / CATALOG_FILE)


def edit_info(folder: Path, edit) -> None:
    path = folder / "dataset_info.json"
    info = json.loads(path.read_text())
    edit(info)
    path.write_text(json.dumps(info))


@pytest.fixture
def version(workshop):
    return workshop.out / "1.0.0"


def test_a_sound_dataset_is_sound_and_stays_as_it_was(built):
    before = snapshot(built)
    assert faults(built / "1.0.0", sample=100) == []
    assert snapshot(built) == before


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (3, "the checksum of its length does not hold"),
        (10, "the checksum of its length does not hold"),
        (5000, "the checksum of its data does not hold"),
        (-2, "the checksum of its data does not hold"),
    ],
    ids=["length", "its checksum", "pixels", "footer"],
)
def test_a_flipped_byte_is_found_by_record_and_offset(version, place, message):
    path = largest_shard(version)
    starts = [offset for offset, _ in frames(path)]
    content = bytearray(path.read_bytes())
    content[(starts[2] if place >= 0 else starts[3]) + place] ^= 0x10
    path.write_bytes(content)
    found = faults(version)
    assert found == [
        f"{path}: record 2 at byte {starts[2]}: {message}",
        f"{path}: {len(content)} bytes with another SHA-256 than in metadata.json",
    ]


def cut_within_a_record(path):
    path.write_bytes(path.read_bytes()[:-7])


def cut_between_records(path):
    offset, _ = frames(path)[-2]
    path.write_bytes(path.read_bytes()[:offset])


def repeat_a_record(path):
    datas = [data for _, data in frames(path)]
    write_frames(path, [*datas[:-1], datas[0]])


def change_a_label(path):
    datas = [data for _, data in frames(path)]
    record = decode_record(datas[1])
    datas[1] = encode_record(dataclasses.replace(record, label=record.label ^ 1))
    write_frames(path, datas)


def change_a_name(path):
    datas = [data for _, data in frames(path)]
    datas[1] = encode_record(dataclasses.replace(decode_record(datas[1]), image_id="nobody"))
    write_frames(path, datas)


def no_record(path):
    datas = [data for _, data in frames(path)]
    write_frames(path, [datas[0], b"something else", *datas[2:]])


@pytest.mark.parametrize(
    ("damage", "pattern"),
    [
        (cut_within_a_record, r"record \d+ at byte \d+: the file ends within the record$"),
        (cut_between_records, r"2 records are missing, such as variant \d of 'p\d+'$"),
        (repeat_a_record, r"record \d+ at byte \d+: variant \d of 'p\d+' is there twice$"),
        (change_a_label, r"record 1 at byte \d+: image 'p\d+' has label, group and copies"),
        (change_a_name, r"record 1 at byte \d+: image 'nobody' is not in this shard"),
        (no_record, r"record 1 at byte \d+: "),
        (Path.unlink, r"cannot be read: No such file or directory$"),
    ],
    ids=["cut", "short", "twice", "label", "name", "no record", "gone"],
)
def test_what_is_wrong_in_a_shard_is_named(version, damage, pattern):
    path = largest_shard(version)
    damage(path)
    found = faults(version)
    assert re.match(re.escape(f"{path}: ") + pattern, found[0])


def test_swapped_shards_are_found(version):
    first, second = sorted(version.glob("*-train*.tfrecord-*"))[:2]
    spare = version / "spare"
    first.rename(spare)
    second.rename(first)
    spare.rename(second)
    found = "\n".join(faults(version))
    for path in (first, second):
        assert f"{path}: record 0 at byte 0: image" in found
        assert f"{pool_path(version, path)}: is not what {path} is" in found


def test_of_a_shard_with_many_faults_only_some_are_shown(version):
    edit_catalog(version, lambda row: row._replace(group="another"))
    found = [line for line in faults(version) if line.startswith(str(largest_shard(version)))]
    assert len(found) == 6
    assert found[-1].endswith(" faults more")


def test_an_index_of_another_shard_is_found(version):
    path = version / "index" / f"{largest_shard(version).name}.idx"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    assert faults(version) == [f"{path}: is not the index of its shard"]
    path.unlink()
    (found,) = faults(version)
    assert found.startswith(f"{path}: cannot be read: ")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("label", "phase separation", "the catalog gives 'p020' the label 'phase separation'"),
        ("label_index", 9, "the catalog gives 'p020' the label "),
        ("group", "another", "image 'p020' has label, group and copies "),
        ("copies", 99, "records are missing, such as variant "),
        ("split", "test", "the catalog has "),
        ("shard", None, "image 'p020' is not in this shard"),
        ("content_digest", "0" * 64, "image 'p020' was rendered of another content"),
    ],
    ids=["label", "index", "group", "copies", "split", "shard", "content"],
)
def test_a_changed_row_of_the_catalog_is_found(version, field, value, message):
    row = catalog(version)["p020"]
    assert getattr(row, field) != value
    edit_catalog(version, lambda row: row._replace(**{field: value} if row[0] == "p020" else {}))
    found = "\n".join(faults(version))
    assert message in found
    assert str(version) in found


def test_a_group_in_two_splits_is_found(version):
    rows = catalog(version).values()
    group = next(row.group for row in rows if row.split == "train")
    other = next(row for row in rows if row.split == "test")
    edit_catalog(
        version, lambda row: row._replace(group=group) if row.group == other.group else row
    )
    pattern = (
        re.escape(f"{version}: group {group!r} is in ") + "(train and in test|test and in train)"
    )
    assert any(re.match(pattern, line) for line in faults(version))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda info: info["splits"][0]["shardLengths"].reverse(), "is not as metadata.json says"),
        (lambda info: info["splits"][0].update(numBytes="1"), "is not as metadata.json says"),
        (lambda info: info["splits"].pop(), "is not as metadata.json says"),
        (lambda info: info.update(name="other"), "name and version are not as metadata.json says"),
        (lambda info: info.pop("splits"), "cannot be read: 'splits'"),
    ],
    ids=["lengths", "bytes", "split", "name", "none"],
)
def test_a_changed_dataset_info_is_found(version, edit, message):
    edit_info(version, edit)
    (found,) = faults(version)
    assert found.startswith(str(version / "dataset_info.json"))
    assert found.endswith(message)


def test_a_pool_that_holds_something_else_is_found(version):
    path = largest_shard(version)
    ours = pool_path(version, path)
    content = bytearray(path.read_bytes())
    ours.unlink()
    ours.write_bytes(content)  # a copy, as where there are no hard links
    assert faults(version) == []
    content[-1] ^= 1
    ours.write_bytes(content)
    assert faults(version) == [f"{ours}: is not what {path} is"]
    ours.unlink()
    assert faults(version) == [f"{ours}: cannot be read: No such file or directory"]


def forge_pixels(version, image_id):
    """Changes the pixels of an image's first variant, and everything that vouches for them."""
    name = catalog(version)[image_id].shard
    path = version / name
    datas = [data for _, data in frames(path)]
    for number, data in enumerate(datas):
        record = decode_record(data)
        if (record.image_id, record.variant) == (image_id, 0):
            image = bytes(record.image[::-1])
            datas[number] = encode_record(dataclasses.replace(record, image=image))
    write_frames(path, datas)
    facts = metadata(version)
    for shard in facts["shards"]:
        if pool_path(version, path).stem == shard["pool"]:
            shard["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (version / "metadata.json").write_text(json.dumps(facts))


def test_only_a_deep_look_tells_forged_pixels(version):
    forge_pixels(version, "p020")
    assert faults(version) == []
    ours = pool_path(version, version / catalog(version)["p020"].shard)
    assert faults(version, sample=100) == [
        f"{ours}: variant 0 of 'p020' is not what its source gives"
    ]


def test_only_a_deep_look_tells_a_replaced_source(workshop):
    # the catalog names where the plates lay when they were read
    shutil.rmtree(workshop.out)
    version = build_quietly(workshop.manifest, workshop.out).folder
    path = workshop.manifest.parent / read_rows(workshop.manifest)[7][0]
    status = path.stat()
    draw_plate(path, 99)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    gone = workshop.manifest.parent / read_rows(workshop.manifest)[8][0]
    gone.unlink()
    assert faults(version) == []
    assert sorted(faults(version, sample=100)) == [
        f"{path}: source of 'p007' has other content than when it was read",
        f"{gone}: source of 'p008': there is no such file",
    ]


def test_a_deep_look_takes_a_damaged_pool_as_a_fault(version):
    pool = Pool(version.parent / "pool")
    name = metadata(version)["shards"][0]["pool"]
    pool.index_path(name).write_text("no index")
    found = faults(version, sample=100)
    assert any("is no index" in line for line in found)


def test_the_command_names_faults_and_ends_with_1(workshop):
    version = workshop.out / "1.0.0"
    done = run("verify", workshop.out, "--deep", 3)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{version}: sound\n", "")
    path = largest_shard(version)
    path.write_bytes(path.read_bytes()[:-7])
    done = run("verify", version)
    assert done.returncode == 1
    assert f"{path}: record" in done.stdout
    assert done.stdout.endswith(f"{version}: 2 faults\n")


def test_what_is_no_dataset_is_refused(tmp_path):
    with pytest.raises(ValueError, match="wanted a dataset or a version"):
        versions_to_verify(tmp_path)


def flip_pixel(path):
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "option"),
    [
        (flip_pixel, "--repair"),
        (cut_within_a_record, None),
        (lambda path: path.write_bytes(b""), None),
    ],
    ids=["flip", "cut", "empty"],
)
def test_a_damaged_shard_is_mended_in_all_versions(workshop, damage, option):
    first = workshop.out / "1.0.0"
    wanted = shards(first)
    rows = read_rows(workshop.manifest)
    write_rows(workshop.manifest, rows[:-1])
    second = build_quietly(workshop.manifest, workshop.out).folder
    shared = {name for name in wanted if shards(second).get(name) == wanted[name]}
    path = max((first / name for name in shared), key=lambda path: path.stat().st_size)
    damage(path)  # a hard link: the pool's file and that of both versions
    assert faults(first)
    assert faults(second)
    done = run(*build_arguments(workshop.manifest, workshop.out, *([option] if option else [])))
    assert done.returncode == 0, done.stderr
    assert faults(first) == faults(second) == []
    assert shards(first) == wanted


def replace_by_a_cut_copy(path):
    """Puts a damaged copy in place of a version's link; the pool stays sound."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-5])


@pytest.mark.parametrize(
    "damage",
    [
        lambda version, path, ours: path.unlink(),
        lambda version, path, ours: (version / "index" / f"{path.name}.idx").unlink(),
        lambda version, path, ours: (version / "index" / f"{path.name}.idx").write_text("0 1\n"),
        lambda version, path, ours: ours.with_suffix(".idx").unlink(),
        lambda version, path, ours: ours.with_suffix(".json").write_text("{"),
        lambda version, path, ours: ours.unlink(),
        lambda version, path, ours: replace_by_a_cut_copy(path),
    ],
    ids=["link", "index link", "index", "pool index", "report", "pool", "copy"],
)
def test_repair_makes_a_version_sound_whatever_is_gone(workshop, damage):
    version = workshop.out / "1.0.0"
    wanted = shards(version)
    path = largest_shard(version)
    damage(version, path, pool_path(version, path))
    outcome = build_quietly(workshop.manifest, workshop.out, repair=True)
    assert not outcome.committed
    assert faults(version) == []
    assert shards(version) == wanted
    assert not build_quietly(workshop.manifest, workshop.out).committed


def test_a_cut_shard_of_an_older_version_that_comes_back_is_mended_by_repair(workshop):
    rows = read_rows(workshop.manifest)
    path = largest_shard(workshop.out / "1.0.0")
    number = next(
        n for n, row in enumerate(rows) if catalog(path.parent)[row[2]].shard == path.name
    )
    edited = [list(row) for row in rows]
    edited[number][1] = "large crystals" if rows[number][1] != "large crystals" else "clear"
    write_rows(workshop.manifest, edited)
    build_quietly(workshop.manifest, workshop.out)
    cut_within_a_record(path)
    write_rows(workshop.manifest, rows)
    last = build_quietly(workshop.manifest, workshop.out, repair=True)
    assert last.metadata["version"] == "1.0.2"
    assert faults(last.folder) == faults(path.parent) == []
