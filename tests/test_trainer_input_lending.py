"""Memory that is lent again only when nobody has any part of it."""

import numpy as np
import pytest

from trainer.input.lending import ImageMemory


def place(images: np.ndarray) -> int:
    return images.__array_interface__["data"][0]


@pytest.mark.parametrize("records", [0, 1, 100, 3000])
def test_images_have_their_shape_and_lie_as_tensorflow_wants_them(records):
    images = ImageMemory().images(records)
    assert images.shape == (records, 128, 128, 1)
    assert images.dtype == np.uint8
    assert images.flags.c_contiguous
    assert images.flags.writeable
    assert place(images) % 64 == 0


def test_memory_is_lent_again_when_it_is_back():
    memory = ImageMemory()
    images = memory.images(100)
    first = place(images)
    del images
    assert place(memory.images(90)) == first


def test_memory_is_not_lent_while_any_view_of_it_is_left():
    memory = ImageMemory()
    images = memory.images(100)
    first = place(images)
    view = images[20:].reshape(-1, 16384)[:, 1:].T[5:7]
    del images
    others = [memory.images(100) for _ in range(3)]
    assert first not in map(place, others)
    assert len(set(map(place, others))) == 3
    del view
    assert place(memory.images(100)) == first


def test_a_tensor_keeps_the_memory():
    import tensorflow as tf

    memory = ImageMemory()

    def images():
        lent = memory.images(8)
        lent[:] = 7
        yield lent

    spec = tf.TensorSpec([None, 128, 128, 1], tf.uint8)
    dataset = tf.data.Dataset.from_generator(images, output_signature=spec)
    (tensor,) = [batch[4:] for batch in dataset]
    for _ in range(3):
        memory.images(8)[:] = 0
    assert np.all(tensor.numpy() == 7)


def test_larger_memory_is_other_memory():
    memory = ImageMemory()
    small = memory.images(10)
    first = place(small)
    small[:] = 1
    del small
    large = memory.images(5000)
    large[:] = 2  # all of it is there
    assert place(large) != first
