"""P7: memory does not grow with the dataset."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MEGABYTE = 2**20
# Builds in the process that is measured, with one worker, and prints its largest resident set.
BUILD = """
import resource, sys
from pipeline.cli import main
if __name__ == "__main__":
    assert main(sys.argv[1:]) == 0
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def peak_memory(folder: Path, images: int) -> int:
    """Returns the largest resident set of a build, in bytes."""
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (140, 150), np.uint8)
    lines = ["uri,label,split"]
    for number in range(images):
        pixels[0, :4] = list(number.to_bytes(4, "big"))
        Image.fromarray(pixels).save(folder / f"{number}.png", compress_level=1)
        lines.append(f"{number}.png,{('clear', 'bad drop')[number % 2]},train")
    (folder / "plates.csv").write_text("\n".join(lines), encoding="utf-8")
    (folder / "build.py").write_text(BUILD, encoding="utf-8")
    command = ["build", "--manifest", "plates.csv", "--out", "drops", "--processes", "1"]
    options = ["--target-per-class", str(10 * images), "--max-copies", "4"]
    done = subprocess.run(
        [sys.executable, "build.py", *command, *options],
        cwd=folder,
        env={"PYTHONPATH": str(Path(__file__).parents[1]), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"{4 * images:,} records" in done.stdout
    return int(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_memory_does_not_grow_with_the_records(tmp_path):
    few = peak_memory(tmp_path / "few", 150)
    many = peak_memory(tmp_path / "many", 900)  # below the number that starts an engine
    records = 4 * (900 - 150) * 128 * 128
    assert many - few < records / 3, f"{(many - few) / MEGABYTE:.0f} MB more"
