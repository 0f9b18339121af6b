"""Manifests from folders: labels from folders' names, groups from imagers' names."""

import csv
import os
import sys
from pathlib import Path

import pytest

from pipeline.folder_manifest import write_folder_manifest
from schemas.imagers import group_of
from schemas.labels import PAPER10
from schemas.manifest import ManifestRow, read_manifest


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def write(folder: Path, out: Path | None = None) -> list[ManifestRow]:
    """Writes the manifest of a folder and returns what reading it gives."""
    out = out or folder / "plates.csv"
    count = write_folder_manifest(folder, out=out, labels=PAPER10)
    with out.open("rb") as stream:
        rows = read_manifest(stream, labels=PAPER10, name=str(out))
    assert len(rows) == count
    return rows


def lines(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


# Groups (domain.md section 4): plate, well and drop, never the day of the inspection


@pytest.mark.parametrize(
    ("path", "group"),
    [
        # RockMaker: a batch is an inspection
        (
            "plateID_8/batchID_12/wellNum_3/profileID_1/d1_r1024_ef.jpg",
            "plateID_8_wellNum_3_d1",
        ),
        (
            "clear/store/plateID_8/batchID_99/wellNum_3/profileID_2/d1_r7_th.png",
            "plateID_8_wellNum_3_d1",
        ),
        (
            "plateID_8/batchID_12/wellNum_3/profileID_1/d2_r1024_ef.jpg",
            "plateID_8_wellNum_3_d2",
        ),
        # MARCO and GSK: barcode, well, profile
        ("03c3_G6_ImagerDefaults_6.jpg", "03c3_G6"),
        ("crystals/03c3_G6_ImagerDefaults_9.jpg", "03c3_G6"),
        ("03c3_G12_ImagerDefaults_6.JPEG", "03c3_G12"),
        # Human imager of HWI: X, plate (9), well (4), yyyymmddHHMM
        ("X0000158040093202004011137.jpg", "X000015804_0093"),
        ("clear/X0000158040093201912312359.jpg", "X000015804_0093"),
        ("X0000158041093202004011137.jpg", "X000015804_1093"),
        # Diamond XChem: barcode, date, imager / barcode, well and letter, drop
        ("90j8_2018-04-11_RI1000-0081-2drop/90j8_01A_1.jpg", "90j8_01A_1"),
        ("90j8_2018-05-30_RI1000-0081-2drop/90j8_01A_1.jpg", "90j8_01A_1"),
        ("90j8_2018-04-11_RI1000-0081-2drop/90j8_01A_2.jpg", "90j8_01A_2"),
        # of no imager
        ("clear/gsk_10.jpeg", ""),
        ("clear/0001.png", ""),
        ("X00001580400932020040111.jpg", ""),
        ("plateID_8/d1_r1024_ef.jpg", ""),
    ],
)
def test_groups_of_imagers(path, group):
    assert group_of(path) == group


def test_images_of_one_drop_are_in_one_group_whatever_their_label(tmp_path):
    touch(
        tmp_path,
        "clear/03c3_G6_ImagerDefaults_1.jpg",
        "small crystals/03c3_G6_ImagerDefaults_2.jpg",
        "clear/03c3_G7_ImagerDefaults_1.jpg",
    )
    assert [row.group for row in write(tmp_path)] == ["03c3_G6", "03c3_G7", "03c3_G6"]


def test_moving_a_file_to_another_label_leaves_its_group(tmp_path):
    touch(tmp_path, "clear/march/7.jpg", "bad drop/9.jpg")
    before = {row.group for row in write(tmp_path)}
    (tmp_path / "phase separation" / "march").mkdir(parents=True)
    (tmp_path / "clear/march/7.jpg").rename(tmp_path / "phase separation/march/7.jpg")
    rows = write(tmp_path)
    assert {row.group for row in rows} == before == {"march/7", "9"}
    assert {row.image_id for row in rows} == {"march/7", "9"}


def test_ids_hold_the_label_folder_only_where_names_repeat(tmp_path):
    touch(tmp_path, "clear/1.jpg", "bad drop/1.jpg", "bad drop/2.jpg")
    ids = {row.image_id for row in write(tmp_path)}
    assert ids == {"clear/1", "bad drop/1", "bad drop/2"}


# What is listed


def test_rows_are_sorted_and_of_all_kinds_of_images(tmp_path):
    touch(
        tmp_path,
        "clear/b/2.PNG",
        "clear/a.jpg",
        "clear/c.Tiff",
        "clear/d.tif",
        "clear/e.jpeg",
        "clear/notes.txt",
        "clear/thumbs.db",
    )
    (tmp_path / "clear" / "folder.jpg").mkdir()
    assert [row.uri for row in write(tmp_path)] == [
        "clear/a.jpg",
        "clear/b/2.PNG",
        "clear/c.Tiff",
        "clear/d.tif",
        "clear/e.jpeg",
    ]
    assert lines(tmp_path / "plates.csv")[:2] == [
        ["uri", "label", "image_id", "group"],
        ["clear/a.jpg", "clear", "a", "a"],
    ]


def test_writing_again_gives_the_same_file(tmp_path):
    touch(tmp_path, *(f"clear/{number}.jpg" for number in range(30)), "bad drop/x.jpg")
    write(tmp_path)
    before = (tmp_path / "plates.csv").read_bytes()
    write(tmp_path)
    assert (tmp_path / "plates.csv").read_bytes() == before
    assert [path.name for path in tmp_path.glob("*.csv*")] == ["plates.csv"]


@pytest.mark.parametrize(
    ("folder", "label"),
    [
        ("Needles_Plates", "needles & plates"),
        ("needles & plates", "needles & plates"),
        ("Plates", "needles & plates"),
        ("HEAVY-PRECIPITATE", "heavy precipitate"),
        ("microcrystals", "micro crystals"),
    ],
)
def test_folders_may_have_other_spellings(tmp_path, folder, label):
    touch(tmp_path, f"{folder}/1.jpg")
    (row,) = write(tmp_path)
    assert PAPER10.names[row.label] == label
    assert lines(tmp_path / "plates.csv")[1][1] == label


@pytest.mark.parametrize(
    "name", ["a b.jpg", "Tröpfchen 晶.jpg", 'a"b,c.jpg', "a\nb.jpg", "a\rb.jpg", "a;b.jpg"]
)
def test_odd_names_are_read_back(tmp_path, name):
    touch(tmp_path, f"clear/{name}")
    assert [row.uri for row in write(tmp_path)] == [f"clear/{name}"]


# Where the manifest lies


def test_uris_are_relative_to_a_manifest_above_or_beside_the_plates(tmp_path):
    touch(tmp_path, "in/plates/clear/1.jpg")
    (row,) = write(tmp_path / "in/plates")
    assert row.uri == "clear/1.jpg"
    (row,) = write(tmp_path / "in/plates", tmp_path / "plates.csv")
    assert row.uri == "in/plates/clear/1.jpg"
    # ids do not say where the manifest was
    assert row.image_id == "1"


def test_uris_are_absolute_for_a_manifest_elsewhere(tmp_path):
    touch(tmp_path, "plates/clear/1.jpg")
    (tmp_path / "lists").mkdir()
    (row,) = write(tmp_path / "plates", tmp_path / "lists" / "plates.csv")
    assert row.uri == str(tmp_path / "plates/clear/1.jpg")
    assert row.image_id == "1"


def test_a_folder_may_be_given_relative_to_where_one_is(tmp_path, monkeypatch):
    touch(tmp_path, "plates/clear/1.jpg")
    monkeypatch.chdir(tmp_path / "plates")
    for folder, out in [(".", "plates.csv"), ("../plates", "../plates/plates.csv")]:
        (row,) = write(Path(folder), Path(out))
        assert row.uri == "clear/1.jpg"
    (row,) = write(Path(), Path("../plates.csv"))
    assert (tmp_path / row.uri).resolve() == tmp_path / "plates/clear/1.jpg"


# What is refused


def refused(folder: Path, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        write_folder_manifest(folder, out=folder / "plates.csv", labels=PAPER10)
    assert not list(folder.glob("*plates.csv*"))


def test_unknown_label_folder(tmp_path):
    touch(tmp_path, "clear/1.jpg", "needels/2.jpg")
    refused(tmp_path, r"needels is named after no label of paper10.*'needles & plates'")


def test_folders_without_images_need_no_label(tmp_path):
    touch(tmp_path, "clear/1.jpg", "notes/readme.txt")
    assert len(write(tmp_path)) == 1


def test_no_image(tmp_path):
    touch(tmp_path, "clear/1.txt")
    refused(tmp_path, r"no image \(\.jpeg, \.jpg, \.png, \.tif, \.tiff\)")


@pytest.mark.parametrize("name", ["missing", "a-file"])
def test_no_folder(tmp_path, name):
    (tmp_path / "a-file").touch()
    with pytest.raises(ValueError, match=f"wanted a folder with one folder a label, got .*{name}"):
        write_folder_manifest(tmp_path / name, out=tmp_path / "plates.csv", labels=PAPER10)


def test_two_files_with_one_name(tmp_path):
    touch(tmp_path, "clear/1.jpg", "clear/1.png")
    refused(tmp_path, r"clear/1\.jpg and clear/1\.png differ in their extension alone")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_a_name_that_is_no_utf_8(tmp_path):
    (tmp_path / "clear").mkdir()
    path = os.fsencode(tmp_path / "clear") + b"/Tr\xf6pfchen.jpg"
    Path(os.fsdecode(path)).touch()
    refused(tmp_path, "not UTF-8; rename the file")
