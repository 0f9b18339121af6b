"""Facts for reports, made by hand from real parts: a drawn plate, real variants, real quotas."""

import dataclasses

import numpy as np

from pipeline.augment import sample_augmentation
from pipeline.balance import balance
from pipeline.decode import Plate
from pipeline.leaks import KINDS, Leak
from pipeline.render import render
from pipeline.report import ReportFacts
from pipeline.sheet import SheetImage
from schemas.draws import uniform
from schemas.labels import LabelSet
from schemas.recipe import BalanceConfig, Recipe

TRAIN = (20, 288, 150, 9, 210, 16, 6, 34, 51, 26)  # images of each of the ten labels
SHARES = {"train": 1.0, "validation": 0.1, "test": 0.2}
REJECT = ("plate-3/drop-2", "plates/3/2.jpg", "clear", "train", "truncated", "12 bytes missing")

# What a name could do to a page. None may do anything but stand there.
SCRIPT = "<script>document.title = 'broken'; alert(1)</script>"
HANDLER = '"onmouseover="alert(2)" x=\''
CLOSER = "</style></title><img src=https://example.com/x.png onerror=alert(3)>"
TURNED = "abc\u202efdp.exe\u2066\u200f"
ENTITY = "&lt;b&gt; &amp; {braces} %s ${name}"
LONG = "<b>" + "x" * 10_000
HOSTILE = (SCRIPT, HANDLER, CLOSER, TURNED, ENTITY, LONG)


def make_facts(
    recipe: Recipe | None = None,
    *,
    train: tuple[int, ...] = TRAIN,
    rejects: tuple[tuple[str, ...], ...] = (),
    pictures: bool = False,
) -> ReportFacts:
    """Returns the facts of a version.

    Args:
        recipe: its recipe.
        train: images of each label in the training split; the others have a share of it.
        rejects: as in `ReportFacts`.
        pictures: whether there is a contact sheet.
    """
    recipe = recipe or Recipe()
    names = recipe.labels.names
    planned = {
        split: [max(1, round(n * share)) if n else 0 for n in train]
        for split, share in SHARES.items()
    }
    quotas = balance(planned, recipe.balance)
    rejected = [(split, label) for _, _, label, split, _, _ in rejects]
    images = {
        split: [n - rejected.count((split, name)) for n, name in zip(ns, names, strict=True)]
        for split, ns in planned.items()
    }
    records = {
        split: [round(n * q) for n, q in zip(ns, quotas.by_split[split], strict=True)]
        for split, ns in images.items()
    }
    shards = [
        {"key": f"{split}-00000-of-00001", "records": sum(ns), "bytes": 16_600 * sum(ns)}
        for split, ns in records.items()
    ]
    metadata = {
        "format": 1,
        "name": "drops",
        "version": "1.0.1",
        "parent": "1.0.0",
        "tool_version": "0.1.0",
        "created": "2024-05-06T07:08:09+00:00",
        "recipe": recipe.to_json(),
        "recipe_digest": recipe.digest(),
        "digests": {key: key[0] * 64 for key in ("shards", "images", "labels")},
        "planned_images": planned,
        "images": images,
        "records": records,
        "quotas": {split: list(numbers) for split, numbers in quotas.by_split.items()},
        "capped": [list(pair) for pair in quotas.capped],
        "bytes": sum(shard["bytes"] for shard in shards),
        "shards": shards,
        "build": {
            "seconds": 83.4,
            "cores": 2,
            "images_opened": 810,
            "records_rendered": 2900,
            "shards_written": 2,
            "shards_kept": 1,
            "manifest": "/data/plates/plates.csv",
            "runner": "DirectRunner",
            "stages": {"plan": 0.31, "shards": 81.0, "commit": 2.09},
        },
    }
    sheet = make_sheet(recipe, images["train"]) if pictures else []
    return ReportFacts(metadata, rejects, sheet)


def hostile_facts() -> ReportFacts:
    """Returns facts with something hostile wherever a name or a text can be."""
    labels = LabelSet("hostile" + SCRIPT, HOSTILE, frozenset(HOSTILE[:2]))
    rejects = [(text, text, text, "train", text, text) for text in HOSTILE]
    facts = make_facts(
        Recipe(labels=labels, balance=BalanceConfig(max_copies=3)),
        train=(20, 288, 150, 9, 30, 0),
        rejects=tuple(rejects[:5]),
        pictures=True,
    )
    sheet = [
        dataclasses.replace(image, image_id=HOSTILE[number % len(HOSTILE)])
        for number, image in enumerate(facts.sheet)
    ]
    build = {"manifest": LONG, "runner": SCRIPT, "stages": dict.fromkeys(HOSTILE, 1.0)}
    metadata = {
        **facts.metadata,
        "name": SCRIPT,
        "version": CLOSER,
        "parent": HANDLER,
        "tool_version": TURNED,
        "created": ENTITY,
        "recipe_digest": LONG,
        "digests": dict.fromkeys(HOSTILE, SCRIPT),
        "build": build,
    }
    leaks = [
        Leak(kind, 7, text, "train", text, text, text, "test", text, text, text)
        for text in HOSTILE
        for kind in KINDS
    ]
    return ReportFacts(metadata, rejects, sheet, leaks)


def make_sheet(recipe: Recipe, images: list[int]) -> list[SheetImage]:
    """Returns up to four images of each label with up to four of their variants."""
    most = max(images)
    return [
        _sheet_image(recipe, name, f"plate-{number}/{chr(65 + label)}{number + 1}", most // n)
        for label, (name, n) in enumerate(zip(recipe.labels.names, images, strict=True))
        for number in range(min(4, n))
    ]


def _sheet_image(recipe: Recipe, label: str, image_id: str, copies: int) -> SheetImage:
    plate = _draw_plate(image_id)
    variants = tuple(
        render(
            plate,
            sample_augmentation(recipe.seed, image_id, variant=number, config=recipe.augment),
            recipe.render,
        )
        for number in range(min(4, copies))
    )
    return SheetImage(label, image_id, copies, variants)


def _draw_plate(name: str) -> Plate:
    """Returns a drop as a camera might see it: 1280x960 at half scale."""
    y, x = np.mgrid[:480, :640]
    centre = 320 + 60 * (uniform(0, name, "x") - 0.5), 240 + 60 * (uniform(0, name, "y") - 0.5)
    radius = 110 + 60 * uniform(0, name, "radius")
    distance = np.hypot(x - centre[0], y - centre[1])
    light = 150 + 40 * np.cos((x + y) / 40 + 6 * uniform(0, name, "light"))
    light = light + 25 * (distance < radius) - 90 * (np.abs(distance - radius) < 6)
    return Plate(np.clip(light, 0, 255).astype(np.uint8), width=1280, height=960, reduction=2)
