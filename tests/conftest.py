"""Settings of all tests, and what many of them share."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import settings

# A slow machine is no fault of the code.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")


@pytest.fixture(scope="session")
def plates(tmp_path_factory) -> Path:
    """The manifest of 34 drawn plates; not to be changed."""
    from tests.plates import draw_plates

    return draw_plates(tmp_path_factory.mktemp("plates"))


@pytest.fixture(scope="session")
def built(plates, tmp_path_factory) -> Path:
    """A dataset of `plates` with the version 1.0.0; not to be changed."""
    from tests.builds import build_quietly

    out = tmp_path_factory.mktemp("built") / "drops"
    build_quietly(plates, out)
    return out


class Workshop(NamedTuple):
    """Copies of the plates and of their dataset, to be changed at will."""

    manifest: Path
    out: Path


@pytest.fixture
def workshop(plates, built, tmp_path) -> Workshop:
    """Copies of `plates` and `built` with the times of their files."""
    shutil.copytree(plates.parent, tmp_path / "plates")
    # hard links stay links: a version's shard and the pool's are one file
    subprocess.run(["cp", "-a", str(built), str(tmp_path / "drops")], check=True)
    return Workshop(tmp_path / "plates" / plates.name, tmp_path / "drops")
