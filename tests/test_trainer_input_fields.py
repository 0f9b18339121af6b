"""Where the features lie, against the reader of single records that is the reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import MalformedRecord, decode_record, encode_record
from tests.strategies import records
from tests.trainer_records import made_up
from trainer.input.fields import Fields, locate

FEATURES = ("copies", "group", "image", "image_id", "label", "render_key", "variant")


def located(contents: list[bytes], *, wanted=FEATURES) -> tuple[np.ndarray, Fields]:
    """Returns the bytes of records with others between them, and the fields in them."""
    raw = np.frombuffer(b"".join(b"\x0a?" + content + b"??" for content in contents), np.uint8)
    ends = np.cumsum([len(content) + 4 for content in contents]) - 2
    starts = ends - [len(content) for content in contents]
    return raw, locate(raw, starts, ends, wanted=wanted)


@settings(max_examples=50)
@given(st.lists(records, min_size=1, max_size=5))
def test_values_are_those_of_the_record(chunk):
    raw, fields = located([encode_record(record) for record in chunk])
    assert fields.sound.all()
    for name in ("label", "variant", "copies"):
        assert fields.numbers(raw, name).tolist() == [getattr(record, name) for record in chunk]
    for name in ("image_id", "group", "render_key"):
        found = [text.decode() for text in fields.texts(raw, name)]
        assert found == [getattr(record, name) for record in chunk]
    for record, start in zip(chunk, fields.starts["image"], strict=True):
        assert raw[start : start + len(record.image)].tobytes() == record.image


@settings(max_examples=50)
@given(st.lists(records, min_size=1, max_size=5))
def test_stepping_over_features_finds_the_same(chunk):
    contents = [encode_record(record) for record in chunk]
    _, every = located(contents)
    for name in FEATURES:
        _, one = located(contents, wanted=(name,))
        assert one.sound.all()
        assert set(one.starts) == {name, "image"}
        assert np.array_equal(one.starts[name], every.starts[name])
        assert np.array_equal(one.lengths[name], every.lengths[name])


RECORD = encode_record(made_up(1)[0])
IMAGE = RECORD.index(b"\x05image\x12") + 18
TEXTS = [  # where the texts lie
    (RECORD.index(text), RECORD.index(text) + len(text))
    for text in (b"drop-0", b"plate-0", b"0" * 32)
]


def is_sound(content: bytes) -> bool:
    good = encode_record(made_up(2)[1])
    _, fields = located([good, content, good])
    assert fields.sound[[0, 2]].all()
    return bool(fields.sound[1])


@pytest.mark.parametrize("bit", [0x01, 0x10, 0x80])
def test_a_record_that_is_laid_out_otherwise_is_unsound(bit):
    """Whatever byte outside of the pixels is another, both readers say the same."""
    outside = [*range(IMAGE), *range(IMAGE + 16384, len(RECORD))]
    refused = 0
    for place in outside:
        broken = bytearray(RECORD)
        broken[place] ^= bit
        try:
            decode_record(bytes(broken))
        except MalformedRecord:
            refused += 1
            # bytes of a text that are no UTF-8 are the one fault left to who reads the text
            in_text = any(start <= place < end for start, end in TEXTS)
            assert not is_sound(bytes(broken)) or (in_text and bit == 0x80)
        else:
            assert is_sound(bytes(broken))
    assert refused > 100


@pytest.mark.parametrize("length", [0, 1, 5, 30, 60, 16400, len(RECORD) - 1])
def test_a_record_cut_short_is_unsound(length):
    assert not is_sound(RECORD[:length])


def test_bytes_behind_a_record_make_it_unsound():
    assert not is_sound(RECORD + b"\0")


@given(st.binary(max_size=60))
def test_any_bytes_are_looked_at_without_an_error(content):
    assert not is_sound(content)
