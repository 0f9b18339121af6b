"""Decoding: what comes in, what is refused, and where the pixels of a plate lie."""

import concurrent.futures
import functools
import io
import os
import pickle
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.augment import Augmentation
from pipeline.decode import MOST_PIXELS, UnreadableImage, decode_plate
from pipeline.render import render
from schemas.recipe import RenderConfig
from tests.reference_render import jpeg, textured_plate

# Outside pytest the module's own filter does this; see the last test.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")

ORIENTATION_TAG = 0x0112

# By definition: what a camera that wrote this orientation did to the upright pixels.
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: np.rot90,
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def oriented(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    return exif


def gray_pixels(width: int = 150, height: int = 140) -> np.ndarray:
    """Every level occurs; no symmetry."""
    return (np.add.outer(np.arange(height) * 3, np.arange(width)) % 256).astype(np.uint8)


def rgb_pixels(width: int = 150, height: int = 140) -> np.ndarray:
    gray = gray_pixels(width, height)
    return np.stack((gray, gray[::-1], gray[:, ::-1]), axis=-1)


def luma(rgb: np.ndarray) -> np.ndarray:
    return np.asarray(rgb, np.float64) @ (0.299, 0.587, 0.114)


def distance(content: bytes, expected: np.ndarray) -> float:
    """Returns the largest difference of a plate from what is expected, in levels."""
    plate = decode_plate(content)
    assert plate.pixels.dtype == np.uint8
    assert (plate.height, plate.width) == expected.shape
    return float(np.abs(plate.pixels - np.asarray(expected, np.float64)).max())


# Pixels


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("BMP", {}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_lossless_colour_becomes_its_luma(kind, options):
    content = encode(Image.fromarray(rgb_pixels()), kind, **options)
    assert distance(content, luma(rgb_pixels())) <= 0.51


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF"])
def test_gray_stays_as_it_is(kind):
    assert distance(encode(Image.fromarray(gray_pixels()), kind), gray_pixels()) == 0


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_bilevel_becomes_black_and_white(kind):
    dots = gray_pixels() > 99
    assert distance(encode(Image.fromarray(dots), kind), dots * 255) == 0


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_keep_the_range_of_the_container(kind):
    deep = np.linspace(0, 65535, 150 * 140).astype(np.uint16).reshape(140, 150)
    assert distance(encode(Image.fromarray(deep), kind), deep / 257) <= 0.5


def test_big_endian_sixteen_bits():
    deep = np.linspace(0, 65535, 150 * 140).astype(np.uint16).reshape(140, 150)
    tags = [(256, 150), (257, 140), (258, 16), (259, 1), (262, 1), (273, 122), (277, 1),
            (278, 140), (279, deep.nbytes)]  # fmt: skip
    entries = b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in tags)
    header = struct.pack(">2sHIH", b"MM", 42, 8, len(tags)) + entries + bytes(4)
    assert distance(header + deep.astype(">u2").tobytes(), deep / 257) <= 0.5


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palette(kind):
    palette = Image.fromarray(rgb_pixels()).quantize(64)
    assert distance(encode(palette, kind), luma(np.asarray(palette.convert("RGB")))) <= 0.51


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_what_is_transparent_lies_on_black(kind):
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    alpha = np.broadcast_to(np.linspace(0, 255, 150).astype(np.uint8), (140, 150))
    content = encode(Image.fromarray(np.dstack((rgb_pixels(), alpha))), kind, **options)
    assert distance(content, luma(rgb_pixels()) * alpha / 255) <= 1


def test_transparent_palette_entry_lies_on_black():
    indices = np.zeros((140, 150), np.uint8)
    indices[:, 70:] = 1
    image = Image.fromarray(indices, "P")
    image.putpalette([200, 200, 200, 90, 90, 90])
    expected = np.where(indices == 0, 0, 90)
    assert distance(encode(image, "PNG", transparency=0), expected) == 0
    assert distance(encode(image, "GIF", transparency=0), expected) == 0


def smooth_pixels(width: int = 150, height: int = 140) -> np.ndarray:
    """A picture that JPEG keeps within a few levels."""
    y, x = np.mgrid[:height, :width]
    channels = (x * 200 / width + 20, y * 200 / height + 20, (x + y) * 200 / (width + height) + 20)
    return np.stack(channels, axis=-1).astype(np.uint8)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"subsampling": 0},
        {"subsampling": 2},
        {"keep_rgb": True},
    ],
)
def test_colour_jpeg_becomes_its_luma(options):
    image = Image.fromarray(smooth_pixels())
    content = encode(image, "JPEG", quality=98, **options)
    assert distance(content, luma(smooth_pixels())) <= 3


def test_gray_jpeg():
    gray = smooth_pixels()[..., 0]
    assert distance(encode(Image.fromarray(gray), "JPEG", quality=98), gray) <= 3


@pytest.mark.parametrize("side", [140, 960])  # at full and at reduced scale
def test_cmyk_jpeg(side):
    pixels = smooth_pixels(side + 40, side)
    content = encode(Image.fromarray(pixels).convert("CMYK"), "JPEG", quality=98)
    plate = decode_plate(content)
    step = plate.reduction
    expected = luma(pixels)[step // 2 :: step, step // 2 :: step]
    assert np.abs(plate.pixels - expected).max() <= 4


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG", "WEBP", "MPO"])
def test_first_of_several_pictures(kind):
    levels = (90, 200)
    first, second = (Image.fromarray(np.full((140, 150, 3), n, np.uint8)) for n in levels)
    content = encode(first, kind, save_all=True, append_images=[second, second])
    assert distance(content, np.full((140, 150), 90)) <= 1


# Scale


def box_means(pixels: np.ndarray, size: int) -> np.ndarray:
    """Returns the mean of each whole box, halves rounded up."""
    height, width = (side // size for side in pixels.shape)
    whole = pixels[: height * size, : width * size].astype(np.int64)
    sums = whole.reshape(height, size, width, size).sum(axis=(1, 3))
    return (2 * sums + size**2) // (2 * size**2)


@pytest.mark.parametrize(
    ("width", "height", "reduction"),
    [(1280, 960, 2), (959, 1279, 1), (963, 961, 2), (1923, 1921, 4), (4000, 3847, 8)],
)
def test_png_and_jpeg_are_reduced_alike(width, height, reduction):
    pixels = np.asarray(Image.fromarray(gray_pixels(40, 30)).resize((width, height)))
    plate = decode_plate(encode(Image.fromarray(pixels), "PNG", compress_level=1))
    assert (plate.width, plate.height, plate.reduction) == (width, height, reduction)
    assert plate.pixels.shape == (-(-height // reduction), -(-width // reduction))
    means = box_means(pixels, reduction)
    np.testing.assert_array_equal(plate.pixels[: len(means), : means.shape[1]], means)
    from_jpeg = decode_plate(encode(Image.fromarray(pixels), "JPEG", quality=98))
    assert from_jpeg.pixels.shape == plate.pixels.shape
    assert from_jpeg.reduction == reduction
    difference = from_jpeg.pixels.astype(int) - plate.pixels
    assert np.abs(difference).mean() < 1


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_orientation_is_honoured_exactly(kind, orientation):
    upright = rgb_pixels(301, 140)
    options = {"lossless": True} if kind == "WEBP" else {}
    stored = np.ascontiguousarray(STORED[orientation](upright))
    turned = encode(Image.fromarray(stored), kind, exif=oriented(orientation), **options)
    plate, expected = decode_plate(turned), decode_plate(encode(Image.fromarray(upright), "PNG"))
    assert (plate.width, plate.height, plate.reduction) == (301, 140, 1)
    np.testing.assert_array_equal(plate.pixels, expected.pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("width", "height"), [(1280, 960), (1283, 967), (1921, 1923)])
def test_upturned_jpeg_renders_where_the_upright_one_does(width, height, orientation):
    y, x = np.mgrid[:height, :width]
    upright = (128 + 60 * np.sin(x / 8) + 60 * np.sin(y / 9)).astype(np.uint8)
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    turned = encode(stored, "JPEG", quality=98, exif=oriented(orientation))
    plate = decode_plate(turned)
    assert (plate.width, plate.height) == (width, height)
    expected = decode_plate(encode(Image.fromarray(upright), "PNG", compress_level=1))
    shown, wanted = (
        render(p, Augmentation(), RenderConfig()).astype(int) for p in (plate, expected)
    )
    # A pixel of the full size to any side would give 3 and more.
    assert np.abs(shown - wanted).mean() < 1


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0garbage, no TIFF header",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\xff\xff\xff\x7f\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0\0\0\0\0",
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_damaged_exif_does_not_matter(kind, exif):
    image = Image.fromarray(smooth_pixels()[..., 0])
    content = encode(image, kind, exif=exif)
    np.testing.assert_array_equal(
        decode_plate(content).pixels, decode_plate(encode(image, kind)).pixels
    )


# Rejects


def png_header(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is huge."""

    def chunk(name: bytes, body: bytes) -> bytes:
        check = zlib.crc32(name + body)
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", check)

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100)))


REJECTS = {
    "no bytes": (b"", "empty"),
    "text": (b"This is the log of plate 17, saved as plate.jpg\n" * 20, "not-an-image"),
    "zeros": (bytes(1000), "not-an-image"),
    "html": (b"<!DOCTYPE html><html>Not found</html>", "not-an-image"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg" width="500" height="500"/>', "not-an-image"),
    "format not wanted": (encode(Image.fromarray(gray_pixels()), "PPM"), "not-an-image"),
    "jpeg, first bytes only": (jpeg(rgb_pixels())[:20], "damaged"),
    "jpeg, half": (jpeg(rgb_pixels())[:3000], "truncated"),
    "png, half": (encode(Image.fromarray(rgb_pixels()), "PNG")[:600], "truncated"),
    "tiff, half": (encode(Image.fromarray(rgb_pixels()), "TIFF")[:30000], "truncated"),
    "bomb": (png_header(60_000, 60_000), "too-large"),
    "small bomb": (png_header(10_001, 10_000), "too-large"),
    "very wide bomb": (png_header(2**31 - 1, 128), "too-large"),
    "just too small": (encode(Image.fromarray(gray_pixels(400, 127)), "PNG"), "too-small"),
    "one pixel": (encode(Image.new("L", (1, 1)), "GIF"), "too-small"),
    "32-bit": (encode(Image.new("I", (150, 140)), "TIFF"), "unsupported"),
    "floating point": (encode(Image.new("F", (150, 140)), "TIFF"), "unsupported"),
    "Lab": (encode(Image.new("LAB", (150, 140)), "TIFF"), "unsupported"),
}  # fmt: skip


@pytest.mark.parametrize("name", REJECTS)
def test_reject_has_its_reason(name):
    content, reason = REJECTS[name]
    with pytest.raises(UnreadableImage) as caught:
        decode_plate(content)
    assert caught.value.reason == reason
    assert str(caught.value) == caught.value.message != ""


def test_limits_are_the_last_that_pass():
    smallest = decode_plate(encode(Image.fromarray(gray_pixels(400, 128)), "PNG"))
    assert smallest.pixels.shape == (128, 400)
    largest = decode_plate(encode(Image.new("1", (781_250, 128)), "PNG"))
    assert largest.width * largest.height == MOST_PIXELS


def test_reject_survives_the_way_between_processes():
    error = pickle.loads(pickle.dumps(UnreadableImage("truncated", "what came")))
    assert (error.reason, str(error)) == ("truncated", "what came")


# Hostile files


@functools.cache
def small_files() -> dict[str, bytes]:
    colour, gray = Image.fromarray(rgb_pixels(160, 130)), Image.fromarray(gray_pixels(160, 130))
    return {
        "jpeg": encode(colour, "JPEG", exif=oriented(6)),
        "progressive": encode(gray, "JPEG", progressive=True),
        "png": encode(colour, "PNG", exif=oriented(3)),
        "palette": encode(colour.quantize(), "PNG"),
        "tiff": encode(colour, "TIFF", exif=oriented(5)),
        "lzw": encode(gray, "TIFF", compression="tiff_lzw"),
        "gif": encode(colour.quantize(), "GIF"),
        "bmp": encode(gray, "BMP"),
        "webp": encode(colour, "WEBP", exif=oriented(8)),
    }


@pytest.mark.parametrize("name", sorted(small_files()))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_file_is_a_plate_or_unreadable(name, data):
    whole = small_files()[name]
    damaged = bytearray(whole)
    reach = data.draw(st.sampled_from([64, 700, len(whole)]))
    position = st.integers(0, min(reach, len(whole)) - 1)
    for where, byte in data.draw(st.lists(st.tuples(position, st.integers(0, 255)), max_size=8)):
        damaged[where] = byte
    end = data.draw(st.one_of(st.none(), st.integers(0, len(whole))))
    try:
        plate = decode_plate(bytes(damaged[:end]))
    except UnreadableImage:
        return
    step = plate.reduction
    assert plate.pixels.shape == (-(-plate.height // step), -(-plate.width // step))


# Many at once


def test_threads_decode_as_one_does():
    files = [jpeg(textured_plate(seed, width=400, height=300)) for seed in range(3)]
    files += list(small_files().values())
    expected = [decode_plate(content).pixels.tobytes() for content in files]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        plates = list(pool.map(decode_plate, files * 8))
    assert [plate.pixels.tobytes() for plate in plates] == expected * 8


def test_nothing_is_printed_while_decoding(tmp_path):
    (tmp_path / "a").write_bytes(png_header(9_900, 10_000))  # Pillow alone would warn
    damaged = encode(Image.fromarray(rgb_pixels()), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x09\0")
    (tmp_path / "b").write_bytes(damaged)
    (tmp_path / "c").write_bytes(REJECTS["tiff, half"][0])
    program = (
        "import pathlib, sys\n"
        "from pipeline.decode import UnreadableImage, decode_plate\n"
        "for path in pathlib.Path(sys.argv[1]).iterdir():\n"
        "    try: decode_plate(path.read_bytes())\n"
        "    except UnreadableImage: pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": "."},
    )  # fmt: skip
    assert done.stdout + done.stderr == ""
