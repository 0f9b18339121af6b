"""Damaged shards: named, with record and byte, whichever way they are met."""

import os
import shutil

import pytest

from schemas.index import index_text
from schemas.records import encode_record
from schemas.tfrecord import frame
from tests.trainer_records import SPLIT, made_up, write_shard, write_version
from trainer.errors import DataError, TemporaryError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf

from trainer.input import data_errors, open_split
from trainer.input.chunks import chunks_of

RECORDS = made_up(200)
FRAMES = [frame(encode_record(record)) for record in RECORDS]
OFFSETS = [sum(map(len, FRAMES[:number])) for number in range(len(FRAMES))]
CACHES = ("ram", "stream")


@pytest.fixture
def version(tmp_path):
    return write_version(tmp_path / "made-up", [RECORDS[:20], RECORDS])


@pytest.fixture
def shard(version):
    return version.shards(SPLIT)[1].path


def index_of(shard):
    return shard.parent / "index" / f"{shard.name}.idx"


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 0x10
    path.write_bytes(content)


def take(reader):
    with data_errors():
        for _ in reader.epochs(0, 1, seed=0, batch_size=32):
            pass


def take_all(version, cache):
    take(open_split(version, SPLIT, cache=cache))


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize(
    ("within", "what"),
    [
        (3, "the checksum of its length does not hold"),
        (5000, "the checksum of its data does not hold"),
        (-1, "the checksum of its data does not hold"),
    ],
)
def test_a_damaged_record_is_named(version, shard, cache, within, what):
    number = 150
    flip(shard, (OFFSETS[number + 1] if within < 0 else OFFSETS[number]) + within)
    with pytest.raises(DataError) as caught:
        take_all(version, cache)
    assert str(caught.value) == (
        f"{shard} is damaged: record {number} at byte {OFFSETS[number]}: {what}; "
        "`python -m pipeline verify` says what is damaged, `build --repair` mends it"
    )
    assert caught.value.exit_code == 65


def test_a_damaged_record_is_named_in_order_too(version, shard):
    flip(shard, OFFSETS[7] + 100)
    with pytest.raises(DataError, match=f"{shard} is damaged: record 7 at"), data_errors():
        list(open_split(version, SPLIT).in_order(batch_size=16))


def test_a_damaged_shard_stops_fit(version, shard):
    flip(shard, OFFSETS[3] + 100)
    batches = open_split(version, SPLIT, cache="stream").epochs(0, 3, seed=0, batch_size=64)
    model = keras.Sequential([keras.Input([128, 128, 1]), keras.layers.Flatten()])
    model.add(keras.layers.Dense(10))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    with pytest.raises(DataError, match=f"^{shard} is damaged: record 3 at"), data_errors():
        model.fit(batches, epochs=3, steps_per_epoch=4, verbose=0)


@pytest.mark.parametrize("cache", CACHES)
def test_a_shard_cut_short_is_named(version, shard, cache):
    reader = open_split(version, SPLIT, cache=cache)
    os.truncate(shard, OFFSETS[180])
    with pytest.raises(DataError, match=f"bytes in {shard}, which ends after {OFFSETS[180]}"):
        take(reader)


@pytest.mark.parametrize("cache", CACHES)
def test_a_shard_that_goes_away_is_named(version, shard, cache):
    reader = open_split(version, SPLIT, cache=cache)
    shard.unlink()
    with pytest.raises(DataError, match=f"wanted the shard {shard}, which is gone"):
        take(reader)


@pytest.mark.parametrize("cache", CACHES)
def test_a_file_that_cannot_be_read_may_be_read_later(version, shard, cache):
    reader = open_split(version, SPLIT, cache=cache)
    shard.unlink()
    shard.mkdir()  # the plainest file that opens and cannot be read
    with pytest.raises(TemporaryError, match=f"cannot read {shard}: Is a directory") as caught:
        take(reader)
    assert caught.value.exit_code == 75


@pytest.mark.parametrize("content", [b"label", b"\x0a\x03abc", encode_record(RECORDS[0])[:-1]])
def test_a_record_of_another_kind_is_named(version, shard, content):
    frames = [*FRAMES[:5], frame(content)]
    shard.write_bytes(b"".join(frames))
    index_of(shard).write_text(index_text(map(len, frames)), encoding="ascii")
    split = write_version(shard.parent, [RECORDS[:20]]).splits[SPLIT]
    other = split[0].__class__(shard, 6, shard.stat().st_size)
    version.splits[SPLIT] = (*split, other)  # type: ignore[index]
    where = f"{shard}, record 5 at byte {OFFSETS[5]}: wanted a record with a label below 10, got"
    with pytest.raises(DataError, match=f"^{where} other bytes "), data_errors():
        list(open_split(version, SPLIT).in_order(batch_size=16))


def test_a_label_beyond_the_set_is_named(tmp_path):
    records = made_up(40)
    object.__setattr__(records[33], "label", 10)
    version = write_version(tmp_path, [made_up(5)])
    wrong = write_shard(tmp_path / "made-up-train.tfrecord-00001-of-00002", records)
    version.splits[SPLIT] = (*version.splits[SPLIT], wrong)  # type: ignore[index]
    with pytest.raises(DataError, match=rf"{wrong.path}, record 33 at .* got label 10;"):
        take_all(version, "stream")


@pytest.mark.parametrize(
    "text",
    [None, "", "0 5\n", "zero five\n", "0 16600\n5 16600\n", "0\n", "0 99999999999999999999"],
)
def test_an_index_that_is_not_the_shards_is_named(version, shard, text):
    if text is None:
        index_of(shard).unlink()
    else:
        index_of(shard).write_text(text, encoding="ascii")
    with pytest.raises(DataError, match=f"wanted the index of .*in {index_of(shard)}, got"):
        chunks_of(version.shards(SPLIT))


def test_an_index_of_other_records_of_the_same_number_and_size_is_found(version, shard):
    lengths = [*map(len, FRAMES)]
    lengths[10], lengths[11] = lengths[10] + 8, lengths[11] - 8
    index_of(shard).write_text(index_text(lengths), encoding="ascii")
    with pytest.raises(DataError, match="are not where its index has them"):
        take_all(version, "ram")


def test_an_empty_split_is_refused(version):
    with pytest.raises(DataError, match="wanted records in the split test"):
        open_split(version, "test")


def test_other_errors_are_left_as_they_are():
    with pytest.raises(tf.errors.InvalidArgumentError), data_errors():
        tf.reshape(tf.zeros([3]), [2])
    with pytest.raises(KeyError), data_errors():
        raise KeyError("mine")


def test_a_mended_shard_is_read_again(version, shard):
    shutil.copy(shard, shard.with_suffix(".whole"))
    flip(shard, OFFSETS[3] + 100)
    with pytest.raises(DataError):
        take_all(version, "stream")
    shard.with_suffix(".whole").replace(shard)
    take_all(version, "stream")
