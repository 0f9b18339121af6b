"""The optimizer of a recipe and its learning rate at each step."""

import math

import keras

from trainer.recipes import Recipe


@keras.saving.register_keras_serializable(package="crystal_plates")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """The learning rate of a recipe, a function of the step alone: so it resumes by itself."""

    def __init__(self, recipe: Recipe, steps_per_epoch: int):
        super().__init__()
        if recipe.learning_rate is None:
            raise ValueError("the recipe must be one for a network: it has no learning rate")
        self._recipe = recipe
        self._steps_per_epoch = steps_per_epoch
        self._peak = recipe.learning_rate

    def __call__(self, step: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the rate of a step, counted from 0, as a float32 scalar."""
        recipe, ops = self._recipe, keras.ops
        # counted in epochs only where that is a fraction of the whole: float32 holds every step
        # of an epoch, not every step of a long training
        step = ops.cast(step, "int32")
        epoch = ops.floor_divide(step, self._steps_per_epoch)
        within = ops.cast(step - epoch * self._steps_per_epoch, "float32") / self._steps_per_epoch
        if recipe.schedule == "steps":
            drops = ops.cast(ops.floor_divide(epoch, recipe.step_epochs), "float32")
            rate = self._peak * ops.power(recipe.step_factor, drops)
        else:
            begun = ops.cast(epoch, "float32") + within - recipe.warmup_epochs
            share = ops.maximum(begun, 0.0) / (recipe.epochs - recipe.warmup_epochs)
            rate = self._peak * 0.5 * (1.0 + ops.cos(math.pi * ops.minimum(share, 1.0)))
        if recipe.warmup_epochs:
            warmup = math.ceil(recipe.warmup_epochs * self._steps_per_epoch)
            risen = ops.cast(step + 1, "float32") / warmup
            rate = ops.where(step < warmup, self._peak * risen, rate)
        return rate

    def get_config(self) -> dict[str, object]:
        """Returns what makes the schedule again."""
        return {"recipe": self._recipe.to_json(), "steps_per_epoch": self._steps_per_epoch}


def make_optimizer(recipe: Recipe, schedule: Schedule) -> keras.optimizers.Optimizer:
    """Returns the optimizer of a recipe. It bounds no gradient: the step does."""
    if recipe.optimizer == "sgd":
        return keras.optimizers.SGD(schedule, momentum=recipe.momentum)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=recipe.weight_decay or 0.0)
    # what has one value a channel is an offset or a scale: shrinking it bounds nothing
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
