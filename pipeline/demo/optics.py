"""Lamp, focus and camera: the same for every label.

Nothing here knows the label. The exposure is set as an imager's camera sets it, by the
plate's mean, so that a dark drop gives no dark plate.
"""

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.demo.chance import Chance, coarse_normal
from pipeline.demo.scene import HEIGHT, WIDTH, Bytes, Floats

LEAST_BYTES, MOST_BYTES = 80_000, 200_000  # of a JPEG file

_CASTS = np.array(  # red, green, blue of lamps and plastics
    [(1.1, 0.92, 1.07), (1.07, 0.93, 1.1), (0.96, 1.05, 1.0), (1.04, 1.03, 0.91),
     (1.0, 1.0, 1.0), (0.94, 0.99, 1.07)]
)  # fmt: skip


def light_up(kit: Chance, image: Chance) -> Floats:
    """Returns the colour of the light, float32 [HEIGHT, WIDTH, 3], about 1 on average."""
    generator = image.generator("light")
    cast = _CASTS[int(kit.number("cast", 0, len(_CASTS)))]
    cast = cast + generator.normal(0, 0.012, 3)
    stressed = image.happens("rainbow", 0.06)  # polarised light in stressed plastic
    blotches = image.number("blotches", 0.005, 0.05) + (0.09 if stressed else 0)
    coarse = generator.normal(0, blotches, (5, 7, 3)) + generator.normal(0, 0.02, (5, 7, 1))
    y, x = np.mgrid[-1:1:60j, -1:1:80j]
    slope = image.number("slope x", -0.12, 0.12) * x + image.number("slope y", -0.12, 0.12) * y
    slope -= image.number("vignette", 0, 0.12) * (x**2 + y**2 - 0.7)
    field = cv2.resize(coarse.astype(np.float32), (80, 60), interpolation=cv2.INTER_CUBIC)
    field = np.maximum(cast * (1 + field) * (1 + slope[..., None]), 0.2).astype(np.float32)
    colours: Floats = cv2.resize(field, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    return colours


def take_picture(light: Bytes, kit: Chance, image: Chance) -> Bytes:
    """Returns the photograph, uint8 [HEIGHT, WIDTH, 3], RGB.

    Args:
        light: light that comes through the plate, uint8 [HEIGHT, WIDTH].
        kit: draws for the plate of wells.
        image: draws for the image.
    """
    sharp = cv2.GaussianBlur(light, (0, 0), image.number("focus", 0.6, 2.4))
    mean = image.number("exposure", 98, 138)
    colours = light_up(kit, image)
    colours *= np.float32(mean / float(sharp.mean()))
    grain = coarse_normal(image.generator("noise"), (HEIGHT, WIDTH))
    grain *= np.float32(image.number("noise", 0.8, 4.5))
    grain += sharp
    photograph = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    cv2.multiply(cv2.merge((grain, grain, grain)), colours, photograph, dtype=cv2.CV_8U)
    return photograph


def encode_jpeg(photograph: npt.NDArray[np.uint8], image: Chance) -> bytes:
    """Returns a JPEG file of LEAST_BYTES to MOST_BYTES.

    The quality is drawn; only a file outside these bounds is made again with another.
    """
    blue_first = cv2.cvtColor(photograph, cv2.COLOR_RGB2BGR)
    quality = int(image.number("quality", 72, 93))
    for _ in range(20):
        done, data = cv2.imencode(".jpg", blue_first, (cv2.IMWRITE_JPEG_QUALITY, quality))
        if not done:
            raise OSError("OpenCV could not encode a JPEG")
        if LEAST_BYTES <= len(data) <= MOST_BYTES or not 20 < quality < 98:
            break
        quality += 3 if len(data) < LEAST_BYTES else -4
    return data.tobytes()
