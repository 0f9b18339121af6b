"""Records and framing against TensorFlow itself, which the pipeline never loads."""

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import Record, encode_record
from schemas.tfrecord import frame
from tests.strategies import records


def of_bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def of_number(value: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def to_features(record: Record) -> dict[str, tf.train.Feature]:
    return {
        "image": of_bytes(record.image),
        "label": of_number(record.label),
        "image_id": of_bytes(record.image_id.encode()),
        "group": of_bytes(record.group.encode()),
        "variant": of_number(record.variant),
        "copies": of_number(record.copies),
        "render_key": of_bytes(record.render_key.encode()),
    }


def delimited(content: bytes) -> bytes:
    """Returns content as field 1 of a message, such as an Example's features."""
    return tf.train.BytesList(value=[content]).SerializeToString()


@given(records)
def test_a_record_is_the_example_with_its_features_in_the_order_of_their_names(record):
    # Feature by feature: given all at once, releases of protobuf differ in the order of
    # names of which one begins with the other (upb puts "image_id" before "image").
    features = sorted(to_features(record).items())
    entries = (
        tf.train.Features(feature={name: feature}).SerializeToString(deterministic=True)
        for name, feature in features
    )
    assert encode_record(record) == delimited(b"".join(entries))


@given(records)
def test_tensorflow_reads_a_record(record):
    example = tf.train.Example(features=tf.train.Features(feature=to_features(record)))
    encoded = encode_record(record)
    assert tf.train.Example.FromString(encoded) == example
    assert len(encoded) == len(example.SerializeToString(deterministic=True))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("framing") / "shard.tfrecord"


@settings(max_examples=20)
@given(contents=st.lists(st.binary(max_size=300), max_size=6))
def test_frames_are_what_tensorflow_writes_and_reads(path, contents):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for content in contents:
            writer.write(content)
    framed = b"".join(map(frame, contents))
    assert path.read_bytes() == framed
    path.write_bytes(framed)
    assert [data.numpy() for data in tf.data.TFRecordDataset(str(path))] == contents
