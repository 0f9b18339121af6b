"""Which images to predict: files, folders, manifests; and how their bytes are read."""

import shutil

import pytest

from pipeline.decode import UnreadableImage
from schemas.labels import PAPER10
from schemas.manifest import read_manifest
from tests.plates import draw_plate, draw_plates, write_rows
from trainer.errors import UsageError
from trainer.predict.reading import read_image
from trainer.predict.sources import find_sources, natural_key


def found(*arguments, labels=PAPER10):
    return find_sources([str(argument) for argument in arguments], labels=labels)


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_a_folder_gives_all_images_below_it_in_natural_order(tmp_path):
    for name in ("b/d1_t10.JPG", "b/d1_t9.jpeg", "a.tiff", "b/notes.txt", "b/plates.csv", "c.png"):
        touch(tmp_path / name)
    (tmp_path / "folder.png").mkdir()
    names = [source.uri.removeprefix(f"{tmp_path}/") for source in found(tmp_path)]
    assert names == ["a.tiff", "b/d1_t9.jpeg", "b/d1_t10.JPG", "c.png"]
    assert found(tmp_path)[1].image_id == f"{tmp_path}/b/d1_t9"
    assert {(source.group, source.label) for source in found(tmp_path)} == {("", "")}


def test_a_file_is_taken_whatever_its_name_and_each_place_once(tmp_path):
    odd, image = touch(tmp_path / "plate.dat"), touch(tmp_path / "b.jpg")
    again = f"{tmp_path}/../{tmp_path.name}/b.jpg"
    assert [source.uri for source in found(odd, again, image, tmp_path)] == [str(odd), again]


def test_a_manifest_of_a_dataset_is_one_here(tmp_path):
    manifest = draw_plates(tmp_path, {"clear": 3, "large crystals": 2})
    with manifest.open("rb") as stream:
        rows = read_manifest(stream, labels=PAPER10, name="plates")
    wanted = [
        (row.image_id, str(tmp_path / row.uri), row.group, PAPER10.names[row.label]) for row in rows
    ]
    sources = found(manifest)
    assert [(s.image_id, s.uri, s.group, s.label) for s in sources] == wanted


def test_a_manifest_needs_no_more_than_places(tmp_path):
    manifest = write_rows(tmp_path / "m.csv", [["a/1.jpg"], ["/b.v2/2.png"]], columns=("URI",))
    first, second = found(manifest)
    assert (first.image_id, first.uri) == ("a/1", str(tmp_path / "a/1.jpg"))
    assert (second.image_id, second.uri) == ("/b.v2/2", "/b.v2/2.png")
    assert (first.group, first.label) == ("", "")


def test_labels_are_spelled_as_in_the_run_or_left_as_they_are(tmp_path):
    rows = [["1.jpg", "Needles_Plates"], ["2.jpg", "Crystals?"], ["3.jpg", " "]]
    manifest = write_rows(tmp_path / "m.csv", rows, columns=("uri", "label"))
    assert [s.label for s in found(manifest)] == ["needles & plates", "Crystals?", ""]


def test_a_catalog_of_a_version_is_a_manifest(built):
    sources = found(built / "1.0.0" / "catalog.parquet")
    assert len(sources) == 34
    assert {source.group for source in sources} == {f"drop{number}" for number in range(17)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("label\nclear\n", "no column uri"),
        ("", "empty"),
        ("uri\n \na.jpg\n", "line 2: "),
        ("uri,group\n ,d1\n", "line 2: column uri is empty"),
        ("uri,group\na.jpg\n", "line 2: 1 cells"),
        ("uri\na\0.jpg\n", "NUL byte"),
        ("uri\n", "none in"),
    ],
)
def test_faults_of_a_manifest_are_named(tmp_path, text, said):
    manifest = tmp_path / "m.csv"
    manifest.write_text(text, encoding="utf-8")
    if text == "uri\n \na.jpg\n":  # a blank line, as spreadsheets leave them, is none
        assert len(found(manifest)) == 1
        return
    with pytest.raises(UsageError, match=said):
        found(manifest)


def test_all_faults_of_a_manifest_are_named_together(tmp_path):
    manifest = tmp_path / "m.csv"
    manifest.write_bytes(b"uri,group\n,a\nb.jpg,\xff\n")
    with pytest.raises(UsageError, match=r"line 2: column uri is empty\n.*line 3: .*not UTF-8"):
        found(manifest)


@pytest.mark.parametrize("inside", [False, True])
def test_buckets_are_refused_in_one_line(tmp_path, inside):
    uri = "gs://plates/a.jpg"
    argument = write_rows(tmp_path / "m.csv", [[uri]], columns=("uri",)) if inside else uri
    with pytest.raises(UsageError, match=r"gs:// cannot be read yet; copy") as caught:
        found(argument)
    assert "\n" not in str(caught.value)


def test_what_is_not_there_and_what_has_no_image_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"there is no .*absent\.jpg"):
        found(tmp_path / "absent.jpg")
    with pytest.raises(UsageError, match="there is none in"):
        found(tmp_path)


def test_numbers_in_names_sort_as_numbers():
    names = ["d2_t1", "d10_t1", "d2_t10", "d2_t9", "1", "a", "", "01"]
    ordered = ["", "01", "1", "a", "d2_t1", "d2_t9", "d2_t10", "d10_t1"]
    assert sorted(names, key=natural_key) == ordered


def test_bytes_of_an_image_or_the_reason(tmp_path):
    draw_plate(tmp_path / "a.jpg", 1)
    assert read_image(str(tmp_path / "a.jpg")) == (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    reasons = {}
    for name in ("absent", ".", "loop", "n\0l", "x" * 300):
        with pytest.raises(UnreadableImage) as caught:
            read_image(f"{tmp_path}/{name}")
        reasons[name[:6]] = caught.value.reason
    assert reasons == {
        "absent": "missing",
        ".": "not-an-image",
        "loop": "unreadable",
        "n\0l": "unreadable",
        "xxxxxx": "unreadable",
    }


def test_an_image_may_lie_in_a_folder_with_any_name(tmp_path):
    folder = tmp_path / "März 3, well A"
    draw_plate(folder / "tröpfchen 1.png", 3)
    (source,) = found(folder)
    assert read_image(source.uri)
    shutil.rmtree(folder)
    with pytest.raises(UnreadableImage):
        read_image(source.uri)


def test_names_as_imagers_write_them_tell_the_drop(tmp_path):
    for name in ("03c3_G6_ImagerDefaults_6.jpg", "03c3_G6_ImagerDefaults_9.jpg", "other.jpg"):
        draw_plate(tmp_path / name, 1)
    names = [source.group for source in found(tmp_path)]
    assert names == ["03c3_G6", "03c3_G6", ""]
