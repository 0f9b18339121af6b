"""Records: their bytes are fixed for ever, and other bytes are told from records."""

import dataclasses
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import (
    IMAGE_BYTES,
    Facts,
    FactsPatch,
    MalformedRecord,
    Record,
    decode_record,
    encode_record,
)
from tests.strategies import records

RECORD = Record(
    image=bytes(range(256)) * 64,
    label=7,
    image_id="plates/ä 1",
    group="drop-1",
    variant=3,
    copies=5,
    render_key="0f" * 16,
)


def test_the_bytes_of_a_record_have_not_changed():
    encoded = encode_record(RECORD)
    assert len(encoded) == 16_564
    assert hashlib.sha256(encoded).hexdigest() == (
        "507ca49854fb7f31993ed715f42b58f1d04c917f246711be94900ba8e4e90455"
    )


@given(records)
def test_a_record_is_read_as_it_was_written(record):
    assert decode_record(encode_record(record)) == record


@given(records, records)
def test_other_records_have_other_bytes(one, other):
    assert (encode_record(one) == encode_record(other)) == (one == other)


def facts(record):
    return Facts(record.label, record.group, record.copies)


@given(records, records)
def test_other_facts_give_the_bytes_of_a_record_with_them(record, other):
    now = facts(other)
    patch = FactsPatch(record.image_id, before=facts(record), now=now)
    wanted = dataclasses.replace(record, **dataclasses.asdict(now))
    assert patch.apply(encode_record(record)) == encode_record(wanted)


@given(records, records)
def test_facts_are_given_to_no_record_that_has_others(record, other):
    patch = FactsPatch(record.image_id, before=facts(record), now=facts(record))
    if facts(other) == facts(record) and len(other.image_id.encode()) == len(
        record.image_id.encode()
    ):
        return
    with pytest.raises(MalformedRecord):
        patch.apply(encode_record(other))


@pytest.mark.parametrize("data", [b"", b"\x0a", b"\x0b" + encode_record(RECORD)[1:]])
def test_facts_are_given_to_nothing_but_a_record(data):
    patch = FactsPatch(RECORD.image_id, before=facts(RECORD), now=facts(RECORD))
    with pytest.raises(MalformedRecord):
        patch.apply(data)


@pytest.mark.parametrize("size", [0, IMAGE_BYTES - 1, IMAGE_BYTES + 1])
def test_images_of_another_size_are_refused(size):
    with pytest.raises(ValueError, match=f"16384 bytes, got {size}"):
        encode_record(dataclasses.replace(RECORD, image=bytes(size)))


@pytest.mark.parametrize("field", ["label", "variant", "copies"])
@pytest.mark.parametrize("number", [-1, 2**63, 2**64])
def test_numbers_that_are_no_int64_are_refused(field, number):
    with pytest.raises(ValueError, match=str(number)):
        encode_record(dataclasses.replace(RECORD, **{field: number}))


def assert_malformed(data: bytes) -> None:
    with pytest.raises(MalformedRecord):
        decode_record(data)


ENCODED = encode_record(RECORD)
# Where the image begins and ends: there every byte is as good as any other.
IMAGE = ENCODED.index(RECORD.image)
OUTSIDE = [*range(IMAGE), *range(IMAGE + IMAGE_BYTES, len(ENCODED))]


@pytest.mark.parametrize("length", [*OUTSIDE[:: len(OUTSIDE) // 40], IMAGE + 9, len(ENCODED) - 1])
def test_a_cut_record_is_malformed(length):
    assert_malformed(ENCODED[:length])


@pytest.mark.parametrize("more", [b"\0", b"\n", b"\n\0", ENCODED])
def test_a_record_with_more_behind_it_is_malformed(more):
    assert_malformed(ENCODED + more)


@given(st.sampled_from(OUTSIDE), st.integers(1, 255))
@settings(max_examples=400)
def test_changed_bytes_are_malformed_or_another_record(place, flip):
    changed = bytearray(ENCODED)
    changed[place] ^= flip
    try:
        other = decode_record(bytes(changed))
    except MalformedRecord:
        return
    assert other != RECORD
    assert encode_record(other) == changed


@given(st.binary(max_size=200) | st.lists(st.sampled_from(b"\n\x12\x1a\x80\xff\0\1")).map(bytes))
@settings(max_examples=400)
def test_any_other_bytes_are_malformed(data):
    assert_malformed(data)
    assert_malformed(ENCODED[:7] + data)


def delimited(tag: int, content: bytes) -> bytes:
    """Returns a field of a protocol buffer, written here once more to build odd ones."""
    length, size = len(content), b""
    while length > 0x7F:
        size += bytes((length & 0x7F | 0x80,))
        length >>= 7
    return bytes((tag,)) + size + bytes((length,)) + content


def example(features: list[tuple[str, bytes]]) -> bytes:
    return delimited(
        0x0A,
        b"".join(
            delimited(0x0A, delimited(0x0A, key.encode()) + delimited(0x12, feature))
            for key, feature in features
        ),
    )


def texts(*values: bytes) -> bytes:
    return delimited(0x0A, b"".join(delimited(0x0A, value) for value in values))


def numbers(*values: int) -> bytes:
    return delimited(0x1A, delimited(0x0A, bytes(values)))


FEATURES = [
    ("copies", numbers(5)),
    ("group", texts(b"drop-1")),
    ("image", texts(RECORD.image)),
    ("image_id", texts("plates/ä 1".encode())),
    ("label", numbers(7)),
    ("render_key", texts(b"0f" * 16)),
    ("variant", numbers(3)),
]


def test_the_features_here_are_the_records():
    assert example(FEATURES) == ENCODED


def with_feature(key: str, feature: bytes) -> bytes:
    return example([(name, feature if name == key else old) for name, old in FEATURES])


@pytest.mark.parametrize(
    "data",
    [
        example([]),
        example(FEATURES[:-1]),
        example(FEATURES[::-1]),
        example([*FEATURES, ("weight", numbers(1))]),
        example([*FEATURES[:1], *FEATURES]),
        with_feature("label", numbers()),
        with_feature("label", numbers(7, 7)),
        with_feature("label", numbers(0x87, 0)),  # 7, in a byte too many
        with_feature("label", numbers(*(0xFF,) * 9, 1)),  # -1
        with_feature("label", texts(b"7")),
        with_feature("group", texts()),
        with_feature("group", texts(b"a", b"b")),
        with_feature("group", texts(b"\xff")),
        with_feature("group", numbers(7)),
        with_feature("image", texts(RECORD.image[1:])),
    ],
)
def test_examples_of_another_kind_are_malformed(data):
    assert_malformed(data)
