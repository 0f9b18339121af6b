"""Run folders for reports: real configs, states and evaluations, of simulated predictions.

Nothing is trained: a classifier is simulated by logits, from which the trainer's own evaluation
computes every number. So the folders are what `trainer train` and `trainer evaluate` leave.
"""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from schemas.labels import MARCO4, PAPER10, LabelSet
from schemas.recipe import RenderConfig
from trainer.evaluation import EVALUATION_FORMAT
from trainer.evaluation.evaluate import evaluate_tables
from trainer.evaluation.predictions import Predictions
from trainer.networks import NETWORKS
from trainer.recipes import PAPER
from trainer.run_folder import DataFacts, RunConfig, RunFolder, RunState

IMAGES = (20, 288, 150, 9, 210, 16, 6, 34, 51, 26)  # of each of the ten labels
MARCO_IMAGES = (60, 12, 20, 80)
LOOKALIKES = ((3, 5), (5, 9), (6, 8), (9, 6), (7, 5), (2, 4))  # of the ten, for simulation
DRAWN = {"drawn": 1054}

# What a name could do to a page. None may do anything but stand there.
SCRIPT = "<script>document.title = 'broken'; alert(1)</script>"
HANDLER = '"onmouseover="alert(2)" x=\''
CLOSER = "</style></title><img src=https://example.com/x.png onerror=alert(3)>"
TURNED = "abc\u202efdp.exe\u2066\u200f"
FORMULA = r"$\frac{a}{b}$ \unknown {{ 7 * 7 }} {% raw %} &lt;b&gt; %s"
LONG = "<b>" + "x" * 3_000
HOSTILE = (SCRIPT, HANDLER, CLOSER, TURNED, FORMULA, LONG)


@dataclasses.dataclass(frozen=True)
class Simulated:
    """A run that never was.

    Attributes:
        arch: its network.
        skill: how much it knows; 0 is a guess.
        labels: its labels.
        images: test images of each label; validation has a third of them.
        data: name and number of the version.
        origins: as of a version; drawn plates by default.
        epochs: how many of its recipe's epochs it was trained.
        seed: of the noise.
        width: of the network.
        trained_on: another version that it was trained on, or "".
    """

    arch: str = "resnet56"
    skill: float = 3.0
    labels: LabelSet = PAPER10
    images: tuple[int, ...] = IMAGES
    data: tuple[str, str] = ("drops", "1.0.0")
    origins: Mapping[str, int] = dataclasses.field(default_factory=lambda: dict(DRAWN))
    epochs: int = 70
    seed: int = 0
    width: float = 1.0
    trained_on: str = ""


def make_run(folder: Path, run: Simulated) -> Path:
    """Writes the folder of a run, evaluated, and returns it."""
    config = RunConfig(
        arch=run.arch,
        recipe=PAPER.for_network(NETWORKS[run.arch]),
        data=_data(run, run.trained_on or run.data[1]),
        labels=run.labels,
        width=run.width,
    )
    made = RunFolder.start(folder, config)
    (folder / "state.json").write_text(json.dumps(_state(run, config).to_json()))
    session = {"commit": "0123456789abcdef", "versions": {"tensorflow": "2.21.0"}, "device": "CPU"}
    (folder / "environment.json").write_text(json.dumps({"format": 1, "sessions": [session]}))
    made.evaluation.write_text(json.dumps(evaluation(run)))
    return folder


def evaluation(run: Simulated) -> dict[str, Any]:
    """Returns what `trainer evaluate` would write of a run."""
    tables = {
        split: _predictions(run, [math.ceil(n * share) for n in run.images], salt)
        for salt, (split, share) in enumerate((("validation", 1 / 3), ("test", 1.0)))
    }
    network = NETWORKS[run.arch]
    facts = {
        split: {k: v for k, v in dataclasses.asdict(_data(run, version)).items() if k in _OF_DATA}
        for split, version in (
            ("trained_on", run.trained_on or run.data[1]),
            ("evaluated_on", run.data[1]),
        )
    }
    return {
        "format": EVALUATION_FORMAT,
        "arch": run.arch,
        "title": network.title,
        "reconstruction": network.reconstruction,
        "width": run.width,
        "labels": list(run.labels.names),
        "crystal_labels": sorted(run.labels.crystal_names),
        **facts,
        "drawn": bool(run.origins.get("drawn")),
        "best_epoch": max(1, run.epochs - 4),
        "epochs": run.epochs,
        "recipe": "paper",
        "training_seconds": 83.4 * run.epochs,
        "parameters": network.parameters,
        "device": "CPU",
        "splits": evaluate_tables(tables, crystal_labels=run.labels.crystal_indices, resamples=200),
    }


_OF_DATA = ("name", "version", "digest", "origins")


def _data(run: Simulated, version: str) -> DataFacts:
    name, _ = run.data
    digest = f"{abs(sum(map(ord, name + version))):x}" * 8
    render = dataclasses.asdict(RenderConfig())
    return DataFacts(f"/data/{name}/{version}", name, version, digest, run.origins, render)


def _state(run: Simulated, config: RunConfig) -> RunState:
    history = []
    for epoch in range(1, run.epochs + 1):
        learnt = 1 - math.exp(-(epoch + 5 * (epoch > 20)) / 12)
        accuracy = 1 / len(run.labels) + 0.2 * run.skill * learnt
        loss = math.log(len(run.labels)) * (1 - 0.25 * run.skill * learnt)
        history.append(
            {
                "epoch": epoch,
                "learning_rate": 0.1,
                "loss": loss,
                "accuracy": min(0.99, 1.1 * accuracy),
                "validation_loss": 1.1 * loss + 0.05 * math.sin(epoch * (run.seed + 1)),
                "validation_accuracy": min(0.99, accuracy) - 0.02 * math.sin(epoch * 2.3),
            }
        )
    return RunState(
        epoch=run.epochs,
        best=max(of["validation_accuracy"] for of in history),
        best_epoch=max(1, run.epochs - 4),
        history=tuple(history),
        seconds=(83.4,) * run.epochs,
        finished=run.epochs == config.recipe.epochs,
    )


def _predictions(run: Simulated, images: Sequence[int], salt: int) -> Predictions:
    """Returns logits that know the true label by `skill`, and its lookalikes by half of it."""
    generator = np.random.default_rng([run.seed, salt, len(run.arch)])
    most, labels = max(images), len(run.labels)
    label_of = np.repeat(np.arange(labels), images)
    within = np.concatenate([np.arange(n) for n in images])
    copies_of = np.array(
        [most // images[y] + (w < most % images[y]) for y, w in zip(label_of, within, strict=True)]
    )
    image = np.repeat(np.arange(len(label_of)), copies_of)
    label, copies = label_of[image].astype(np.int32), copies_of[image].astype(np.int32)
    known = np.eye(labels)
    for one, other in LOOKALIKES if labels == len(PAPER10) else ():
        known[one, other] = known[other, one] = 0.55
    hard = generator.normal(0.0, 1.0, (len(label_of), labels))  # an image's own difficulty
    logits = run.skill * known[label] + hard[image] + generator.normal(0, 0.5, (len(label), labels))
    return Predictions(
        image_id=np.array([f"image-{number}" for number in image], object),
        group=np.array([f"drop-{number // 2}" for number in image], object),
        variant=(np.arange(len(image)) - np.searchsorted(image, image)).astype(np.int32),
        copies=copies,
        label=label,
        logits=(1.4 * logits).astype(np.float32),
        parameters=NETWORKS[run.arch].parameters,
    )


def make_eight(folder: Path) -> list[Path]:
    """Writes a run of each of the eight networks, on drawn plates."""
    skills = (1.6, 2.0, 1.8, 2.3, 2.2, 2.5, 2.9, 3.0)
    return [
        make_run(folder / arch, Simulated(arch, skill=skill, seed=number))
        for number, (arch, skill) in enumerate(zip(NETWORKS, skills, strict=True))
    ]


def hostile_labels() -> LabelSet:
    """Returns labels whose names are what they should not be."""
    return LabelSet("hostile", HOSTILE[:4], frozenset(HOSTILE[:1]))


__all__ = ["HOSTILE", "MARCO4", "MARCO_IMAGES", "Simulated", "make_eight", "make_run"]
