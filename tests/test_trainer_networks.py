"""The table of networks, and what is refused before anything is built."""

import math

import pytest

from tests.test_architecture import loaded_by
from trainer.errors import UsageError
from trainer.networks import INITS, NETWORKS, Network, find_network, gaussian_deviation


def test_the_table_is_the_papers_table_1():
    titles = [network.title for network in NETWORKS.values()]
    assert titles == [
        *("CrystalNet", "LCN", "AlexNet", "VGG-16", "VGG-19"),
        *("Inception-V3", "ResNet-32", "ResNet-56"),
    ]
    assert all(name == network.name for name, network in NETWORKS.items())


def test_what_is_a_guess_says_so():
    guessed = {name for name, network in NETWORKS.items() if network.reconstruction}
    assert guessed == {"crystalnet", "lcn"}


def test_the_lean_one_is_about_half_of_crystalnet():
    assert NETWORKS["lcn"].parameters / NETWORKS["crystalnet"].parameters == pytest.approx(
        0.486, abs=0.0005
    )


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        *(("resnet-56", "resnet56"), ("ResNet32", "resnet32"), ("VGG_19", "vgg19")),
        *(("inception", "inception_v3"), ("cristalnet", "crystalnet"), ("alex net", "alexnet")),
    ],
)
def test_an_unknown_network_is_told_the_nearest(name, nearest):
    with pytest.raises(UsageError, match=f"{name!r}; did you mean {nearest}?") as caught:
        find_network(name)
    assert all(known in str(caught.value) for known in NETWORKS)


@pytest.mark.parametrize("name", ["", "?"])
def test_a_name_like_none_is_told_all(name):
    with pytest.raises(UsageError, match="There are crystalnet, lcn, "):
        find_network(name)


@pytest.mark.parametrize(
    ("init", "deviation"),
    [("he_normal", None), ("glorot_uniform", None), ("gaussian:0.01", 0.01), ("gaussian:2", 2.0)],
)
def test_an_init_is_read(init, deviation):
    assert gaussian_deviation(init) == deviation


@pytest.mark.parametrize(
    "init",
    [
        *("", "he", "gaussian", "gaussian:", "gaussian:SD", "gaussian:0", "gaussian:-1"),
        *("gaussian:nan", "gaussian:inf", "0.01", INITS[2]),
    ],
)
def test_another_init_is_refused(init):
    with pytest.raises(
        UsageError, match="wanted an init of he_normal, glorot_uniform, gaussian:SD"
    ):
        gaussian_deviation(init)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"learning_rate": 0}, {"learning_rate": math.nan}, {"weight_decay": -1e-4}),
        *({"clip_norm": 0}, {"clip_norm": math.nan}),
    ],
)
def test_a_row_is_checked(wrong):
    right = {
        **{"name": "n", "title": "N", "reconstruction": False, "parameters": 1},
        **{"learning_rate": 0.1, "clip_norm": None, "weight_decay": 0, "smallest_side": 32},
    }
    Network(**right)
    with pytest.raises(ValueError, match="n: "):
        Network(**{**right, **wrong})


def test_the_table_loads_no_keras():
    assert not loaded_by("import trainer.networks") & {"keras", "tensorflow", "numpy"}
