"""Where a version comes from, how long it took, and how it is loaded."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.report import wording
from pipeline.report.facts import ReportFacts
from pipeline.report.markup import Html, code_block, cut, element, given, joined, measure, table
from schemas.dataset import METADATA_FILE
from schemas.records import RECORD_SIDE

_Row = tuple[str, str]


def loading_section(facts: ReportFacts) -> Html:
    """Returns programs that load the version."""
    return element(
        "section",
        element("h2", "Load it"),
        element(
            "div",
            element("div", element("h3", "TensorFlow Datasets"), code_block(_tfds_lines(facts))),
            element("div", element("h3", "tf.data"), code_block(_tf_data_lines(facts))),
            class_="programs",
        ),
        id="load",
    )


def origin_section(facts: ReportFacts) -> Html:
    """Returns the manifest, the recipe and the digests."""
    metadata = facts.metadata
    whole = element("a", METADATA_FILE, href=METADATA_FILE)
    return element(
        "section",
        element("h2", "What it was built from"),
        table("Source", ("Item", "Value"), _source_rows(metadata)),
        table("Recipe", ("Field", "Value"), _recipe_rows(metadata["recipe"])),
        table("Digests", ("Of", "Digest"), _digest_rows(metadata)),
        element("p", joined(["All of it, with every shard's digest: ", whole, "."]), class_="note"),
        id="origin",
    )


def timing_section(facts: ReportFacts) -> Html:
    """Returns what the build did, and for how long."""
    build = facts.metadata["build"]
    stages: Mapping[str, float] = build.get("stages", {})
    parts = [table("Work", ("Item", "Value"), _work_rows(build))]
    if stages:
        total = max(sum(stages.values()), 1e-9)
        rows = (
            (given(stage), measure(wording.duration(seconds), seconds / total))
            for stage, seconds in stages.items()
        )
        parts.append(table("Stages", ("Stage", "Time"), rows))
    return element("section", element("h2", "Timing"), *parts, id="timing")


def _first_split(facts: ReportFacts) -> str:
    """Returns the first split that has a record: TFDS knows no others."""
    records: Mapping[str, list[int]] = facts.metadata["records"]
    return next((split for split, numbers in records.items() if any(numbers)), "train")


def _folder_line(facts: ReportFacts) -> str:
    return f"FOLDER = {json.dumps(facts.metadata['version'])}  # that of this page"


def _tfds_lines(facts: ReportFacts) -> list[str]:
    split = _first_split(facts)
    return [
        "import tensorflow_datasets as tfds",
        "",
        _folder_line(facts),
        "builder = tfds.builder_from_directory(FOLDER)",
        f'{split} = builder.as_dataset(split="{split}", as_supervised=True)',
    ]


def _tf_data_lines(facts: ReportFacts) -> list[str]:
    split = _first_split(facts)
    shards = json.dumps(f"/{facts.metadata['name']}-{split}.tfrecord-*")
    return [
        "import tensorflow as tf",
        "",
        _folder_line(facts),
        "FEATURES = {",
        '    "image": tf.io.FixedLenFeature([], tf.string),',
        '    "label": tf.io.FixedLenFeature([], tf.int64),',
        "}",
        "",
        "def parse(record):",
        "    parsed = tf.io.parse_single_example(record, FEATURES)",
        '    pixels = tf.io.decode_raw(parsed["image"], tf.uint8)',
        f'    return tf.reshape(pixels, [{RECORD_SIDE}, {RECORD_SIDE}, 1]), parsed["label"]',
        "",
        f"pattern = FOLDER + {shards}",
        "files = sorted(tf.io.gfile.glob(pattern))",
        f"{split} = tf.data.TFRecordDataset(files).map(parse)",
    ]


def _source_rows(metadata: Mapping[str, Any]) -> Iterator[_Row]:
    build = metadata["build"]
    yield "Manifest", given(str(build.get("manifest", "unknown")), 300)
    origins = metadata.get("origins", {})
    if origins:
        numbers = (
            f"{cut(name)}: {wording.count(number, 'image')}" for name, number in origins.items()
        )
        yield "Where its plates come from", given("; ".join(numbers), 300)
    yield "Parent version", given(metadata["parent"] or "none, the first one")
    yield "Created", given(wording.moment(metadata["created"]))
    yield "Tool version", given(metadata["tool_version"])


def _recipe_rows(recipe: Mapping[str, Any]) -> Iterator[_Row]:
    labels, split, balance = recipe["labels"], recipe["split"], recipe["balance"]
    augment = recipe["augment"]
    yield "Seed", str(recipe["seed"])
    named = wording.count(len(labels["names"]), "label")
    crystals = wording.count(len(labels["crystal_names"]), "crystal label")
    yield "Label set", joined([given(labels["name"]), f": {named}, {crystals}"])
    yield (
        "Split",
        ", ".join(f"{name} {wording.percent(share)}" for name, share in split.items()),
    )
    yield "Balanced splits", given(balance["mode"])
    for field, name in (
        ("target_per_class", "Records wanted of a label"),
        ("total_records", "Records wanted in all"),
        ("max_copies", "Most copies of an image"),
    ):
        if balance[field] is not None:
            yield name, wording.count(balance[field])
    yield "Largest turn", f"{augment['max_rotation']:g}° either way"
    yield "Chance of each flip", wording.percent(augment["flip_probability"])
    yield "Fill of empty corners", given(recipe["render"]["fill"])
    yield "Records in a shard, at most", wording.count(recipe["records_per_shard"])
    yield "Format and kernel", f"{recipe['format_version']} and {recipe['kernel_version']}"


def _digest_rows(metadata: Mapping[str, Any]) -> Iterator[_Row]:
    names = {"shards": "All records", "images": "Images", "labels": "Images, labels, splits"}
    for key, digest in metadata["digests"].items():
        yield given(names.get(key, key)), element("code", given(digest))
    yield "Recipe", element("code", given(metadata["recipe_digest"]))


def _work_rows(build: Mapping[str, Any]) -> Iterator[_Row]:
    images, records = build.get("images_opened", 0), build.get("records_rendered", 0)
    yield "Images opened", wording.count(images)
    yield "Records rendered", wording.count(records)
    yield "Shards written", wording.count(build.get("shards_written", 0))
    yield "Shards kept from before", wording.count(build.get("shards_kept", 0))
    seconds = build.get("stages", {}).get("shards", build.get("seconds", 0))
    if images:
        yield "Images a second", wording.rate(images, seconds)
        yield "Records a second", wording.rate(records, seconds)
    if "cores" in build:
        yield "Cores", wording.count(build["cores"])
    if "runner" in build:
        yield "Runner", given(str(build["runner"]))
    if "seconds" in build:
        yield "Time in all", wording.duration(build["seconds"])
