"""Leaks: pictures that stand in two splits, so that what is tested was trained on.

Exact duplicates have the same content, near-duplicates look alike. Both are mended by
giving the two drops one group: groups are never parted.
"""

import collections
import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.likeness_bits import pack
from pipeline.near import find_near
from pipeline.results import Results

EXACT, NEAR, LABEL_CONFLICT = KINDS = ("exact", "near", "label-conflict")
_PAIRS_AT_A_TIME = 1 << 14


class SeenImage(NamedTuple):
    """An image with records, as far as leaks go.

    Attributes:
        image_id, split, label, group: as in the catalog.
        content_digest: of its source, hexadecimal.
        likeness: of its plate, hexadecimal.
    """

    image_id: str
    split: str
    label: str
    group: str
    content_digest: str
    likeness: str


class Leak(NamedTuple):
    """Two images that should not be parted, or not differ in their label.

    Attributes:
        kind: one of `KINDS`.
        distance: bits in which the likenesses differ.
        image_id, split, label, group: the image first by name.
        other_image_id, other_split, other_label, other_group: the other one.
        mend: the group that all images of both groups should be given; "" where a group
            mends nothing.
    """

    kind: str
    distance: int
    image_id: str
    split: str
    label: str
    group: str
    other_image_id: str
    other_split: str
    other_label: str
    other_group: str
    mend: str


@dataclasses.dataclass(frozen=True)
class Leaks:
    """What was found of a version.

    Attributes:
        rows: exact duplicates across splits, then near ones, then label conflicts. Each
            image that leaks is there with the likest one of another split. Two images of one
            split stand there where mending what is tied to one of them would part them.
        copies: images that are exact copies of an earlier one of their split and label.
    """

    rows: tuple[Leak, ...] = ()
    copies: int = 0

    def counts(self) -> dict[str, int]:
        """Returns how many there are of each kind, for `metadata.json`."""
        parted = collections.Counter(row.kind for row in self.rows if row.split != row.other_split)
        conflicts = sum(row.kind == LABEL_CONFLICT for row in self.rows)
        return {
            "exact": parted[EXACT],
            "near": parted[NEAR],
            "label_conflicts": conflicts,
            "copies_within_splits": self.copies,
        }


def seen_images(results: Results) -> Iterator[SeenImage]:
    """Gives every image with records."""
    labels = results.plan.recipe.labels.names
    for shard, report in zip(results.plan.shards, results.reports, strict=True):
        for image_id, stored in report.images.items():
            yield SeenImage(
                image_id,
                shard.key.split,
                labels[stored.label],
                stored.group,
                stored.content_digest,
                stored.likeness,
            )


def find_leaks(images: Iterable[SeenImage]) -> Leaks:
    """Returns the leaks and the label conflicts among images, whatever their order.

    Given the groups that mend them, the same images have no leak any more.
    """
    pictures: dict[str, list[SeenImage]] = collections.defaultdict(list)  # by content
    for image in sorted(images):
        pictures[image.content_digest].append(image)
    classes: dict[str, list[Sequence[SeenImage]]] = collections.defaultdict(list)  # by likeness
    for same in pictures.values():
        classes[same[0].likeness].append(same)
    names = sorted(classes)
    alike = [classes[name] for name in names]
    near = find_near(pack(names))
    near = near[np.argsort(near[:, 2], kind="stable")]  # the likest first

    links = _Links()
    for one in alike:
        for contents in one:
            links.join_all(EXACT, contents)
        links.join_all(NEAR, [contents[0] for contents in one])
    for i, j, bits in _each(near):
        links.join(NEAR, bits, alike[i][0][0], alike[j][0][0])
    mends = links.mends()

    rows = {*_parted(alike, near, mends), *_conflicts(pictures.values(), mends)}
    named = {group for row in rows if row.mend for group in (row.group, row.other_group)}
    for kind, bits, image, other in links.tree:
        if image.group in mends and not {image.group, other.group} <= named:
            rows.add(_row(kind, bits, image, other, mends))
    ordered = sorted(rows, key=lambda row: (KINDS.index(row.kind), row))
    return Leaks(tuple(ordered), _copies(pictures.values()))


class _Links:
    """Groups joined by images that are duplicates of one another.

    Attributes:
        tree: the links that joined groups that nothing had joined before.
    """

    def __init__(self) -> None:
        self.tree: list[tuple[str, int, SeenImage, SeenImage]] = []
        self._above: dict[str, str] = {}
        self._split: dict[str, str] = {}

    def join_all(self, kind: str, images: Sequence[SeenImage]) -> None:
        """Joins images that do not differ."""
        for image, other in itertools.pairwise(images):
            self.join(kind, 0, image, other)

    def join(self, kind: str, bits: int, image: SeenImage, other: SeenImage) -> None:
        """Joins the groups of two images; the name of what is joined is the smallest."""
        low, high = sorted((self._root(image), self._root(other)))
        if low != high:
            self._above[high] = low
            self.tree.append((kind, bits, image, other))

    def mends(self) -> dict[str, str]:
        """Returns the new group of each group that is joined to one of another split."""
        groups = {group: self._top(group) for group in self._above}
        splits = collections.defaultdict(set)
        for group, root in groups.items():
            splits[root].add(self._split[group])
        return {group: root for group, root in groups.items() if len(splits[root]) > 1}

    def _root(self, image: SeenImage) -> str:
        self._split[image.group] = image.split
        self._above.setdefault(image.group, image.group)
        return self._top(image.group)

    def _top(self, group: str) -> str:
        while self._above[group] != group:
            self._above[group] = self._above[self._above[group]]
            group = self._above[group]
        return group


def _parted(
    alike: Sequence[Sequence[Sequence[SeenImage]]],
    near: np.ndarray,
    mends: Mapping[str, str],
) -> Iterator[Leak]:
    """Gives each image that leaks with the likest one of another split.

    Args:
        alike: images by likeness, then by content.
        near: pairs of those, as from `find_near`.
        mends: the groups that leak, with their new group.
    """
    firsts = {  # of those alone that leak: a few among all
        place: _first_of_splits(image for same in one for image in same)
        for place, one in enumerate(alike)
        if any(image.group in mends for same in one for image in same)
    }
    offers: dict[int, dict[str, tuple[int, SeenImage]]] = {
        place: {split: (0, image) for split, image in first.items()}
        for place, first in firsts.items()
    }
    for i, j, bits in _each(near):
        if i in firsts and j in firsts:  # both leak or none does: they are joined
            for here, there in ((i, j), (j, i)):
                for split, image in firsts[there].items():
                    offer = (bits, image)
                    offers[here][split] = min(offers[here].get(split, offer), offer)
    for place, offered in offers.items():
        for same in alike[place]:
            exact = _first_of_splits(same)
            for image in same:
                if image.group not in mends:
                    continue
                twins = [twin for split, twin in exact.items() if split != image.split]
                others = [found for split, found in offered.items() if split != image.split]
                if twins:
                    yield _row(EXACT, 0, image, min(twins), mends)
                elif others:
                    bits, other = min(others)
                    yield _row(NEAR, bits, image, other, mends)


def _conflicts(pictures: Iterable[Sequence[SeenImage]], mends: Mapping[str, str]) -> Iterator[Leak]:
    """Gives each image with an exact duplicate of another label, with the first of those."""
    for same in pictures:
        firsts = {image.label: image for image in reversed(same)}
        if len(firsts) > 1:
            for image in same:
                others = [other for label, other in firsts.items() if label != image.label]
                yield _row(LABEL_CONFLICT, 0, image, min(others), mends)


def _each(pairs: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Gives the rows of an array, some thousands of which are lists at a time."""
    for start in range(0, len(pairs), _PAIRS_AT_A_TIME):
        yield from pairs[start : start + _PAIRS_AT_A_TIME].tolist()


def _first_of_splits(images: Iterable[SeenImage]) -> dict[str, SeenImage]:
    """Returns the first image by name of each split."""
    firsts: dict[str, SeenImage] = {}
    for image in images:
        firsts[image.split] = min(firsts.get(image.split, image), image)
    return firsts


def _row(
    kind: str, bits: int, image: SeenImage, other: SeenImage, mends: Mapping[str, str]
) -> Leak:
    first, second = sorted((image, other))
    return Leak(kind, bits, *first[:4], *second[:4], mends.get(first.group, ""))


def _copies(pictures: Iterable[Sequence[SeenImage]]) -> int:
    return sum(len(same) - len({(image.split, image.label) for image in same}) for same in pictures)
