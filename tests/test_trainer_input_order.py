"""The order of an epoch: fixed for ever, a permutation, and well mixed."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import seeds
from trainer.input.order import WINDOW_CHUNKS, SplitOrder

sizes_of_chunks = st.lists(st.integers(1, 9), min_size=1, max_size=3 * WINDOW_CHUNKS)


def digest(order: np.ndarray) -> str:
    return hashlib.sha256(order.astype("<i8").tobytes()).hexdigest()[:16]


def test_orders_have_not_changed():
    order = SplitOrder("train", [5, 3, 1])
    assert order.records(0, 0).tolist() == [5, 6, 0, 2, 7, 4, 3, 1, 8]
    assert digest(SplitOrder("train", [128] * 300).records(7, 12)) == "7d9c00d9c8e2db51"


@given(sizes=sizes_of_chunks, seed=seeds, epoch=st.integers(0, 100))
def test_an_order_has_every_record_once(sizes, seed, epoch):
    order = SplitOrder("train", sizes).records(seed, epoch)
    assert np.array_equal(np.sort(order), np.arange(sum(sizes)))


@given(sizes=sizes_of_chunks, seed=seeds)
def test_windows_have_every_chunk_once_and_are_full_but_the_last(sizes, seed):
    windows = list(SplitOrder("train", sizes).windows(seed, 3))
    chunks = np.concatenate([window.chunks for window in windows])
    assert np.array_equal(np.sort(chunks), np.arange(len(sizes)))
    assert {len(window.chunks) for window in windows[:-1]} <= {WINDOW_CHUNKS}
    for window in windows:
        records = sum(sizes[chunk] for chunk in window.chunks)
        assert np.array_equal(np.sort(window.places), np.arange(records))


def test_seed_epoch_and_split_each_give_another_order():
    sizes = [128] * 5
    orders = {
        digest(SplitOrder(split, sizes).records(seed, epoch))
        for split in ("train", "test")
        for seed in range(5)
        for epoch in range(5)
    }
    assert len(orders) == 2 * 5 * 5


def test_an_order_does_not_depend_on_what_was_asked_before():
    one, other = SplitOrder("train", [128] * 100), SplitOrder("train", [128] * 100)
    for epoch in range(4):
        one.records(0, epoch)
    assert np.array_equal(one.records(0, 4), other.records(0, 4))


@pytest.mark.parametrize("chunks", [3, 200])
def test_neighbours_come_from_anywhere_in_the_split(chunks):
    """Neighbours are as far apart in the files as those of a uniform shuffle, a third of all."""
    records = 128 * chunks
    order = SplitOrder("train", [128] * chunks).records(1, 1)
    assert np.abs(np.diff(order)).mean() == pytest.approx(records / 3, rel=0.05)
    # nor is the place in the order tied to the place in the file
    assert abs(np.corrcoef(order, np.arange(records))[0, 1]) < 0.1
