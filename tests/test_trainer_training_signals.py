"""Training as a process: killed, told to stop, and what it ends with."""

import contextlib
import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from schemas.draws import uniform
from tests.builds import environment, wait_until
from tests.trainer_runs import lasting
from trainer.run_folder import RunFolder, RunState

pytestmark = pytest.mark.slow
KILLS = 10
LONGEST = 0.5  # seconds
EPOCHS = 40
# Dropout, flips, a moving rate, momentum and a running mean: see `EVERYTHING` of the runs.
FLAGS = (
    *("--arch", "crystalnet", "--width", "0.125", "--recipe", "modern", "--no-mixed-precision"),
    *("--batch-size", "16", "--warmup-epochs", "1", "--ema", "0.9"),
)


def start(version: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "trainer", "train", "--data", str(version)]
    return subprocess.Popen(
        [*command, "--out", str(out), *FLAGS, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def wait_for(process: subprocess.Popen[str], event: str) -> dict:
    """Returns the first event of a kind; the process goes on."""
    for line in process.stdout or ():
        if (told := json.loads(line))["event"] == event:
            return told
    raise AssertionError(f"no {event}: {process.communicate()[1]}")


def catches(pid: int, number: signal.Signals) -> bool:
    """Returns whether a process has a handler of a signal (SigCgt of proc(5))."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    mask = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def assert_sound(out: Path) -> RunState:
    """Checks that all that the state names is there, whole."""
    state = RunFolder.open(out).state
    for name, digest in state.files.values():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
    return state


def test_ten_kills_change_no_bit(built, tmp_path):
    """Weights, optimizer, running mean, best weights and history: the same SHA-256.

    Each kill comes at a random moment after the start or after a first or second epoch.
    """
    version, epochs = built / "1.0.0", ("--epochs", str(EPOCHS))
    whole = start(version, tmp_path / "whole", *epochs)
    out, reached = tmp_path / "killed", []
    for kill in range(KILLS):
        process = start(version, out, *epochs)
        wait_for(process, "start")
        for _ in range(int(3 * uniform(0, "epochs", kill))):
            wait_for(process, "epoch")
        time.sleep(LONGEST * uniform(0, "seconds", kill))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "it ended before the kill: more epochs"
        reached.append(assert_sound(out).epoch)
    assert reached == sorted(reached)
    assert 0 < reached[-1] < EPOCHS
    last = start(version, out, *epochs)
    for process in (last, whole):
        error = process.communicate(timeout=400)[1]
        assert process.returncode == 0, error
    assert lasting(assert_sound(out)) == lasting(assert_sound(tmp_path / "whole"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_ends_with_143_and_a_sound_checkpoint(built, tmp_path, number):
    process = start(built / "1.0.0", tmp_path / "run", "--epochs", "1000", "--deterministic")
    wait_for(process, "epoch")
    process.send_signal(number)
    out, error = process.communicate(timeout=120)
    assert process.returncode == 143, error
    stopped = json.loads(out.splitlines()[-1])
    assert (stopped["event"], stopped["exit_code"]) == ("stopped", 143)
    state = assert_sound(tmp_path / "run")
    assert state.epoch >= 1
    assert f"stopped by {number.name} in epoch {state.epoch + 1} of 1000" in stopped["message"]
    lines = error.strip().splitlines()
    assert lines == [f"error: {stopped['message']}"]  # and nothing of TensorFlow's


def test_a_signal_while_libraries_load_ends_with_143(built, tmp_path):
    process = start(built / "1.0.0", tmp_path / "run", "--epochs", "1000")
    wait_until(lambda: catches(process.pid, signal.SIGTERM), what="a handler of SIGTERM")
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 143, error
    assert "stopped by SIGTERM" in error
    with contextlib.suppress(FileNotFoundError):
        assert not list((tmp_path / "run").glob("incomplete.*"))
