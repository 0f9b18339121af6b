"""What became of the images of a plan, read from the reports of its shards."""

import dataclasses
import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence

from pipeline.errors import BuildError
from pipeline.plan import DatasetPlan
from pipeline.pool import Reject, ShardReport
from schemas.draws import encode_names
from schemas.shards import PlannedImage, ShardPlan

_OUR_FAULT = "this is a fault of the engine or of this program, please report it"


@dataclasses.dataclass(frozen=True)
class Results:
    """A plan and the reports of all its shards, proved to agree.

    Attributes:
        plan: the plan.
        reports: the report of each shard, in the plan's order.
    """

    plan: DatasetPlan
    reports: Sequence[ShardReport]

    def __post_init__(self) -> None:
        for shard, report in zip(self.plan.shards, self.reports, strict=True):
            _check_conservation(shard, report)

    def rejects(self) -> Iterator[tuple[ShardPlan, PlannedImage, Reject]]:
        """Gives every image that could not be used."""
        for shard, report in zip(self.plan.shards, self.reports, strict=True):
            images = {image.image_id: image for image in shard.images} if report.rejects else {}
            for reject in report.rejects:
                yield shard, images[reject.image_id], reject

    def images_by_split(self) -> dict[str, list[int]]:
        """Returns images with records, by split and label index."""
        sums = {split: [0] * len(self.plan.recipe.labels) for split in self.plan.counts}
        for shard, report in zip(self.plan.shards, self.reports, strict=True):
            for image in shard.images:
                sums[shard.key.split][image.label] += image.image_id in report.images
        return sums

    def records_by_split(self) -> dict[str, list[int]]:
        """Returns records written, by split and label index."""
        sums = {split: [0] * len(self.plan.recipe.labels) for split in self.plan.counts}
        for shard, report in zip(self.plan.shards, self.reports, strict=True):
            for image in report.images.values():
                sums[shard.key.split][image.label] += image.copies
        return sums

    @functools.cached_property
    def digests(self) -> Mapping[str, str]:
        """Digests of three things that a later build compares, hexadecimal.

        `shards`: all bytes of all records. `images`: which images, with which content.
        `labels`: the same with their labels, groups, splits and copies.
        """
        shards, images, labels = hashlib.sha256(), [], []
        for shard, report in zip(self.plan.shards, self.reports, strict=True):
            shards.update(encode_names(str(shard.key), report.sha256))
            reasons = {reject.image_id: reject.reason for reject in report.rejects}
            for image in shard.images:
                stored = report.images.get(image.image_id)
                content = stored.content_digest if stored else reasons[image.image_id]
                known = encode_names(image.image_id, content)
                images.append(known)
                labels.append(
                    known + encode_names(image.label, image.group, shard.key.split, image.copies)
                )
        return {
            "shards": shards.hexdigest(),
            "images": hashlib.sha256(b"".join(sorted(images))).hexdigest(),
            "labels": hashlib.sha256(b"".join(sorted(labels))).hexdigest(),
        }


def _check_conservation(shard: ShardPlan, report: ShardReport) -> None:
    """Checks that every image of a shard is in it or among its rejects, and no other.

    Raises:
        BuildError: if one is lost, or there twice.
    """
    planned = {image.image_id: image for image in shard.images}
    rejected = {reject.image_id for reject in report.rejects}
    used = report.images.keys()
    if used & rejected or used | rejected != planned.keys():
        lost = sorted(planned.keys() - used - rejected)
        raise BuildError(
            f"shard {report.name} has {len(used)} images and {len(rejected)} rejects of "
            f"{len(planned)} in the plan (lost: {', '.join(lost[:3]) or 'none'}); {_OUR_FAULT}"
        )
    for name, stored in report.images.items():
        if (stored.label, stored.copies) != (planned[name].label, planned[name].copies):
            raise BuildError(
                f"shard {report.name} has {stored.copies} records of {name!r} with label "
                f"{stored.label}, wanted {planned[name].copies} with {planned[name].label}; "
                f"{_OUR_FAULT}"
            )
    wanted = sum(planned[name].copies for name in used)
    if report.records != wanted:
        raise BuildError(
            f"shard {report.name} has {report.records} records, wanted {wanted}; {_OUR_FAULT}"
        )
