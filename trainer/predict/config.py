"""How images are predicted: frozen, checked once, and light to import."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class PredictConfig:
    """How images are predicted.

    Attributes:
        views: views of each image whose probabilities are averaged: 1, the image as it lies,
            or an even number; eight are the ways to lay a square.
        batch_size: views that the network is given at a time.
        processes: worker processes that decode and render; None for one a core.
        gallery_images: most images that a gallery shows; their pictures take some 7 kB each.
    """

    views: int = 8
    batch_size: int = 64
    processes: int | None = None
    gallery_images: int = 300

    def __post_init__(self) -> None:
        check_views(self.views)
        if self.batch_size < 1:
            raise ValueError(f"batch size must be 1 or more, got {self.batch_size}")
        if self.processes is not None and self.processes < 1:
            raise ValueError(f"processes must be 1 or more, got {self.processes}")
        if self.gallery_images < 0:
            raise ValueError(f"gallery images must be 0 or more, got {self.gallery_images}")


def check_views(count: int) -> None:
    """Checks a number of views.

    Raises:
        ValueError: if it is neither 1 nor even.
    """
    if count != 1 and (count < 1 or count % 2):
        raise ValueError(f"views must be 1 or an even number, got {count}")
