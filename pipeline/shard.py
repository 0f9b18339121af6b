"""The shard step: from a plan to a finished shard in the pool."""

import contextlib
from collections.abc import Iterator

from pipeline import progress
from pipeline.pool import Pool, Reject, ShardReport, StoredImage
from pipeline.reuse import Base, BaseRecords
from pipeline.spool import Spool
from pipeline.tasks import RenderTask, VariantConfig
from pipeline.workers import RenderWorkers
from schemas.recipe import Recipe
from schemas.shards import PlannedImage, ShardPlan

# While one is put in order and synced, the other's images keep the worker processes busy.
SHARDS_AT_A_TIME = 2


def build_shard(
    plan: ShardPlan,
    *,
    pool: Pool,
    recipe: Recipe,
    workers: RenderWorkers,
    base: Base | None = None,
) -> ShardReport:
    """Builds one shard, unless the pool has it, and returns its report.

    The same plan gives the same bytes whoever builds it, however often, and whatever
    was taken over from a base.
    """
    report = pool.report(plan.name)
    if report is not None:
        return report
    with (
        contextlib.closing(BaseRecords(base, pool=pool, recipe=recipe)) as records,
        pool.spool() as spool,
    ):
        step = _ShardStep(plan, spool, records)
        for outcome in workers.render(step.tasks(), VariantConfig.of(recipe)):
            if isinstance(outcome, Reject):
                step.rejects.append(outcome)
                progress.TALLY.add(images=1, opened=1, rejects=1)
            else:
                spool.add(outcome.image_id, outcome.framed)
                step.keep(outcome.image_id, outcome.content_digest, outcome.likeness)
                progress.TALLY.add(images=1, opened=1, rendered=len(outcome.framed))
        return pool.commit(
            plan.name, spool, seed=recipe.seed, images=step.images, rejects=step.rejects
        )


class _ShardStep:
    """What is known of a shard while it is built."""

    def __init__(self, plan: ShardPlan, spool: Spool, records: BaseRecords):
        self.images: dict[str, StoredImage] = {}
        self.rejects: list[Reject] = []
        self._plan = plan
        self._planned = {image.image_id: image for image in plan.images}
        self._spool = spool
        self._records = records

    def keep(self, image_id: str, content_digest: str, likeness: str) -> None:
        """Notes that all records of an image are in the spool."""
        image = self._planned[image_id]
        self.images[image_id] = StoredImage(
            image.label, image.group, image.copies, image.fingerprint, content_digest, likeness
        )

    def tasks(self) -> Iterator[RenderTask]:
        """Takes over what it can, and gives a task for each source that must be opened."""
        for image in self._plan.images:
            task = self._taken_over(image)
            if task:
                yield task

    def _taken_over(self, image: PlannedImage) -> RenderTask | None:
        shard = self._records.find(image, key=self._plan.key)
        if shard is None:
            return RenderTask(image)
        taken = self._records.take_over(image, shard)
        # should the source prove to be another, its records will take the place of these
        self._spool.refer(image.image_id, taken.places)
        self._spool.add(image.image_id, taken.patched)
        variants = taken.variants()
        stored = shard.images[image.image_id]
        if len(variants) == image.copies and stored.fingerprint == image.fingerprint:
            self.keep(image.image_id, stored.content_digest, stored.likeness)
            progress.TALLY.add(images=1)
            return None
        return RenderTask(image, variants, stored.content_digest, stored.likeness)
