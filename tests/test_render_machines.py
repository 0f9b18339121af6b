"""The same bytes on any machine: less capable processors, other releases of the libraries.

Every test computes digests in a fresh process, which differs in one respect, and
compares them with those below and with this process's.
"""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TypedDict

import cv2
import numpy as np
import PIL
import pytest
from numpy._core import _multiarray_umath as numpy_core
from PIL import Image

from pipeline.augment import Augmentation
from pipeline.decode import Plate, decode_plate
from pipeline.render import render
from schemas.recipe import FILLS, RenderConfig

ROOT = Path(__file__).parent.parent
LIBRARIES = ("numpy", "opencv-python-headless", "pillow")
ANGLES = (0.0, 1e-7, 12.3, 44.999999, 45.0, 90.0, 134.99, 215.5, 300.7, 359.999)
PLATES = ((1280, 960, 2), (1281, 967, 2), (2532, 2028, 4), (128, 200, 1), (300, 129, 1),
          (9001, 3999, 8))  # fmt: skip

GOLDEN = {
    "1280x960 black": "5db25f1d3bbac564",
    "1280x960 edge": "4a213eba4b4e7852",
    "1280x960 reflect": "91cb3e99e9596a67",
    "1281x967 black": "af916a2cef0ef675",
    "1281x967 edge": "aac98cf798f68c75",
    "1281x967 reflect": "f18ca9b993622aa6",
    "2532x2028 black": "cfb709788dcabd1d",
    "2532x2028 edge": "ae5a20ebaad15945",
    "2532x2028 reflect": "037a304d934d64aa",
    "128x200 black": "6ebf95a540b9b061",
    "128x200 edge": "7564fa1f71f3f746",
    "128x200 reflect": "021c480c88f963e7",
    "300x129 black": "18529a5f0e496c8a",
    "300x129 edge": "7560cf7e5faa7587",
    "300x129 reflect": "b9213cd119d8378a",
    "9001x3999 black": "0483dbe32da4f762",
    "9001x3999 edge": "6481fe44d57842d0",
    "9001x3999 reflect": "ff4aabfad41c9857",
}


def drawn_plate(width: int, height: int, reduction: int) -> Plate:
    """Returns noise, in which the slightest change of a position shows."""
    shape = (-(-height // reduction), -(-width // reduction))
    stream = hashlib.shake_128(f"{width}x{height}".encode()).digest(shape[0] * shape[1])
    return Plate(np.frombuffer(stream, np.uint8).reshape(shape), width, height, reduction)


def render_digests() -> dict[str, str]:
    digests = {}
    for size in PLATES:
        plate = drawn_plate(*size)
        for fill in FILLS:
            pixels = [render(plate, Augmentation(a), RenderConfig(fill)) for a in ANGLES]
            digest = hashlib.sha256(np.stack(pixels).tobytes()).hexdigest()
            digests[f"{size[0]}x{size[1]} {fill}"] = digest[:16]
    return digests


def decode_digests(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(decode_plate(path.read_bytes()).pixels.tobytes()).hexdigest()
        for path in sorted(folder.iterdir())
    }


class Description(TypedDict):
    """What a process makes of plates, and what it is."""

    render: dict[str, str]
    decode: dict[str, str]
    versions: list[str]
    features: str


def describe(folder: Path) -> Description:
    return {
        "render": render_digests(),
        "decode": decode_digests(folder),
        "versions": [np.__version__, cv2.__version__, PIL.__version__],
        "features": cv2.getCPUFeaturesLine(),
    }


def describe_elsewhere(folder: Path, **environment: str) -> Description:
    """Returns what a fresh process makes of plates."""
    path = os.pathsep.join((environment.pop("PYTHONPATH", ""), str(ROOT))).strip(os.pathsep)
    program = (
        "import json, pathlib, sys\n"
        "from tests.test_render_machines import describe\n"
        "print(json.dumps(describe(pathlib.Path(sys.argv[1]))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT,
        env={**os.environ, **environment, "PYTHONPATH": path},
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of image files of all formats, in colour and in gray, of two scales."""
    folder = tmp_path_factory.mktemp("files")
    for width, height in ((1290, 970), (333, 222)):
        y, x = np.mgrid[:height, :width]
        noise = drawn_plate(width, height, 1).pixels // 8
        channels = (x * 190 // width, y * 190 // height, (x + y) % 190)
        colour = Image.fromarray(np.stack([c + noise for c in channels], -1).astype(np.uint8))
        variants = {
            "baseline.jpg": (colour, {"quality": 90}),
            "progressive.jpg": (colour, {"quality": 75, "progressive": True}),
            "rgb.jpg": (colour, {"quality": 90, "keep_rgb": True}),
            "cmyk.jpg": (colour.convert("CMYK"), {"quality": 90}),
            "gray.jpg": (colour.convert("L"), {"quality": 90}),
            "colour.png": (colour, {}),
            "palette.png": (colour.convert("P"), {}),
            "deep.png": (Image.fromarray((x * y % 65536).astype(np.uint16)), {}),
            "lzw.tif": (colour, {"compression": "tiff_lzw"}),
            "frame.gif": (colour.convert("P"), {}),
            "plain.bmp": (colour, {}),
        }
        for name, (image, options) in variants.items():
            stream = io.BytesIO()
            image.save(stream, Image.registered_extensions()[Path(name).suffix], **options)
            (folder / f"{width}-{name}").write_bytes(stream.getvalue())
    return folder


@pytest.fixture(scope="module")
def here(files: Path) -> Description:
    return describe(files)


def test_golden_digests(here):
    """If this fails, every dataset changes: raise KERNEL_VERSION with the new values."""
    assert here["render"] == GOLDEN


def numpy_features() -> str:
    """Returns what this processor has beyond numpy's baseline, by numpy's names."""
    found = numpy_core.__cpu_features__
    return " ".join(name for name in numpy_core.__cpu_dispatch__ if found.get(name))


@pytest.mark.parametrize(
    "environment",
    [
        {"OPENCV_CPU_DISABLE": "AVX512-SKX"},
        {"OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2,FMA3", "OPENCV_IPP": "disabled"},
        {
            "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2,FMA3,AVX,FP16,SSE4.2,SSE4.1",
            "OPENCV_IPP": "disabled",
            "NPY_DISABLE_CPU_FEATURES": numpy_features(),
            "JSIMD_FORCENONE": "1",  # the JPEG library's
        },
    ],
    ids=["without AVX-512", "without AVX2", "with nothing"],
)
def test_same_bytes_on_lesser_processors(files, here, environment):
    there = describe_elsewhere(files, **environment)
    off = {f"*{name}" for name in environment["OPENCV_CPU_DISABLE"].split(",")}
    assert not off & set(there["features"].split())  # or nothing was tested
    assert there["render"] == here["render"]
    assert there["decode"] == here["decode"]


def test_same_bytes_if_another_library_asks_for_threads(here):
    cv2.setNumThreads(8)
    try:
        assert render_digests() == here["render"]
    finally:
        cv2.setNumThreads(1)


def allowed(library: str) -> tuple[str, str]:
    """Returns the oldest and the newest release that setup.py allows, for pip."""
    text = (ROOT / "setup.py").read_text()
    found = re.search(rf'"{library}>=([\d.]+),<(\d+)"', text)
    assert found, f'setup.py should have "{library}>=OLDEST,<NEXT"'
    oldest, following = found.groups()
    pattern = oldest if "." in oldest else f"{oldest}.0"
    return f"{library}=={pattern}.*", f"{library}>={oldest},<{following}"


@pytest.mark.slow
@pytest.mark.parametrize("end", [0, 1], ids=["oldest", "newest"])
def test_same_bytes_with_the_releases_that_setup_allows(files, here, tmp_path, end):
    wanted = [allowed(library)[end] for library in LIBRARIES]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:",
         "--target", str(tmp_path), *wanted],
        check=True,
    )  # fmt: skip
    there = describe_elsewhere(files, PYTHONPATH=str(tmp_path))
    print(there["versions"])
    if end == 0:
        assert there["versions"] != here["versions"]
    assert there["render"] == here["render"]
    assert there["decode"] == here["decode"]
