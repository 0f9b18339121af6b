"""What changed between a version and a plan, and the work that it makes."""

import collections
import contextlib
import dataclasses
from collections.abc import Iterable, Mapping

from pipeline.errors import BuildError
from pipeline.plan import DatasetPlan
from pipeline.pool import Pool, StoredImage
from schemas.shards import PlannedImage, ShardPlan


@dataclasses.dataclass(frozen=True)
class Difference:
    """What is new in a plan, against a version.

    Attributes:
        relabelled: (label before, label now) to number of images, labels by name.
        added: images that the version has not, its rejects included.
        removed: images that only the version has.
        touched: images whose source may be another, by its fingerprint.
        copies_gained, copies_lost: variants that images of both gain and lose.
    """

    relabelled: Mapping[tuple[str, str], int]
    added: int
    removed: int
    touched: int
    copies_gained: int
    copies_lost: int


@dataclasses.dataclass(frozen=True)
class Work:
    """What there is to do for the shards that are missing.

    Attributes:
        sources: images to open.
        records_to_render: records to make from them, if no touched source proves equal.
        records_to_reuse: records to take over.
    """

    sources: int = 0
    records_to_render: int = 0
    records_to_reuse: int = 0


class Known:
    """The images of a version that lie in shards which a plan does not share.

    Args:
        pool: the pool of the dataset.
        names: names of those shards.
    """

    def __init__(self, pool: Pool, names: Iterable[str]):
        self.stored: dict[str, StoredImage] = {}
        self.rejects: set[str] = set()
        for name in names:
            report = None
            with contextlib.suppress(BuildError):
                report = pool.report(name)
            if report:  # else it is damaged, or was removed by hand: its records will be rendered
                self.stored.update(report.images)
                self.rejects.update(reject.image_id for reject in report.rejects)


def find_difference(
    plan: DatasetPlan, shards: Iterable[ShardPlan], known: Known, *, names_before: list[str]
) -> Difference:
    """Returns what is new in a plan.

    Args:
        plan: the plan.
        shards: those of its shards that the version has not.
        known: the images of the version's shards that the plan has not.
        names_before: the version's labels, by index.
    """
    names = plan.recipe.labels.names
    relabelled: collections.Counter[tuple[str, str]] = collections.Counter()
    counts: collections.Counter[str] = collections.Counter()
    left = known.stored.keys() | known.rejects
    for image in (image for shard in shards for image in shard.images):
        if image.image_id not in left:
            counts["added"] += 1
            continue
        left.discard(image.image_id)
        stored = known.stored.get(image.image_id)
        if stored is None:
            continue
        before, now = names_before[stored.label], names[image.label]
        if before != now:
            relabelled[before, now] += 1
        counts["touched"] += stored.fingerprint != image.fingerprint
        counts["gained"] += max(0, image.copies - stored.copies)
        counts["lost"] += max(0, stored.copies - image.copies)
    return Difference(
        dict(relabelled.most_common()),
        added=counts["added"],
        removed=len(left),
        touched=counts["touched"],
        copies_gained=counts["gained"],
        copies_lost=counts["lost"],
    )


def find_work(shards: Iterable[ShardPlan], known: Known | None) -> Work:
    """Returns the work that shards make.

    Args:
        shards: the shards to write.
        known: the images whose records may be taken over, or None if the pixels differ.
    """
    counts: collections.Counter[str] = collections.Counter()
    for image in (image for shard in shards for image in shard.images):
        reused = _reusable(image, known.stored.get(image.image_id) if known else None)
        counts["reuse"] += reused
        counts["render"] += image.copies - reused
        counts["sources"] += reused < image.copies
    return Work(counts["sources"], counts["render"], counts["reuse"])


def _reusable(image: PlannedImage, stored: StoredImage | None) -> int:
    if stored is None or stored.fingerprint != image.fingerprint:
        return 0
    return min(image.copies, stored.copies)
