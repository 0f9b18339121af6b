"""Flips and quarter turns of images on the device: exact, and drawn anew at each step."""

import numpy as np
import tensorflow as tf

TURNS = 8  # of the square: four quarter turns, each with and without a flip


def draw_turns(count: int, *, seed: int, step: tf.Tensor) -> tf.Tensor:
    """Returns int32 [count], each 0 to 7: a pure function of the seed and the step."""
    seeds = tf.stack([tf.constant(seed, tf.int64), tf.cast(step, tf.int64)])
    # named, since each kind of device and compiler would choose another generator
    return tf.random.stateless_uniform(
        [count], seeds, minval=0, maxval=TURNS, dtype=tf.int32, alg="philox"
    )


def turn(images: tf.Tensor, turns: tf.Tensor) -> tf.Tensor:
    """Returns square images, each turned as its number says.

    Bit 0 transposes, bit 1 flips left and right, bit 2 up and down: together all eight. Pixels
    move and keep their values.

    Args:
        images: [n, side, side, 1]; the side must be known when the graph is built.
        turns: int32 [n].
    """
    side = images.shape[1]
    table = tf.constant(_sources(side))
    pixels = tf.reshape(images, [-1, side * side])
    turned = tf.gather(pixels, tf.gather(table, turns), batch_dims=1)
    return tf.reshape(turned, [-1, side, side, 1])


def _sources(side: int) -> np.ndarray:
    """Returns where each pixel of each turn comes from: int32 [8, side * side]."""
    places = np.arange(side * side, dtype=np.int32).reshape(side, side)
    found = []
    for number in range(TURNS):
        way = places.T if number & 1 else places
        way = way[:, ::-1] if number & 2 else way
        found.append((way[::-1] if number & 4 else way).ravel())
    return np.stack(found)
