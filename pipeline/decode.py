"""Decoding: the bytes of an image file become a plate, or a reason why not.

Nearly all the time of a build goes into decoding JPEG, so an image is decoded
once, as luma alone, at the coarsest scale that its variants can use.
"""

import dataclasses
import io
import struct
import warnings
import zlib

import numpy as np
from PIL import Image, JpegImagePlugin, TiffImagePlugin

FORMATS = ("JPEG", "PNG", "TIFF", "GIF", "BMP", "WEBP")  # JPEG covers MPO as well
REDUCTIONS = (8, 4, 2, 1)
REDUCED_SIDE = 480  # shortest side that a reduced plate keeps, in pixels
SMALLEST_SIDE = 128  # in pixels; smaller ones would have to be enlarged
MOST_PIXELS = 100_000_000  # decoding takes up to four bytes for each

ORIENTATION_TAG = 0x0112
TRANSPOSES = {  # EXIF orientation: what puts the image upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# round(v / 257): the full range of 16 bits onto that of 8.
EIGHT_BITS = ((np.arange(2**16) + 128) // 257).astype(np.uint8)

# What Pillow's readers raise on damaged files. MemoryError is not among them: a
# worker short of memory says nothing about the image.
DAMAGE = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    LookupError,
    ArithmeticError,
    NotImplementedError,
    struct.error,
    zlib.error,
)

# Once, here: readers that are loaded on first use, and filters of warnings that
# are swapped for a while, are no good with threads.
Image.init()
# Pillow gives each image's memory back to the system, and gets it anew for the next one, page
# by page: a third of the time of decoding. It now keeps two blocks of 16 MB.
Image.core.set_blocks_max(2)  # type: ignore[attr-defined]
warnings.filterwarnings("ignore", module=r"PIL\.")


class UnreadableImage(Exception):
    """An image that cannot be used, whatever is tried again.

    Attributes:
        reason: a short code that stays the same. From `decode_plate`: "empty",
            "not-an-image", "damaged", "truncated", "too-large", "too-small" or
            "unsupported".
        message: what was wanted and what came; its text as a string.
    """

    def __init__(self, reason: str, message: str):
        super().__init__(reason, message)  # both, so that it survives pickling
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return self.message


@dataclasses.dataclass(frozen=True)
class Plate:
    """A decoded image, upright.

    Attributes:
        pixels: luma (ITU-R 601) at the reduced scale, uint8 array of shape
            [ceil(height / reduction), ceil(width / reduction)]; pixel [i, j] covers
            rows i * reduction and on, columns j * reduction and on, of the full size.
        width: columns at full size.
        height: rows at full size.
        reduction: full-size pixels for each reduced one, both ways: 1, 2, 4 or 8.
    """

    pixels: np.ndarray
    width: int
    height: int
    reduction: int


def decode_plate(content: bytes) -> Plate:
    """Returns the plate that an image file shows: the first, if it shows several.

    JPEG (baseline or progressive; gray, colour, CMYK), MPO, PNG, TIFF, GIF, BMP and
    WebP, of 1 to 16 bits. EXIF orientation is honoured; what is transparent
    lies on black.

    Args:
        content: the bytes of the file.

    Raises:
        UnreadableImage: if there is no usable image in them.
    """
    if not content:
        raise UnreadableImage("empty", "the file has no bytes")
    with _open(content) as image:
        width, height = image.size
        _check_size(width, height)
        orientation = _orientation(image)
        if orientation >= 5:
            width, height = height, width
        reduction = reduction_of(width, height)
        try:
            _draft(image, reduction=reduction, orientation=orientation)
            image.load()
            luma = _luma(image)
        except DAMAGE as error:
            raise _damaged(error, image.format) from error
    if orientation in TRANSPOSES:
        luma = luma.transpose(TRANSPOSES[orientation])
    rest = reduction // -(-width // luma.width)
    if rest > 1:
        luma = luma.reduce(rest)  # means of boxes, in integers
    return Plate(pixels=np.asarray(luma), width=width, height=height, reduction=reduction)


def reduction_of(width: int, height: int) -> int:
    """Returns the reduction at which plates of a size are kept.

    >>> reduction_of(1280, 960)
    2
    """
    side = min(width, height)
    return next((r for r in REDUCTIONS if side >= r * REDUCED_SIDE), 1)


def _open(content: bytes) -> Image.Image:
    """Returns the image with its header read and no pixel decoded."""
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise UnreadableImage(
            "too-large", f"wanted {MOST_PIXELS} pixels at most: {error}"
        ) from error
    except DAMAGE as error:
        start = content[:16]
        for name in FORMATS:
            accept = Image.OPEN[name][1]
            if accept and accept(start):
                message = f"starts like {name}, but its header is cut short or broken"
                raise UnreadableImage("damaged", message) from error
        message = f"wanted {', '.join(FORMATS)}, came bytes that start with {start!r}"
        raise UnreadableImage("not-an-image", message) from error


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise UnreadableImage(
            "too-large", f"wanted {MOST_PIXELS} pixels at most, came {width} x {height}"
        )
    if min(width, height) < SMALLEST_SIDE:
        raise UnreadableImage(
            "too-small", f"wanted {SMALLEST_SIDE} pixels at least each way, came {width} x {height}"
        )


def _damaged(error: BaseException, name: str | None) -> UnreadableImage:
    reason = "truncated" if "truncated" in str(error).lower() else "damaged"
    return UnreadableImage(reason, f"{name} that does not decode: {error}")


def _orientation(image: Image.Image) -> int:
    """Returns the EXIF orientation that is still to be applied, 1 to 8.

    Damaged EXIF counts as none: cameras write it, and the pixels are fine.
    """
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return 1  # Pillow turns TIFF itself, in `size` and in `load`
    try:
        value = image.getexif().get(ORIENTATION_TAG)
    except DAMAGE:
        return 1
    return value if value in TRANSPOSES else 1


def _draft(image: Image.Image, *, reduction: int, orientation: int) -> None:
    """Has JPEG decoded as luma, at the reduced scale where that is right.

    A last column or row of less than `reduction` pixels would become the first of
    an upturned plate and shift all others: then the full size is turned, then reduced.
    """
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return
    width, height = image.size
    whole = width % reduction == 0 and height % reduction == 0
    if whole or orientation == 1:
        image.draft("L", (width // reduction, height // reduction))
    else:
        image.draft("L", image.size)


def _luma(image: Image.Image) -> Image.Image:
    """Returns a decoded image as 8-bit luma, mode L.

    Raises:
        UnreadableImage: if its values have no known range (32-bit, floating point) or
            its colours no known meaning.
    """
    if image.mode.startswith("I;16"):
        return Image.fromarray(EIGHT_BITS[np.asarray(image)])
    if image.has_transparency_data:
        image = image.convert("RGBA")
        black = Image.new("L", image.size)
        return Image.composite(image.convert("L"), black, image.getchannel("A"))
    if image.mode == "CMYK":
        image = image.convert("RGB")
    if image.mode not in ("1", "L", "P", "RGB", "RGBX", "YCbCr"):
        raise UnreadableImage(
            "unsupported", f"wanted gray or colour of 1 to 16 bits, came {image.mode}"
        )
    return image.convert("L")
