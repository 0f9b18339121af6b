"""`trainer bench`: its table and its file."""

import json

import pytest

from trainer.cli import main

RATES = {"loader", "step", "both", "validation"}


def test_rates_are_measured_and_written(built, tmp_path, capsys):
    flags = ["--arch", "lcn", "--width", "0.0625", "--batch-size", "8", "--seconds", "0.3"]
    file = tmp_path / "rates.json"
    given = ["bench", "--data", str(built / "1.0.0"), *flags, "--json", str(file)]
    assert main(given) == 0
    facts = json.loads(file.read_text(encoding="utf-8"))
    (rates,) = facts["networks"]
    assert rates["arch"] == "lcn"
    assert all(rates[name] > 0 for name in RATES)
    assert rates["loader"] > rates["both"]
    assert (facts["batch_size"], facts["width"]) == (8, 0.0625)
    title, head, row = capsys.readouterr().out.splitlines()
    assert "batches of 8, width 0.0625" in title
    assert head.split()[0] == "network"
    assert row.split()[0] == "LCN"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--arch", "lnc"], "did you mean lcn"),
        (["--seconds", "0"], "wanted seconds above 0"),
        (["--expect-gpus", "64"], "wanted 64 GPUs"),
    ],
)
def test_what_cannot_be_measured_is_refused(built, capsys, flags, message):
    assert main(["bench", "--data", str(built / "1.0.0"), *flags]) == 2
    assert message in capsys.readouterr().err
