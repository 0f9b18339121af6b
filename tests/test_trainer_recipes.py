"""Recipes: what they check, what a network adds, and what the command line changes."""

import argparse
import dataclasses

import pytest

from trainer.commands import train
from trainer.errors import UsageError
from trainer.networks import NETWORKS
from trainer.recipes import MODERN, PAPER, RECIPES, Recipe, recipe_from_json


def recipe_of(*flags: str) -> Recipe:
    """Returns the recipe of a command line."""
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    return train.make_recipe(parser.parse_args(["--data", "d", "--arch", "vgg16", *flags]))


def test_the_papers_recipe_is_the_papers():
    assert (PAPER.epochs, PAPER.batch_size) == (70, 64)
    assert (PAPER.optimizer, PAPER.schedule) == ("sgd", "steps")
    assert (PAPER.step_epochs, PAPER.step_factor) == (20, 0.1)
    nothing_else = (PAPER.label_smoothing, PAPER.warmup_epochs, PAPER.ema, PAPER.augment)
    assert not any((*nothing_else, PAPER.mixed_precision))


def test_recipes_are_listed_by_name():
    assert dict(RECIPES) == {"paper": PAPER, "modern": MODERN}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs must be 1 or more, got 0"),
        ({"batch_size": -1}, "batch_size must be 1 or more, got -1"),
        ({"step_epochs": 0}, "step_epochs"),
        ({"momentum": 1.0}, "momentum must be 0 or more and below 1, got 1.0"),
        ({"label_smoothing": 1.0}, "label_smoothing"),
        ({"ema": -0.1}, "ema"),
        ({"clip_norm": -1.0}, "clip_norm must be 0 or more, got -1.0"),
        ({"clip_norm": float("nan")}, "clip_norm must be 0 or more, got nan"),
        ({"weight_decay": float("inf")}, "weight_decay"),
        ({"warmup_epochs": -1.0}, "warmup_epochs"),
        ({"warmup_epochs": 70.0}, "warmup_epochs must be below epochs, got 70.0 of 70"),
        ({"step_factor": 0.0}, "step_factor must be above 0"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0, got 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"optimizer": "adam"}, "optimizer must be one of .*, got 'adam'"),
        ({"schedule": "linear"}, "schedule"),
        ({"optimizer": "adamw"}, "adamw wants a learning_rate"),
    ],
)
def test_a_value_out_of_range_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(PAPER, **change)


@pytest.mark.parametrize("init", ["gaussian", "gaussian:0", "gaussian:-1", "normal", ""])
def test_an_unknown_start_is_refused(init):
    with pytest.raises(UsageError, match="standard deviation"):
        dataclasses.replace(PAPER, init=init)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_a_recipe_is_read_as_it_was_written(recipe):
    assert recipe_from_json(recipe.to_json()) == recipe


def test_a_field_that_no_recipe_has_is_refused():
    with pytest.raises(ValueError, match="a recipe has no cutmix, mixup"):
        recipe_from_json({**PAPER.to_json(), "mixup": 0.2, "cutmix": 1.0})


def test_a_network_fills_in_what_the_recipe_leaves_open():
    assert PAPER.for_network(NETWORKS["vgg16"]) == dataclasses.replace(
        PAPER, learning_rate=0.01, clip_norm=1.0, weight_decay=0.0
    )
    assert PAPER.for_network(NETWORKS["resnet56"]) == dataclasses.replace(
        PAPER, learning_rate=0.1, clip_norm=0.0, weight_decay=1e-4
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_changes_nothing_that_is_given(name):
    given = dataclasses.replace(PAPER, learning_rate=0.3, clip_norm=0.0, weight_decay=0.0)
    assert given.for_network(NETWORKS[name]) == given
    assert MODERN.for_network(NETWORKS[name]) == MODERN


def test_without_flags_the_recipe_is_as_it_is():
    assert recipe_of() == PAPER
    assert recipe_of("--recipe", "modern") == MODERN


# One value of each field that is neither recipe's.
OTHERS = {
    "epochs": 3,
    "batch_size": 7,
    "optimizer": "adamw",
    "momentum": 0.5,
    "learning_rate": 0.123,
    "schedule": "cosine",
    "step_epochs": 5,
    "step_factor": 0.25,
    "warmup_epochs": 0.5,
    "label_smoothing": 0.05,
    "clip_norm": 2.5,
    "weight_decay": 0.01,
    "init": "gaussian:0.02",
    "augment": True,
    "mixed_precision": True,
    "ema": 0.5,
}


def test_every_value_can_be_given_on_the_command_line():
    fields = {field.name for field in dataclasses.fields(Recipe)} - {"name"}
    assert set(OTHERS) == fields
    flags = []
    for field, value in OTHERS.items():
        flag = f"--{field.replace('_', '-')}"
        flags += [flag] if value is True else [flag, str(value)]
    assert recipe_of(*flags) == dataclasses.replace(PAPER, **OTHERS)


def test_what_a_recipe_turns_on_can_be_turned_off():
    recipe = recipe_of("--recipe", "modern", "--no-augment", "--no-mixed-precision", "--ema", "0")
    assert recipe == dataclasses.replace(MODERN, augment=False, mixed_precision=False, ema=0.0)


def test_a_flag_that_cannot_be_used_is_a_usage_error():
    with pytest.raises(UsageError, match="epochs must be 1 or more, got 0"):
        recipe_of("--epochs", "0")
