"""What `trainer evaluate` tells a person: the main numbers as text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_VIEWS = {
    "balanced": "every record once (the paper's way)",
    "natural": "every image once",
    "per_image": "an image's variants averaged",
    "per_group": "averaged, every group once",
}


def evaluation_text(facts: Mapping[str, Any]) -> str:
    """Returns the numbers that matter most of an `evaluation.json`."""
    return "\n".join(_lines(facts))


def share_text(fact: Mapping[str, float | None] | None) -> str:
    """Returns a share with its interval, in percent.

    >>> share_text({"value": 0.8143, "low": 0.8101, "high": 0.8186})
    '81.4 (81.0-81.9)'
    >>> share_text({"value": 1.0, "low": None, "high": None}), share_text(None)
    ('100.0', '-')
    """
    if fact is None:
        return "-"
    value, low, high = fact["value"], fact["low"], fact["high"]
    between = "" if low is None or high is None else f" ({100 * low:.1f}-{100 * high:.1f})"
    return f"{100 * (value or 0):.1f}{between}"


def _lines(facts: Mapping[str, Any]) -> Iterator[str]:
    title = facts["title"] + (" (reconstruction)" if facts["reconstruction"] else "")
    yield f"{title}, best epoch {facts['best_epoch']} of {facts['epochs']}, on {_data(facts)}"
    yield f"percent, with 95 % intervals of {facts['bootstrap']['resamples']:,} resamples of groups"
    for split, found in facts["splits"].items():
        yield ""
        yield (
            f"{split}: {found['records']:,} records of {found['images']:,} images in "
            f"{found['groups']:,} groups"
        )
        yield from _views(found["views"])
        yield from _crystals(found["crystal"])
        yield _calibration(found["calibration"])


def _data(facts: Mapping[str, Any]) -> str:
    data = facts["evaluated_on"]
    text = f"{data['name']} {data['version']}"
    if data["digest"] != facts["trained_on"]["digest"]:
        trained = facts["trained_on"]
        text += f" (trained on {trained['name']} {trained['version']}, other records)"
    if facts["drawn"]:
        text += "; drawn plates: these numbers say nothing of micrographs"
    return text


def _views(views: Mapping[str, Any]) -> list[str]:
    header = ["", "top-1", "top-2", "top-3", "mean recall", "crystals missed", "false alarms"]
    rows = []
    for name, view in views.items():
        if view is not None:
            first = view["missed_crystals"][0]
            shares = [*view["top"], view["macro_recall"], first["missed"], first["false_alarms"]]
            rows.append([_VIEWS[name], *map(share_text, shares)])
    return _table([header, *rows])


def _crystals(crystal: Mapping[str, Any] | None) -> Iterator[str]:
    if crystal is None:
        yield "no ranking by P(crystal): crystals and others are not both there"
        return
    facts = crystal["natural"]
    yield (
        f"P(crystal) of one view of each image: ROC AUC {share_text(facts['roc']['auc'])}, "
        f"{100 * facts['prevalence']:.1f} % have crystals"
    )
    for row in facts["workload"]:
        if row["threshold"] is not None:
            yield (
                f"  for {100 * row['recall']:g} % of crystals look at "
                f"{row['images_per_1000']['value']:.0f} of 1,000 images; "
                f"found: {share_text(row['achieved_recall'])} "
                f"(threshold from {row['chosen_on']:,} crystals of validation)"
            )


def _calibration(facts: Mapping[str, Any]) -> str:
    text = f"calibration error {100 * facts['ece']:.1f}"
    if facts["temperature"] is None:
        return text
    return f"{text}, {100 * facts['ece_after']:.1f} with temperature {facts['temperature']:.2f}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns the lines of a table: first column left, others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
