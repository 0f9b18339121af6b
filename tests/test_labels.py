"""Label sets: the built-in ones, other spellings, and files with every fault."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.labels import BUILT_IN, MARCO4, PAPER10, LabelSet, load_label_set

SOUND = {"names": ["wet", "dry"], "crystal_names": ["dry"]}


def test_paper10_is_the_papers():
    assert PAPER10.names == (
        "bad drop",
        "clear",
        "heavy precipitate",
        "large crystals",
        "light precipitate",
        "medium crystals",
        "micro crystals",
        "needles & plates",
        "phase separation",
        "small crystals",
    )
    assert PAPER10.crystal_indices == {3, 5, 6, 7, 9}
    assert len(PAPER10) == 10


def test_marco4_has_marcos_order():
    assert MARCO4.names == ("Clear", "Crystals", "Other", "Precipitate")
    assert MARCO4.crystal_indices == {1}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Needles_Plates", "needles & plates"),
        ("needles & plates", "needles & plates"),
        ("needles and plates", "needles & plates"),
        ("NEEDLES-PLATES ", "needles & plates"),
        ("Plates", "needles & plates"),
        ("Bad_Drop", "bad drop"),
        ("microcrystals", "micro crystals"),
        ("Light Precip.", "light precipitate"),
        ("Large Crystal", "large crystals"),
        ("Phase_Separation", "phase separation"),
    ],
)
def test_spellings(text, name):
    assert PAPER10.names[PAPER10.index(text)] == name


@pytest.mark.parametrize("labels", BUILT_IN.values(), ids=BUILT_IN)
def test_every_name_and_alias_is_found(labels):
    for number, name in enumerate(labels.names):
        assert labels.index(name) == number
    for alias, name in labels.aliases.items():
        assert labels.names[labels.index(alias)] == name


@pytest.mark.parametrize("text", ["", "  ", "&", "crystal", "clear drop", "0", "small"])
def test_unknown_labels_are_not_guessed(text):
    with pytest.raises(KeyError):
        PAPER10.index(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("cleer", "clear"),
        ("needels & platse", "needles & plates"),
        ("Phase Seperation", "phase separation"),
        ("smal crystals", "small crystals"),
        ("baddrop", "bad drop"),
    ],
)
def test_nearest_label(text, name):
    assert PAPER10.nearest(text) == name


@given(st.text())
def test_any_text_has_a_nearest_label(text):
    assert PAPER10.nearest(text) in PAPER10.names


def write(tmp_path, value, name="own.json"):
    path = tmp_path / name
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return str(path)


def test_built_in_sets_are_loaded_by_name():
    assert load_label_set("paper10") is PAPER10
    assert load_label_set("marco4") is MARCO4


def test_a_file_is_loaded(tmp_path):
    labels = load_label_set(write(tmp_path, SOUND | {"name": "own", "aliases": {"arid": "dry"}}))
    assert labels == LabelSet("own", ("wet", "dry"), frozenset({"dry"}), {"arid": "dry"})
    assert labels.index("ARID") == 1


@pytest.mark.parametrize("labels", BUILT_IN.values(), ids=BUILT_IN)
def test_a_set_is_written_as_it_is_read(tmp_path, labels):
    assert load_label_set(write(tmp_path, labels.to_json())) == labels


def test_the_path_of_the_file_does_not_matter(tmp_path):
    assert load_label_set(write(tmp_path, SOUND, "a.json")) == load_label_set(
        write(tmp_path, SOUND, "b.json")
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "Expecting value"),
        ("{", "line 1"),
        ('{"names": "\\', "line 1"),
        ("[" * 100_000, "recursion"),
        ('{"names": ' + "1" * 5000 + "}", "integer"),
        ([], "wanted an object with the keys names and crystal_names"),
        ({"names": ["a", "b"]}, "crystal_names"),
        ({"crystal_names": []}, "names"),
        (SOUND | {"colour": 1}, "unknown keys: colour"),
        (SOUND | {"names": "wet"}, "names wants a list"),
        (SOUND | {"names": ["wet", 2]}, "names wants a list"),
        (SOUND | {"names": ["dry"]}, "two labels or more"),
        (SOUND | {"names": ["dry", "DRY"]}, "'DRY'.*twice"),
        (SOUND | {"names": ["dry", "dry"]}, "'dry'.*twice"),
        (SOUND | {"names": ["dry", "?!"]}, "no letter or digit"),
        (SOUND | {"names": ["dry", "w\net"]}, "cannot be printed"),
        (SOUND | {"names": ["dry", "wet "]}, "blank at an end"),
        (SOUND | {"names": ["dry", "w\ud800"]}, "cannot be printed"),
        (SOUND | {"crystal_names": "dry"}, "crystal_names wants a list"),
        (SOUND | {"crystal_names": ["Dry"]}, "'Dry'.*not labels"),
        (SOUND | {"aliases": ["dry"]}, "aliases wants an object"),
        (SOUND | {"aliases": {"arid": 1}}, "aliases wants an object"),
        (SOUND | {"aliases": {"arid": "damp"}}, "no label 'damp'"),
        (SOUND | {"aliases": {"Wet": "dry"}}, "'Wet'.*two labels"),
        (SOUND | {"aliases": {"a-b": "dry", "A b": "wet"}}, "two labels"),
        (SOUND | {"aliases": {"-": "dry"}}, "no letter or digit"),
        (SOUND | {"name": 4}, "name wants a text"),
    ],
)
def test_faults_of_files_name_the_file(tmp_path, value, message):
    with pytest.raises(ValueError, match=f"(?s)own.json.*{message}"):
        load_label_set(write(tmp_path, value))


def test_a_file_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "own.json"
    path.write_bytes('{"names": ["trüb", "klar"], "crystal_names": []}'.encode("latin-1"))
    with pytest.raises(ValueError, match=r"own\.json.*utf-8"):
        load_label_set(str(path))


def test_no_file_and_no_set_says_which_sets_there_are(tmp_path):
    with pytest.raises(ValueError, match=r"marco4, paper10.*'paper11'"):
        load_label_set("paper11")
    with pytest.raises(ValueError, match="directory"):
        load_label_set(str(tmp_path))
