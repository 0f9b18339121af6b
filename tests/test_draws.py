"""Draws: fixed for ever, told apart by every name, and uniform."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.draws import encode_names, uniform
from tests.strategies import ids, seeds, texts

names = st.lists(texts | st.integers(), max_size=5)


@pytest.mark.parametrize(
    ("seed", "of", "drawn"),
    [
        (0, (), 0.37228420484417624),
        (1, ("a",), 0.49638138730926884),
        (0, ("split", "plate-7"), 0.9693944237981474),
        (0, ("ä", -1), 0.842690662339307),
        (2**63 - 1, ("shard", "x/1"), 0.1299880039235255),
    ],
)
def test_draws_have_not_changed(seed, of, drawn):
    assert uniform(seed, *of) == drawn


def test_encoding_has_not_changed():
    assert encode_names("ab", -12, "ä").hex() == (
        "73020000006162"  # s, 2 bytes, "ab"
        "69030000002d3132"  # i, 3 bytes, "-12"
        "7302000000c3a4"  # s, 2 bytes, "ä"
    )


def read_names(data: bytes) -> list[str | int]:
    """Reads what `encode_names` documents; that this works is that it is injective."""
    found: list[str | int] = []
    while data:
        length = int.from_bytes(data[1:5], "little")
        text, kind = data[5 : 5 + length].decode(), data[:1]
        found.append({b"s": str, b"i": int}[kind](text))
        data = data[5 + length :]
    return found


@given(names)
def test_names_can_be_read_back(some):
    assert read_names(encode_names(*some)) == some


@given(names, names)
def test_other_names_have_another_encoding(some, others):
    assert (encode_names(*some) == encode_names(*others)) == (some == others)


@pytest.mark.parametrize("wrong", [1.0, None, True, b"a", ("a",)])
def test_other_types_are_no_names(wrong):
    with pytest.raises(TypeError, match="text or an integer"):
        encode_names("a", wrong)


@given(seeds, names)
def test_draws_are_in_0_to_1_and_multiples_of_the_step(seed, some):
    drawn = uniform(seed, *some)
    assert 0 <= drawn < 1
    assert (drawn * 2**53).is_integer()


@given(seeds, ids, ids)
def test_each_name_and_the_seed_have_a_say(seed, one, other):
    drawn = uniform(seed, one, 0)
    assert drawn != uniform(seed, one, 1)
    assert drawn != uniform(seed ^ 1, one, 0)
    assert (drawn == uniform(seed, other, 0)) == (one == other)


def chi_square(counts: list[int]) -> float:
    expected = sum(counts) / len(counts)
    return sum((count - expected) ** 2 / expected for count in counts)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("pattern", ["{}", "plateID_{}/d1", "{:09d}"])
def test_draws_are_uniform(seed, pattern):
    counts = [0] * 100
    for number in range(20_000):
        counts[int(uniform(seed, "split", pattern.format(number)) * 100)] += 1
    # 99 degrees of freedom: mean 99, standard deviation 14; the sample is fixed
    assert 50 < chi_square(counts) < 160


def test_draws_of_two_quantities_do_not_go_together():
    pairs = [(uniform(0, "split", str(i)), uniform(0, "copy", str(i))) for i in range(10_000)]
    correlation = 12 * sum((a - 0.5) * (b - 0.5) for a, b in pairs) / len(pairs)
    assert abs(correlation) < 4 / math.sqrt(len(pairs))
