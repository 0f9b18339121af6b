"""The shard step: from a plan to a finished shard in the pool."""

import collections

from pipeline import progress
from pipeline.pool import Pool, Reject, ShardFacts, ShardReport
from pipeline.variants import VariantConfig
from pipeline.workers import RenderWorkers
from schemas.recipe import Recipe
from schemas.shards import ShardPlan, record_order


def build_shard(
    plan: ShardPlan, *, pool: Pool, recipe: Recipe, workers: RenderWorkers
) -> ShardReport:
    """Builds one shard, unless the pool has it, and returns its report.

    The same plan gives the same bytes whoever builds it, and however often.
    """
    report = pool.report(plan.name)
    if report is not None:
        return report
    contents: dict[str, str] = {}
    rejects: list[Reject] = []
    with pool.spool() as spool:
        for outcome in workers.render(plan.images, VariantConfig.of(recipe)):
            if isinstance(outcome, Reject):
                rejects.append(outcome)
                progress.TALLY.add(images=1, rejects=1)
            else:
                contents[outcome.image_id] = outcome.content_digest
                spool.add(outcome.image_id, outcome.framed)
                progress.TALLY.add(images=1, records=len(outcome.framed))
        kept = [image for image in plan.images if image.image_id in contents]
        by_label: collections.Counter[int] = collections.Counter()
        for image in kept:
            by_label[image.label] += image.copies
        order = record_order(recipe.seed, [(image.image_id, image.copies) for image in kept])
        facts = ShardFacts(
            dict(sorted(by_label.items())),
            dict(sorted(contents.items())),
            tuple(sorted(rejects, key=lambda reject: reject.image_id)),
        )
        return pool.commit(plan.name, spool, order, facts=facts)
