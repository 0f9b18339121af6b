"""The command line: help that helps, wrong uses that are told in a line."""

import subprocess
import sys

import pytest

from pipeline.cli import main
from tests.builds import ROOT, build_arguments, environment, run

COMMANDS = ("demo", "manifest", "plan", "build", "verify", "diff", "prune")


def test_help_names_every_command():
    done = run("--help")
    assert done.returncode == 0
    for name in COMMANDS:
        assert f"\n    {name} " in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_a_help_that_reads_well(name, capsys):
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert f"usage: python -m pipeline {name}" in text
    assert "--debug" in text
    assert "%%" not in text
    assert "None" not in text
    assert "==SUPPRESS==" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_every_flag_of_build_has_a_help(capsys):
    with pytest.raises(SystemExit):
        main(["build", "--help"])
    lines = capsys.readouterr().out.split("options:")[1].splitlines()
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("  -") and not line.startswith("   "):
            told = len(line.split("  ")) > 2 or below.startswith(" " * 10)
            assert told, f"no help for {line.strip()}"


def test_no_command_is_a_wrong_use():
    done = run()
    assert done.returncode == 2
    assert "usage:" in done.stderr


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--split", "80/5"], "--split wants three shares such as 80/5/15, got '80/5'"),
        (["--split", "a/b/c"], "--split wants three shares"),
        (["--split", "0/0/0"], "--split wants three shares"),
        (["--split", "nan/1/1"], "--split wants three shares"),
        (["--split=-80/5/175"], "--split wants three shares"),
        (["--seed", "-1"], "seed must be 0 to 2**63 - 1, got -1"),
        (["--seed", str(2**63)], "seed must be 0 to 2**63 - 1"),
        (["--labels", "nowhere.json"], "wanted a label set (marco4, paper10) or a JSON file"),
        (["--max-reject-fraction", "1.5"], "max_reject_fraction must be 0 to 1, got 1.5"),
        (["--max-reject-fraction", "nan"], "max_reject_fraction must be 0 to 1"),
        (["--processes", "0"], "processes must be 1 or more, got 0"),
        (["--records-per-shard", "0"], "records_per_shard must be 1 or more"),
        (["--target-per-class", "0"], "target_per_class must be 1 or more"),
        (["--max-copies", "-2"], "max_copies must be 1 or more"),
        (["--max-rotation", "181"], "max_rotation must be 0 to 180 degrees"),
        (["--flip-probability", "-0.1"], "flip_probability must be 0 to 1"),
        (["--name", "two words"], "letters, digits and underscores"),
    ],
)
def test_a_value_out_of_range_is_a_wrong_use_told_in_a_line(plates, tmp_path, capsys, flags, told):
    code = main([*map(str, build_arguments(plates, tmp_path / "drops")), *flags])
    assert code == 2
    output = capsys.readouterr()
    assert output.err.startswith("error: ")
    assert output.err.count("\n") == 1
    assert told in output.err
    assert not (tmp_path / "drops").exists()


@pytest.mark.parametrize(
    "flags",
    [
        ["--seed", "abc"],
        ["--fill", "white"],
        ["--balance", "some"],
        ["--target-per-class", "5", "--total-records", "9"],
        ["--no-such-flag"],
        ["--records-per-shrad", "4"],
        ["surplus"],
    ],
)
@pytest.mark.parametrize("name", ["plan", "build"])
def test_a_flag_that_is_none_is_a_wrong_use(plates, tmp_path, capsys, name, flags):
    with pytest.raises(SystemExit) as end:
        main([name, *map(str, build_arguments(plates, tmp_path / "drops")[1:]), *flags])
    assert end.value.code == 2
    told = capsys.readouterr().err
    assert flags[0] in told
    assert not (tmp_path / "drops").exists()


def test_an_engine_that_does_not_exist_is_told_in_a_line(plates, tmp_path):
    done = run(*build_arguments(plates, tmp_path / "drops", "--runner", "NoSuchRunner"))
    assert done.returncode in (1, 2)
    assert done.stderr.count("\n") == 1
    assert "NoSuchRunner" in done.stderr


def test_a_manifest_of_a_folder_can_be_built(plates, tmp_path):
    from tests.plates import draw_plate

    for number in range(4):
        label = "clear" if number % 2 else "Large_Crystals"
        draw_plate(tmp_path / "scans" / label / f"{number}.jpg", number)
    done = run("manifest", tmp_path / "scans")
    assert done.returncode == 0
    assert done.stdout == f"4 images listed in {tmp_path / 'scans' / 'plates.csv'}\n"
    done = run(*build_arguments(tmp_path / "scans" / "plates.csv", tmp_path / "drops"))
    assert done.returncode == 0
    assert "version 1.0.0: 4 images" in done.stdout


def test_the_name_of_a_dataset_comes_from_its_folder(plates, tmp_path):
    flags = ["--manifest", plates, "--out", tmp_path / "2024 drops", "--records-per-shard", 32]
    assert run("build", *flags).returncode == 0
    names = {path.name for path in (tmp_path / "2024 drops" / "1.0.0").glob("*.tfrecord-*")}
    assert "plates_2024_drops-test.tfrecord-00000-of-00001" in names


def test_output_that_nobody_reads_shows_no_traceback(plates, tmp_path):
    command = f"{sys.executable} -m pipeline plan --manifest {plates} --out {tmp_path / 'd'} | true"
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=ROOT,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
