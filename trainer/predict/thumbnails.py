"""Small pictures of images for a page: whole and in colour, as a person knows them.

The network sees the central square in gray; a page that shows more than that says so.
"""

import base64
import dataclasses
import io

from PIL import Image, ImageOps

from pipeline.decode import DAMAGE, FORMATS, UnreadableImage, decode_plate
from trainer.predict.reading import read_image

LONGEST_SIDE = 256  # pixels
_QUALITY = 80  # of JPEG; a picture takes some 7 kB
_COLOURS = ("RGB", "YCbCr", "CMYK")


@dataclasses.dataclass(frozen=True)
class Thumbnail:
    """A picture that a page holds.

    Attributes:
        jpeg: its file.
        width, height: in pixels, 256 at most.
    """

    jpeg: bytes
    width: int
    height: int

    @property
    def uri(self) -> str:
        """The picture as the text of a link that holds it."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode("ascii")


def read_thumbnail(uri: str) -> Thumbnail | None:
    """Returns a picture of an image, or None where it can no longer be read."""
    try:
        return make_thumbnail(read_image(uri))
    except UnreadableImage:
        return None


def make_thumbnail(content: bytes) -> Thumbnail:
    """Returns a picture of the image that a file shows.

    In colour where the file is of plain colours; all else is shown as the luma that the
    network is given.

    Raises:
        UnreadableImage: if there is no usable image in the content.
    """
    image = _colour(content) or Image.fromarray(decode_plate(content).pixels)
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY)
    return Thumbnail(stream.getvalue(), image.width, image.height)


def _colour(content: bytes) -> Image.Image | None:
    """Returns an image in colour, upright, or None if it is not of plain colours."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.mode not in _COLOURS or image.has_transparency_data:
                return None
            image.draft("RGB", (2 * LONGEST_SIDE, 2 * LONGEST_SIDE))
            return ImageOps.exif_transpose(image).convert("RGB")
    except (*DAMAGE, Image.DecompressionBombError):
        return None
