"""Recipes of training: every choice that decides the weights, beside network, seed and data."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from trainer.networks import Network, gaussian_deviation

OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("steps", "cosine")
_LEAST: Mapping[str, int] = {
    **dict.fromkeys(("epochs", "batch_size", "step_epochs"), 1),
    **dict.fromkeys(("warmup_epochs", "clip_norm", "weight_decay"), 0),
}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes:
        name: what it is called in reports.
        epochs: how often every record of the training split is seen.
        batch_size: records in a step, over all devices; the last batch of an epoch is smaller.
        optimizer: "sgd" (with `momentum`) or "adamw" (betas 0.9 and 0.999).
        momentum: of SGD, 0 to 1; AdamW does not look at it.
        learning_rate: the largest one. None: the network's own, which is for SGD.
        schedule: "steps" (times `step_factor` every `step_epochs` epochs) or "cosine" (half a
            cosine from the largest down to 0 at the end).
        step_epochs, step_factor: of the schedule "steps".
        warmup_epochs: epochs in which the rate rises in a line from 0, before the schedule.
        label_smoothing: share of the target that is spread evenly over all labels, 0 to 1.
        clip_norm: largest norm of all gradients together. None: the network's own; 0: no bound.
        weight_decay: for SGD, `weight_decay * sum(w^2) / 2` joins the loss; for AdamW, weights
            shrink by this share of the learning rate at each step. None: the network's own.
        init: where weights start: "he_normal", "glorot_uniform" or "gaussian:SD".
        augment: whether images are flipped and turned by quarters on the device, anew in
            each epoch, beside what the dataset has done.
        mixed_precision: whether layers compute in bfloat16; weights stay float32.
        ema: decay of a running mean of the weights, which is what is validated and kept;
            it starts lower, (1 + step) / (10 + step). 0: none.
    """

    name: str
    epochs: int = 70
    batch_size: int = 64
    optimizer: str = "sgd"
    momentum: float = 0.9
    learning_rate: float | None = None
    schedule: str = "steps"
    step_epochs: int = 20
    step_factor: float = 0.1
    warmup_epochs: float = 0.0
    label_smoothing: float = 0.0
    clip_norm: float | None = None
    weight_decay: float | None = None
    init: str = "he_normal"
    augment: bool = False
    mixed_precision: bool = False
    ema: float = 0.0

    def __post_init__(self) -> None:
        for field, least in _LEAST.items():
            value = getattr(self, field)
            if value is not None and not least <= value < math.inf:
                raise ValueError(f"{field} must be {least} or more, got {value}")
        for field in ("momentum", "label_smoothing", "ema"):
            value = getattr(self, field)
            if not 0 <= value < 1:
                raise ValueError(f"{field} must be 0 or more and below 1, got {value}")
        for field, choices in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            value = getattr(self, field)
            if value not in choices:
                raise ValueError(f"{field} must be one of {choices}, got {value!r}")
        if not 0 < self.step_factor <= 1:
            raise ValueError(f"step_factor must be above 0 and at most 1, got {self.step_factor}")
        self._check_start()

    def _check_start(self) -> None:
        gaussian_deviation(self.init)  # refuses what is no way to start
        if self.learning_rate is not None and not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be above 0, got {self.learning_rate}")
        if self.optimizer == "adamw" and self.learning_rate is None:
            raise ValueError("adamw wants a learning_rate: the networks' own are for sgd")
        if self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"warmup_epochs must be below epochs, got {self.warmup_epochs} of {self.epochs}"
            )

    def to_json(self) -> dict[str, Any]:
        """Returns the recipe as `recipe_from_json` reads it."""
        return dataclasses.asdict(self)

    def for_network(self, network: Network) -> "Recipe":
        """Returns the recipe with a network's own values where it has none."""
        own: dict[str, Any] = {
            "learning_rate": network.learning_rate,
            "clip_norm": network.clip_norm or 0.0,
            "weight_decay": network.weight_decay,
        }
        missing = {field: value for field, value in own.items() if getattr(self, field) is None}
        return dataclasses.replace(self, **missing)


def recipe_from_json(value: Mapping[str, Any]) -> Recipe:
    """Returns the recipe that `Recipe.to_json` wrote.

    Raises:
        ValueError: if it is none; says which field.
    """
    known = {field.name for field in dataclasses.fields(Recipe)}
    if surplus := sorted(value.keys() - known):
        raise ValueError(f"a recipe has no {', '.join(surplus)}")
    return Recipe(**value)


# What the paper gives (Ghafurian et al., section 3.2): SGD with momentum, batches of 64, 70
# epochs, a tenth of the learning rate every 20, Gaussian weights at the start, the weights of the
# best validation epoch. It leaves open: learning rate and bound (each network's own, see
# `trainer.models.NETWORKS`), momentum (0.9, as in TFLearn's examples, which it started from) and
# the Gaussian's width (He et al. 2015: sqrt(2 / inputs); with one fixed width, plain VGG stays at
# chance).
PAPER = Recipe("paper")

# What the field does today at the same cost: AdamW (Loshchilov & Hutter 2019), cosine with
# warm-up (2017), label smoothing (Szegedy et al. 2016), bfloat16, a running mean of the weights.
# A plate has no up and no handedness, so its eight flips and quarter turns are as good as it.
MODERN = Recipe(
    "modern",
    optimizer="adamw",
    learning_rate=5e-4,
    schedule="cosine",
    warmup_epochs=3.0,
    label_smoothing=0.1,
    clip_norm=1.0,
    weight_decay=0.05,
    augment=True,
    mixed_precision=True,
    ema=0.9999,
)

RECIPES: Mapping[str, Recipe] = {recipe.name: recipe for recipe in (PAPER, MODERN)}
