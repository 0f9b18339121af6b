"""The eight networks of the paper, as facts; `trainer.models` builds them.

Loads no Keras, so that help texts, reports and wrong names cost nothing.
"""

import dataclasses
import difflib
import math
from collections.abc import Mapping
from types import MappingProxyType

from trainer.errors import UsageError

GAUSSIAN = "gaussian:"
INITS = ("he_normal", "glorot_uniform", f"{GAUSSIAN}SD")


@dataclasses.dataclass(frozen=True)
class Network:
    """One row of the table of networks.

    Attributes:
        name: as in `--arch`.
        title: as in the paper's tables.
        reconstruction: whether the widths are our guess, since no source gives them.
        parameters: all of them at ten labels, 128x128 pixels and width 1, the running means
            and variances of batch normalization included.
        learning_rate: where the paper's recipe starts. The paper gives none: these are ours.
        clip_norm: largest global norm of a step's gradient; None leaves it alone. Without
            batch normalization a first step on steep ground can end a training for good.
        weight_decay: factor of the L2 loss, wd * sum(w^2) / 2 as TFLearn counts it.
        smallest_side: least side of the input in pixels, below which a map would vanish.
    """

    name: str
    title: str
    reconstruction: bool
    parameters: int
    learning_rate: float
    clip_norm: float | None
    weight_decay: float
    smallest_side: int

    def __post_init__(self) -> None:
        if not (self.learning_rate > 0 and self.weight_decay >= 0):
            raise ValueError(f"{self.name}: wanted a learning rate > 0 and a weight decay >= 0")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(f"{self.name}: clip_norm must be above 0, got {self.clip_norm}")


def _plain(name: str, title: str, parameters: int, *, reconstruction: bool = False) -> Network:
    return Network(name, title, reconstruction, parameters, 0.01, 1.0, 0.0, 32)


def _residual(name: str, title: str, parameters: int) -> Network:
    # TFLearn's examples/images: momentum, 0.1; its residual_block: L2 1e-4
    return Network(name, title, False, parameters, 0.1, None, 1e-4, 32)


# In the order of the paper's Table 1. Neither Yann & Tang (2016) nor the LCN paper gives the
# widths of CrystalNet and LCN: those two are reconstructions.
NETWORKS: Mapping[str, Network] = MappingProxyType(
    {
        network.name: network
        for network in (
            _plain("crystalnet", "CrystalNet", 17_919_978, reconstruction=True),
            _plain("lcn", "LCN", 8_705_386, reconstruction=True),
            _plain("alexnet", "AlexNet", 37_327_562),
            _plain("vgg16", "VGG-16", 65_094_346),
            _plain("vgg19", "VGG-19", 70_404_042),
            Network("inception_v3", "Inception-V3", False, 21_822_698, 0.05, None, 0.0, 75),
            _residual("resnet32", "ResNet-32", 467_274),
            _residual("resnet56", "ResNet-56", 858_826),
        )
    }
)


def find_network(name: str) -> Network:
    """Returns a row of the table.

    Raises:
        UsageError: if there is no such network; names the nearest one.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    folded = name.casefold().replace("-", "").replace("_", "")
    known = {row.replace("_", ""): row for row in NETWORKS}
    nearest = difflib.get_close_matches(folded, known, n=1, cutoff=0.0)
    hint = f"did you mean {known[nearest[0]]}? " if nearest else ""
    raise UsageError(f"unknown network {name!r}; {hint}There are {', '.join(NETWORKS)}")


def gaussian_deviation(init: str) -> float | None:
    """Returns the standard deviation that an `init` names; None for the others of `INITS`.

    >>> gaussian_deviation("gaussian:0.01")
    0.01

    Raises:
        UsageError: if it is none of `INITS`.
    """
    if init in INITS[:2]:
        return None
    try:
        deviation = float(init.removeprefix(GAUSSIAN)) if init.startswith(GAUSSIAN) else math.nan
    except ValueError:
        deviation = math.nan
    if not 0 < deviation < math.inf:
        raise UsageError(
            f"wanted an init of {', '.join(INITS)} with a standard deviation above 0, got {init!r}"
        )
    return deviation
