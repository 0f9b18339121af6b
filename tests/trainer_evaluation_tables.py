"""Tables of predictions, made by hand or drawn."""

import numpy as np
from hypothesis import strategies as st

from trainer.evaluation.predictions import Predictions

CRYSTALS = frozenset({1, 2})  # of three labels

# (image, group, label, probabilities of the labels) of each record
ROWS = [
    ("a", "g1", 0, (0.6, 0.3, 0.1)),
    ("b", "g2", 1, (0.5, 0.4, 0.1)),
    ("c", "g3", 2, (0.7, 0.25, 0.05)),
    ("b", "g2", 1, (0.1, 0.8, 0.1)),
    ("d", "g1", 0, (0.2, 0.5, 0.3)),
]


def table_of(rows) -> Predictions:
    """Returns a table of (image, group, label, probabilities) rows."""
    images = [row[0] for row in rows]
    return Predictions(
        image_id=np.array(images, object),
        group=np.array([row[1] for row in rows], object),
        variant=np.array([images[:n].count(name) for n, name in enumerate(images)], np.int32),
        copies=np.array([images.count(name) for name in images], np.int32),
        label=np.array([row[2] for row in rows], np.int32),
        logits=np.log(np.array([row[3] for row in rows])).astype(np.float32),
        parameters=1,
    )


@st.composite
def tables(draw, *, most_images: int = 8) -> Predictions:
    """Tables of few groups and few different logits: many ties, and labels that are not there."""
    labels = draw(st.integers(2, 4))
    images = draw(st.integers(1, most_images))
    logit = st.integers(-4, 4).map(lambda n: n / 2)
    rows = []
    for image in range(images):
        group, label = draw(st.integers(0, 3)), draw(st.integers(0, labels - 1))
        for _ in range(draw(st.integers(1, 3))):
            logits = draw(st.lists(logit, min_size=labels, max_size=labels))
            rows.append((f"i{image}", f"g{group}", label, np.exp(logits)))
    return table_of(draw(st.permutations(rows)))


def simulated(images: int, *, labels: int = 10, seed: int = 0) -> Predictions:
    """Returns predictions of a classifier that is too sure, on rare labels with more copies."""
    rng = np.random.default_rng(seed)
    prior = np.arange(labels, 0, -1.0) ** 2
    label = np.sort(rng.choice(labels, images, p=prior / prior.sum()))[rng.permutation(images)]
    counts = np.bincount(label, minlength=labels)
    copies = np.maximum(1, counts.max() // np.maximum(1, counts))[label]
    image = np.repeat(np.arange(images), copies)
    sure = rng.normal(size=(images, labels)) + 2.5 * np.eye(labels)[label]
    logits = 5 * (sure[image] + rng.normal(size=(len(image), labels)) / 2)
    return Predictions(
        image_id=np.array([f"i{n:06d}" for n in image], object),
        group=np.array([f"g{n // 3:06d}" for n in image], object),
        variant=np.concatenate([np.arange(n) for n in copies]).astype(np.int32),
        copies=copies[image].astype(np.int32),
        label=label[image].astype(np.int32),
        logits=logits.astype(np.float32),
        parameters=1,
    )
