"""What a variant should be, in float64 and without haste, and plates to compare on."""

import io
import math

import cv2
import numpy as np
from PIL import Image

from pipeline.augment import Augmentation

SIDE = 128


def full_luma(content: bytes) -> np.ndarray:
    """Returns the luma of a JPEG at full size, as float64 [height, width]."""
    with Image.open(io.BytesIO(content)) as image:
        image.draft("L", image.size)
        return np.asarray(image, dtype=np.float64)


def reference_render(luma: np.ndarray, augmentation: Augmentation, *, fill: str) -> np.ndarray:
    """Returns a variant as float64 [128, 128], not rounded, some values beyond 0 to 255.

    Turned by bicubic interpolation at full size, flipped, cropped to the central square,
    then the exact mean over the area of each pixel.

    Args:
        luma: float64 array of shape [height, width], full size.
    """
    square = _bicubic(luma, *_source(luma.shape, augmentation), fill=fill)
    areas = area_weights(len(square))
    return areas @ square @ areas.T


def inside_frame(shape: tuple[int, int], augmentation: Augmentation, *, seam: int) -> np.ndarray:
    """Returns which pixels of a variant lie on the plate, `seam` pixels or more from a corner.

    Returns:
        bool array of shape [128, 128].
    """
    x, y = _source(shape, augmentation)
    height, width = shape
    on_plate = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    areas = area_weights(len(x))
    outside = areas @ on_plate @ areas.T < 1 - 1e-9
    kernel = np.ones((2 * seam + 1, 2 * seam + 1), np.uint8)
    return cv2.dilate(outside.astype(np.uint8), kernel) == 0


def area_weights(size: int) -> np.ndarray:
    """Returns the share of each of `size` source pixels in each of 128: float64 [128, size]."""
    edges = np.arange(SIDE + 1) * size / SIDE
    pixels = np.arange(size)
    start = np.maximum(edges[:-1, None], pixels)
    end = np.minimum(edges[1:, None], pixels + 1)
    return np.maximum(end - start, 0) * SIDE / size


def psnr(values: np.ndarray, reference: np.ndarray) -> float:
    """Returns the peak signal-to-noise ratio in dB, for a peak of 255."""
    return -10 * math.log10(np.mean((values - reference) ** 2) / 255**2)


def textured_plate(seed: int, *, width: int = 1280, height: int = 960) -> np.ndarray:
    """Draws a plate with the textures of micrographs: a drop, blobs, crystals, mild noise.

    Returns:
        uint8 array of shape [height, width, 3].
    """
    rng = np.random.default_rng(seed)
    scale = min(width, height) / 960
    y, x = np.mgrid[:height, :width]
    image = 150 + 25 * np.sin(x / width * 3 + rng.uniform(0, 3)) + 10 * y / height
    for blur, strength in ((60, 25), (12, 8), (4, rng.uniform(2, 8))):
        blobs = cv2.GaussianBlur(rng.normal(size=(height, width)), (0, 0), blur * scale)
        image += strength * blobs / blobs.std()
    drop = np.zeros((height, width), np.uint8)
    middle = (int(width * rng.uniform(0.4, 0.6)), int(height * rng.uniform(0.4, 0.6)))
    cv2.circle(drop, middle, int(400 * scale), 255, max(1, int(10 * scale)), cv2.LINE_AA)
    image -= cv2.GaussianBlur(drop, (0, 0), 2.5 * scale) * 0.4
    for _ in range(rng.integers(5, 25)):
        image += rng.uniform(-40, 60) * _crystal(rng, (height, width), scale)
    image += rng.normal(0, 1.5, size=image.shape)
    tint = np.array([rng.uniform(0.9, 1.05), 1.0, rng.uniform(0.85, 1.0)])
    return np.clip(image[..., None] * tint, 0, 255).astype(np.uint8)


def jpeg(pixels: np.ndarray, **options: object) -> bytes:
    """Returns pixels as the bytes of a JPEG of quality 90."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", **{"quality": 90, **options})
    return stream.getvalue()


def _crystal(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> np.ndarray:
    """Draws one convex crystal with a soft edge, as float64 [height, width] from 0 to 1."""
    height, width = shape
    middle = rng.uniform((0.1 * width, 0.1 * height), (0.9 * width, 0.9 * height))
    angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(4, 8)))
    size = rng.uniform((10, 10), (90, 40)) * scale
    corners = middle + size * np.stack((np.cos(angles), np.sin(angles)), axis=1)
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round(corners * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return cv2.GaussianBlur(mask, (0, 0), 1.2 * scale) / 255


def _source(shape: tuple[int, int], augmentation: Augmentation) -> tuple[np.ndarray, np.ndarray]:
    """Returns where each pixel of the central square comes from: x and y, float64 [side, side]."""
    height, width = shape
    side = min(shape)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    if augmentation.flip_horizontal:
        x = -x
    if augmentation.flip_vertical:
        y = -y
    cosine = math.cos(math.radians(augmentation.angle))
    sine = math.sin(math.radians(augmentation.angle))
    return (
        x * cosine - y * sine + (width - 1) / 2,
        x * sine + y * cosine + (height - 1) / 2,
    )


def _bicubic(luma: np.ndarray, x: np.ndarray, y: np.ndarray, *, fill: str) -> np.ndarray:
    """Returns luma at positions, by Keys' cubic with a = -1/2 (third order, as Pillow's)."""
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right_weights, down_weights = _cubic(x - left), _cubic(y - top)
    total = np.zeros(x.shape)
    for i, down in enumerate(down_weights):
        row = np.zeros(x.shape)
        for j, right in enumerate(right_weights):
            row += right * _pixel(luma, left + j - 1, top + i - 1, fill)
        total += down * row
    return total


def _cubic(t: np.ndarray) -> list[np.ndarray]:
    return [
        (-t + 2 * t**2 - t**3) / 2,
        (2 - 5 * t**2 + 3 * t**3) / 2,
        (t + 4 * t**2 - 3 * t**3) / 2,
        (-(t**2) + t**3) / 2,
    ]


def _pixel(luma: np.ndarray, x: np.ndarray, y: np.ndarray, fill: str) -> np.ndarray:
    height, width = luma.shape
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    if fill == "reflect":
        x, y = _mirror(x, width), _mirror(y, height)
    else:
        x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    values = luma[y, x]
    return values * inside if fill == "black" else values


def _mirror(index: np.ndarray, size: int) -> np.ndarray:
    index = index % (2 * size)
    return np.minimum(index, 2 * size - 1 - index)
