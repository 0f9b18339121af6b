"""Reading a split: every record once an epoch, the same batches from memory and from shards."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import builds
from tests.trainer_records import SPLIT, made_up, numbers_of, write_version
from trainer.dataset import open_dataset
from trainer.errors import UsageError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

from trainer.input import SplitReader, open_split
from trainer.input.chunks import CHUNK_RECORDS, chunks_of
from trainer.input.order import WINDOW_CHUNKS, SplitOrder

SIZES = (300, 0, 7, 129, 128)
RECORDS = made_up(sum(SIZES))
CACHES = ("ram", "stream")


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    ends = np.cumsum(SIZES)
    shards = [RECORDS[end - size : end] for end, size in zip(ends, SIZES, strict=True)]
    return write_version(tmp_path_factory.mktemp("made-up"), shards)


@pytest.fixture(scope="module", params=CACHES)
def reader(version, request) -> SplitReader:
    return open_split(version, SPLIT, cache=request.param)


def epoch(reader: SplitReader, number: int, *, seed: int = 0, batch_size: int = 64) -> list[int]:
    """Returns the numbers of the records in the order of one epoch."""
    batches = reader.epochs(number, number + 1, seed=seed, batch_size=batch_size)
    return [int(n) for images, _ in batches for n in numbers_of(images)]


def test_records_are_counted(reader):
    assert reader.records == sum(SIZES)
    assert [reader.steps(size) for size in (1, 64, 563, 564, 565)] == [564, 9, 2, 1, 1]


def test_an_image_comes_with_its_label(reader):
    for images, labels in reader.epochs(0, 1, seed=3, batch_size=100):
        for image, label in zip(images.numpy(), labels.numpy(), strict=True):
            record = RECORDS[numbers_of(image[None])[0]]
            assert image.tobytes() == record.image
            assert label == record.label


@pytest.mark.parametrize("batch_size", [1, 48, 64, 564, 1000])
def test_epochs_are_exact(reader, batch_size):
    """Every record once an epoch, full batches but for the last one of each epoch."""
    dataset = reader.epochs(2, 5, seed=0, batch_size=batch_size)
    steps = reader.steps(batch_size)
    assert dataset.cardinality().numpy() == 3 * steps
    batches = [(images.shape, numbers_of(images)) for images, _ in dataset]
    assert len(batches) == 3 * steps
    last = reader.records - (steps - 1) * batch_size
    for start in range(0, 3 * steps, steps):
        one = batches[start : start + steps]
        assert [shape[0] for shape, _ in one] == [batch_size] * (steps - 1) + [last]
        numbers = np.concatenate([numbers for _, numbers in one])
        assert np.array_equal(np.sort(numbers), np.arange(reader.records))


def test_batches_have_the_promised_types(reader):
    images, labels = reader.epochs(0, 1, seed=0, batch_size=8).element_spec
    assert images.dtype == tf.uint8
    assert images.shape.as_list() == [None, 128, 128, 1]
    assert labels.dtype == tf.int32
    assert labels.shape.as_list() == [None]


def test_the_order_is_the_computed_one_whatever_the_cache(version):
    expected = SplitOrder(SPLIT, [128, 128, 44, 7, 128, 1, 128]).records(5, 2).tolist()
    assert CHUNK_RECORDS == 128
    for cache in CACHES:
        assert epoch(open_split(version, SPLIT, cache=cache), 2, seed=5) == expected


def test_the_order_depends_on_seed_and_epoch_alone(reader):
    orders = {(seed, n): epoch(reader, n, seed=seed) for seed in (0, 1) for n in (0, 1)}
    assert len(set(map(tuple, orders.values()))) == 4
    assert epoch(reader, 1, seed=0, batch_size=50) == orders[0, 1]
    together = reader.epochs(0, 2, seed=0, batch_size=64)
    numbers = [int(n) for images, _ in together for n in numbers_of(images)]
    assert numbers == orders[0, 0] + orders[0, 1]


def test_a_dataset_can_be_taken_again_and_left_midway(reader):
    dataset = reader.epochs(0, 2, seed=0, batch_size=32)
    first = [numbers_of(images).tolist() for images, _ in dataset]
    for _ in dataset.take(2):
        pass
    assert [numbers_of(images).tolist() for images, _ in dataset] == first


def test_no_epochs_are_no_batches(reader):
    assert list(reader.epochs(3, 3, seed=0, batch_size=8)) == []


@pytest.mark.parametrize(("first", "last"), [(-1, 1), (2, 1)])
def test_epochs_that_cannot_be_are_refused(reader, first, last):
    with pytest.raises(ValueError, match=f"got {first} to {last}"):
        reader.epochs(first, last, seed=0, batch_size=8)


@pytest.mark.parametrize("batch_size", [0, -4])
def test_a_batch_of_nothing_is_refused(reader, batch_size):
    with pytest.raises(UsageError, match=f"1 or more records, got {batch_size}"):
        reader.epochs(0, 1, seed=0, batch_size=batch_size)


@pytest.mark.parametrize("batch_size", [100, 564, 1000])
def test_in_order_gives_everything_as_it_lies_in_the_shards(reader, batch_size):
    dataset = reader.in_order(batch_size=batch_size)
    batches = list(dataset.as_numpy_iterator())
    assert len(batches) == dataset.cardinality().numpy() == reader.steps(batch_size)
    assert {len(batch["label"]) for batch in batches[:-1]} <= {batch_size}
    joined = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    assert joined["image"].shape == (reader.records, 128, 128, 1)
    assert [image.tobytes() for image in joined["image"]] == [r.image for r in RECORDS]
    for name in ("label", "variant", "copies"):
        assert joined[name].dtype == np.int32
        assert joined[name].tolist() == [getattr(record, name) for record in RECORDS]
    for name in ("image_id", "group"):
        assert [t.decode() for t in joined[name]] == [getattr(r, name) for r in RECORDS]


def test_splits_of_several_windows_are_exact_too(tmp_path):
    records = made_up(6 * CHUNK_RECORDS + 30)
    version = write_version(tmp_path, [records[:400], records[400:]])
    ram, stream = (
        SplitReader(
            SPLIT, chunks_of(version.shards(SPLIT)), labels=10, in_memory=held, window_chunks=2
        )
        for held in (True, False)
    )
    for batch_size in (48, 64, 1000):
        found = epoch(stream, 1, batch_size=batch_size)
        assert sorted(found) == list(range(len(records)))
        assert found == epoch(ram, 1)
    sizes = [len(images) for images, _ in stream.epochs(0, 1, seed=0, batch_size=48)]
    assert sizes == [48] * (len(records) // 48) + [len(records) % 48]


def test_what_a_build_wrote_is_read_as_others_read_it(built):
    version = open_dataset(built / "1.0.0")
    for split in version.splits:
        paths = [shard.path for shard in version.shards(split)]
        expected = [r for path in paths for r in records_of(path)]
        reader = open_split(version, split)
        assert reader.records == sum(version.records[split])
        found = list(reader.in_order(batch_size=7).unbatch().as_numpy_iterator())
        assert [f["image_id"].decode() for f in found] == [r.image_id for r in expected]
        assert [f["image"].tobytes() for f in found] == [r.image for r in expected]
        labels = np.concatenate([y for _, y in reader.epochs(0, 1, seed=0, batch_size=16)])
        counted = np.bincount(labels, minlength=len(version.labels.names))
        assert tuple(counted) == version.records[split]


def records_of(path: Path) -> list:
    with path.open("rb") as stream:
        return [builds.decode_record(data) for _, data in builds.read_frames(stream)]


def run_python(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=builds.ROOT,
        env=builds.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


LEAVING = """
import sys
from pathlib import Path
from tests.trainer_records import SPLIT, made_up, write_version
from trainer.input import open_split

version = write_version(Path(sys.argv[1]), [made_up(600)])
batches = iter(open_split(version, SPLIT, cache="stream").epochs(0, 1000, seed=0, batch_size=32))
next(batches)
print("taken")
"""


@pytest.mark.slow
def test_a_process_that_ends_while_records_are_read_ends_well(tmp_path):
    done = run_python(LEAVING, tmp_path / "made-up")
    assert (done.returncode, done.stdout) == (0, "taken\n"), done.stderr


REPLICAS = """
import sys
from pathlib import Path
import tensorflow as tf
from tests.trainer_records import SPLIT, made_up, numbers_of, write_version
from trainer.input import open_split

(cpu,) = tf.config.list_physical_devices("CPU")
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
version = write_version(Path(sys.argv[1]), [made_up(300)])
for cache in ("ram", "stream"):
    batches = open_split(version, SPLIT, cache=cache).epochs(0, 2, seed=0, batch_size=64)
    shared = iter(strategy.experimental_distribute_dataset(batches))
    for images, _ in batches:
        parts = strategy.experimental_local_results(next(shared)[0])
        assert [len(part) for part in parts] == [len(images) // 2] * 2
        found = [int(n) for part in parts for n in numbers_of(part)]
        assert found == numbers_of(images).tolist(), (found, numbers_of(images))
print("alike")
"""


@pytest.mark.slow
def test_two_replicas_share_the_batch_of_one(tmp_path):
    done = run_python(REPLICAS, tmp_path / "made-up")
    assert (done.returncode, done.stdout) == (0, "alike\n"), done.stderr[-3000:]


def test_windows_hold_what_is_said():
    assert WINDOW_CHUNKS * CHUNK_RECORDS == 8192


def test_an_unknown_cache_is_refused(version):
    with pytest.raises(UsageError, match="wanted one of auto, ram, stream as cache, got 'disk'"):
        open_split(version, SPLIT, cache="disk")


@pytest.mark.parametrize("spare", [-1, 0])
def test_a_split_is_kept_where_half_of_the_memory_holds_it(version, spare):
    memory = 2 * sum(SIZES) * 16384 + spare
    assert open_split(version, SPLIT, memory=memory).in_memory is (spare == 0)


def test_a_split_that_does_not_fit_is_refused(version):
    assert not open_split(version, SPLIT, cache="stream", memory=0).in_memory
    with pytest.raises(UsageError, match=r"wanted 0\.01 GB of memory for the split train"):
        open_split(version, SPLIT, cache="ram", memory=sum(SIZES) * 16384 - 1)
