"""Splits: which part of the dataset a group belongs to."""

from schemas.draws import uniform
from schemas.recipe import SplitConfig


def split_of(seed: int, group: str, config: SplitConfig) -> str:
    """Returns the split of a group: "train", "validation" or "test".

    By the group's name alone: no label, row number or other row has a say, so
    correcting or adding images moves no image between splits.
    """
    drawn = uniform(seed, "split", group)
    if drawn < config.train:
        return "train"
    return "validation" if drawn < config.train + config.validation else "test"
