"""Corrections: labels that experts changed, on top of a manifest."""

import io

import pytest

from schemas.corrections import apply_corrections, read_corrections
from schemas.labels import PAPER10
from schemas.manifest import ManifestError, ManifestRow
from tests.builds import build_arguments, build_quietly, catalog, run, shards, versions
from tests.plates import read_rows, write_rows


def read(text):
    return read_corrections(io.BytesIO(text.encode()), labels=PAPER10, name="fixed.csv")


def faults(text):
    with pytest.raises(ManifestError) as caught:
        read(text)
    return str(caught.value).splitlines()


def test_labels_are_read_by_image_id():
    found = read("image_id,label\nb,clear\na,Needles_Plates\n")
    assert found == {"b": PAPER10.index("clear"), "a": PAPER10.index("needles & plates")}


def test_columns_stand_in_any_order_beside_others():
    assert read("who,label,image_id\nexpert 1,clear,a\n") == {"a": PAPER10.index("clear")}


def test_the_same_correction_twice_is_one():
    assert read("image_id,label\na,clear\na,clear\n") == {"a": PAPER10.index("clear")}


def test_all_faults_are_told_with_their_lines():
    assert faults("image_id,label\na,clear\nb,cleer\na,large crystals\n,clear\n") == [
        "corrections fixed.csv, line 3: unknown label 'cleer'; the nearest known one is 'clear'",
        "corrections fixed.csv, line 4: image 'a' has another label on line 2",
        "corrections fixed.csv, line 5: column image_id is empty",
    ]


@pytest.mark.parametrize("text", ["", "image_id\na\n", "label\nclear\n", "image_id,label\na\n"])
def test_what_is_no_table_of_corrections_is_refused(text):
    assert "fixed.csv" in faults(text)[0]


def test_rows_that_are_not_corrected_stay():
    rows = [ManifestRow("a", "a.jpg", 0, "a"), ManifestRow("b", "b.jpg", 0, "b")]
    found = apply_corrections(rows, {"b": 3}, name="fixed.csv")
    assert found[0] is rows[0]
    assert (found[1].label, found[1].uri, found[1].group) == (3, "b.jpg", "b")


def test_unknown_images_are_an_error_that_names_them():
    rows = [ManifestRow("a", "a.jpg", 0, "a")]
    wanted = "fixed.csv corrects 2 images that the manifest does not have: 'x', 'y'$"
    with pytest.raises(ValueError, match=wanted):
        apply_corrections(rows, {"y": 1, "a": 1, "x": 1}, name="fixed.csv")


def test_a_build_with_corrections_is_that_of_the_corrected_manifest(workshop, tmp_path):
    fixed = write_rows(
        tmp_path / "fixed.csv",
        [("p001", "heavy precipitate"), ("p030", "clear")],
        columns=("image_id", "label"),
    )
    outcome = build_quietly(workshop.manifest, workshop.out, labels_from=fixed)
    assert outcome.metadata["version"] == "1.0.1"
    rows = catalog(outcome.folder)
    assert (rows["p001"].label, rows["p030"].label) == ("heavy precipitate", "clear")

    edited = read_rows(workshop.manifest)
    edited[1][1], edited[30][1] = "heavy precipitate", "clear"
    write_rows(workshop.manifest, edited)
    again = build_quietly(workshop.manifest, workshop.out)
    assert not again.committed
    fresh = build_quietly(workshop.manifest, tmp_path / "fresh")
    assert shards(fresh.folder) == shards(outcome.folder)


def test_a_build_without_the_corrections_takes_them_back(workshop, tmp_path):
    fixed = tmp_path / "fixed.csv"
    fixed.write_text("image_id,label\np001,large crystals\n")
    build_quietly(workshop.manifest, workshop.out, labels_from=fixed)
    last = build_quietly(workshop.manifest, workshop.out)
    assert versions(workshop.out) == ["1.0.0", "1.0.1", "1.0.2"]
    assert last.metadata["build"]["shards_written"] == 0
    assert shards(last.folder) == shards(workshop.out / "1.0.0")


def test_the_command_says_in_one_line_what_is_wrong(workshop, tmp_path):
    fixed = tmp_path / "fixed.csv"
    fixed.write_text("image_id,label\nnobody,clear\n")
    command = build_arguments(workshop.manifest, workshop.out, "--labels-from", fixed)
    done = run(*command)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: {fixed} corrects 1 images that the manifest does not have: 'nobody'\n"
    )
    assert versions(workshop.out) == ["1.0.0"]
