"""What a build refuses to commit: too many rejects, and leaks where none may be.

What is refused is listed beside the versions; the finished shards stay in the pool.
"""

import collections
from collections.abc import Mapping
from pathlib import Path

from pipeline.commit import write_leaks, write_rejects
from pipeline.errors import BuildError
from pipeline.leaks import Leaks
from pipeline.results import Results
from schemas.dataset import LEAKS_FILE, REJECTS_FILE


def check_rejects(results: Results, *, most: float, folder: Path) -> None:
    """Checks that few images could not be used.

    Args:
        results: what the pool holds.
        most: share of the images that may be rejects, 0 to 1.
        folder: where they are listed if they are more.

    Raises:
        BuildError: if they are more.
    """
    reasons = collections.Counter(reject.reason for _, _, reject in results.rejects())
    images = sum(len(shard.images) for shard in results.plan.shards)
    if reasons.total() <= most * images:
        return
    listed = folder / REJECTS_FILE
    write_rejects(results, listed)
    by_reason = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    raise BuildError(
        f"{reasons.total()} of {images} images could not be used ({by_reason}), more than "
        f"--max-reject-fraction {most:g} allows; they are listed in "
        f"{listed}; mend them or allow more, then run the same command again (what is done is kept)"
    )


def check_leaks(leaks: Leaks, folder: Path) -> None:
    """Checks that no picture stands in two splits.

    Args:
        leaks: what was found.
        folder: where they are listed if there are any.

    Raises:
        BuildError: if there are any.
    """
    if sum(_leaks(leaks.counts())):
        write_leaks(leaks, folder / LEAKS_FILE)
        refuse_leaks(leaks.counts(), folder / LEAKS_FILE)


def refuse_leaks(counts: Mapping[str, int], listed: Path) -> None:
    """Raises BuildError if there are leaks.

    Args:
        counts: as from `Leaks.counts`.
        listed: the file that lists them.
    """
    exact, near = _leaks(counts)
    if exact + near:
        raise BuildError(
            f"images stand in more than one split ({exact} exact duplicates, {near} "
            f"near-duplicates), which --fail-on-leaks does not allow; they are listed in {listed}; "
            "give both groups of each line the group of its column mend, then run the same "
            "command again (what is done is kept)"
        )


def _leaks(counts: Mapping[str, int]) -> tuple[int, int]:
    return counts["exact"], counts["near"]
