"""Framing: fixed bytes, and every fault of a file is found where it is."""

import hashlib
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.tfrecord import CorruptShard, frame, read_frames
from tests.test_records import ENCODED

CONTENTS = (b"drop", b"", bytes(range(40)))
FILE = b"".join(map(frame, CONTENTS))
OFFSETS = (0, 20, 36)  # of the records, each 16 bytes longer than its content


def test_frames_have_not_changed():
    # the length 0 and its masked CRC-32C, and the masked CRC-32C of nothing
    assert frame(b"").hex() == "000000000000000029039807d8ea82a2"
    assert frame(b"drop").hex() == "04000000000000004245520464726f70866b4be0"
    assert hashlib.sha256(frame(ENCODED)).hexdigest() == (
        "df0537507c8d05f052275766ac1b53ad4cddedbf1a40a83e80e38549041bc925"
    )


@given(st.lists(st.binary(max_size=100), max_size=8))
def test_frames_are_read_with_their_offsets(contents):
    file = b"".join(map(frame, contents))
    found = list(read_frames(io.BytesIO(file)))
    assert [data for _, data in found] == contents
    for offset, data in found:
        assert file[offset:].startswith(frame(data))


def fault(file: bytes) -> tuple[int, int]:
    """Returns number and offset of the record that a fault's message names.

    All records before it are read first.
    """
    seen = []
    with pytest.raises(CorruptShard) as caught:
        seen.extend(read_frames(io.BytesIO(file)))
    number, offset = map(int, re.match(r"record (\d+) at byte (\d+): ", str(caught.value)).groups())
    assert [data for _, data in seen] == list(CONTENTS[:number])
    return number, offset


def record_of(place: int) -> int:
    return max(number for number, offset in enumerate(OFFSETS) if offset <= place)


@pytest.mark.parametrize("bit", [0x01, 0x10, 0x80, 0xFF])
def test_every_flipped_byte_is_found(bit):
    for place in range(len(FILE)):
        broken = bytearray(FILE)
        broken[place] ^= bit
        number = record_of(place)
        assert fault(bytes(broken)) == (number, OFFSETS[number])


def test_every_cut_is_found():
    for length in range(len(FILE)):
        if length in OFFSETS:  # whole records; the count in the index tells those
            assert len(list(read_frames(io.BytesIO(FILE[:length])))) == OFFSETS.index(length)
        else:
            number = record_of(length)
            assert fault(FILE[:length]) == (number, OFFSETS[number])


def test_bytes_behind_the_last_record_are_found():
    assert fault(FILE + b"\0") == (3, len(FILE))


@pytest.mark.parametrize("length", [2**31, 2**62, 2**64 - 1])
def test_a_length_beyond_the_file_is_a_fault_even_if_its_checksum_holds(tmp_path, length):
    path = tmp_path / "shard.tfrecord"
    path.write_bytes(FILE + forged_header(length))
    with path.open("rb") as stream, pytest.raises(CorruptShard, match="record 3 at byte 92"):
        list(read_frames(stream))


def forged_header(length: int) -> bytes:
    """Returns a header whose checksum holds: a frame's footer is made as its header's is."""
    size = length.to_bytes(8, "little")
    return size + frame(size)[-4:]
