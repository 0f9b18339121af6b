"""Checksums of many frames at once, against the reader of single frames."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.tfrecord import CorruptShard, frame, unframe
from trainer.input.checksums import are_sound

CONTENTS = (b"drop", bytes(range(40)), b"", b"drip")
FRAMES = tuple(map(frame, CONTENTS))


def check(frames: list[bytes]) -> bool:
    starts = np.cumsum([0, *map(len, frames)])
    return are_sound(np.frombuffer(b"".join(frames), dtype=np.uint8), starts)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=8))
def test_what_was_framed_is_sound(contents):
    assert check([frame(content) for content in contents])


@pytest.mark.parametrize("bit", [0x01, 0x10, 0x80, 0xFF])
def test_every_flipped_byte_is_found(bit):
    for number, framed in enumerate(FRAMES):
        for place in range(len(framed)):
            broken = bytearray(framed)
            broken[place] ^= bit
            assert not check([*FRAMES[:number], bytes(broken), *FRAMES[number + 1 :]])


@given(st.integers(0, len(FRAMES) - 1), st.binary(max_size=80))
def test_any_bytes_are_judged_as_by_the_reader_of_one(number, other):
    try:
        unframe(other)
        sound = True
    except CorruptShard:
        sound = False
    assert check([*FRAMES[:number], other, *FRAMES[number + 1 :]]) is sound


def test_frames_that_lie_elsewhere_are_not_sound():
    raw = np.frombuffer(b"".join(FRAMES), dtype=np.uint8)
    starts = np.cumsum([0, *map(len, FRAMES)])
    for number in range(1, len(FRAMES)):
        moved = starts.copy()
        moved[number] += 1
        assert not are_sound(raw, moved)
