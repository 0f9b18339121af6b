"""What a run ran on: commit, versions, device. No host name, no path, no user."""

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from schemas.atomic import write_atomic
from trainer.run_config import RUN_FORMAT
from trainer.run_folder import ENVIRONMENT_FILE, RunFolder
from trainer.training.device import Device

_PACKAGES = ("crystal-plates", "tensorflow", "keras", "numpy")
_COMMIT = "GIT_COMMIT"  # set where the code is installed without its checkout, as in a container
# What must be the same for the same bits.
_BINDING = ("commit", "versions", "device", "replicas", "python")


def describe_environment(device: Device, *, from_epoch: int) -> dict[str, Any]:
    """Returns what a session of a run runs on, as kept in `environment.json`."""
    return {
        "from_epoch": from_epoch,
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "device": device.title,
        "replicas": device.replicas,
    }


def note_session(run: RunFolder, device: Device, *, from_epoch: int) -> list[str]:
    """Adds a session to the run's environment.

    Returns:
        What is not as it was in the session before: the bits may then differ from those of a
        run that nothing stopped.
    """
    now = describe_environment(device, from_epoch=from_epoch)
    before = run.environment
    content = {"format": RUN_FORMAT, "sessions": [*run.sessions, now]}
    write_atomic(run.folder / ENVIRONMENT_FILE, json.dumps(content, indent=2) + "\n")
    if not before or not from_epoch:
        return []
    return [f"{key} {before[key]} -> {now[key]}" for key in _BINDING if before[key] != now[key]]


def _commit() -> str | None:
    """Returns the commit of this code, with a "+" where files were changed since."""
    if os.environ.get(_COMMIT):
        return os.environ[_COMMIT]
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():  # else a checkout around an installation would answer
        return None
    commit = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}+" if commit and changed else commit


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(root), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
