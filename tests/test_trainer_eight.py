"""All eight networks by the commands: trained, stopped, resumed, evaluated, in one report."""

import csv
import json
import signal
import subprocess
import sys

import pytest

from pipeline.demo.plates import write_demo
from schemas.recipe import BalanceConfig, Recipe, SplitConfig
from tests.builds import ROOT, build_quietly, environment
from trainer.networks import NETWORKS
from trainer.run_folder import RunFolder

pytestmark = pytest.mark.slow
# Small numbers, and enough of them in each split.
RECIPE = Recipe(split=SplitConfig(0.6, 0.2, 0.2), balance=BalanceConfig(max_copies=2))
PLATES = 40


def trainer(*arguments):
    return [sys.executable, "-m", "trainer", *map(str, arguments)]


def finished(command):
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def events(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.timeout(1200)
def test_all_eight_are_trained_resumed_evaluated_and_reported(tmp_path):
    manifest = write_demo(tmp_path / "plates", images=PLATES)
    version = build_quietly(manifest, tmp_path / "drops", RECIPE).folder
    runs = tmp_path / "runs"
    train = trainer(
        *("train", "--data", version, "--arch", "all", "--out", runs, "--width", 0.0625),
        *("--epochs", 2, "--batch-size", 16),
    )

    process = subprocess.Popen(
        train, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    told = []
    for line in process.stdout:
        told.append(json.loads(line))
        if told[-1]["event"] == "epoch" and told[-1]["arch"] == "alexnet":
            process.send_signal(signal.SIGTERM)  # amid the third network
            break
    told += map(json.loads, process.stdout)
    assert process.wait(120) == 143
    assert told[-1]["event"] == "stopped"
    assert RunFolder.open(runs / "alexnet").state.epoch == 1

    told = events(finished(train))
    starts = {event["arch"]: event for event in told if event["event"] == "start"}
    assert list(starts) == list(NETWORKS)[2:]  # two were trained already
    assert starts["alexnet"]["from_epoch"] == 1
    assert starts["vgg16"]["from_epoch"] == 0
    done = [event["arch"] for event in told if event["event"] == "finished"]
    assert done == list(NETWORKS)
    for name in NETWORKS:
        assert RunFolder.open(runs / name).state.finished

    # in one process: loading TensorFlow takes longer than evaluating one of these
    loop = (
        "import sys\nfrom trainer.cli import main\n"
        "sys.exit(max(main(['evaluate', run, '--resamples', '50']) for run in sys.argv[1:]))"
    )
    text = finished([sys.executable, "-c", loop, *(str(runs / name) for name in NETWORKS)])
    assert text.count("these numbers say nothing of micrographs") == len(NETWORKS)

    out = tmp_path / "report"
    finished(trainer("report", *(runs / name for name in NETWORKS), "--out", out))
    with (out / "table1.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    titles = {network.title for network in NETWORKS.values()}
    assert titles <= {cell for row in rows for cell in row}
    assert "Drawn plates" in (out / "report.html").read_text(encoding="utf-8")
