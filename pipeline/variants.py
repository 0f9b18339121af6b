"""From one source to the records of all its variants: the work that costs.

Imported by the worker processes, so it stays light: neither Beam nor TensorFlow.
"""

import errno
import hashlib
from pathlib import Path

from pipeline.augment import sample_augmentation
from pipeline.decode import UnreadableImage, decode_plate
from pipeline.likeness import find_likeness
from pipeline.render import render
from pipeline.tasks import ImageRecords, RenderTask, VariantConfig
from schemas.records import Record, encode_record
from schemas.shards import render_key
from schemas.tfrecord import frame

# What a path says for ever: nothing there, no folder on the way, a name too long, links in
# a circle, a socket.
_NO_SUCH_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO)


def read_source(path: str) -> bytes:
    """Returns the content of a source.

    Raises:
        UnreadableImage: if there is no such file, or this user may not read it. Other
            errors of the system may pass and are raised as they are.
    """
    try:
        return Path(path).read_bytes()
    except IsADirectoryError as error:
        raise UnreadableImage("not-an-image", "it is a folder") from error
    except PermissionError as error:
        raise UnreadableImage("not-permitted", "this user may not read it") from error
    except OSError as error:
        if error.errno not in _NO_SUCH_FILE:
            error.filename = path  # which a failing read, unlike a failing open, does not tell
            raise
        raise UnreadableImage("missing", "there is no such file") from error


def make_records(task: RenderTask, content: bytes, *, config: VariantConfig) -> ImageRecords:
    """Returns the records to make of one source: decoded once at most, rendered per variant.

    Raises:
        UnreadableImage: if the content is no image that can be used.
    """
    image = task.image
    digest = hashlib.sha256(content).hexdigest()
    framed: dict[int, bytes] = {}
    variants = task.variants(digest)
    if not variants:
        return ImageRecords(image.image_id, digest, task.stored_likeness, framed)
    plate = decode_plate(content)
    for variant in variants:
        augmentation = sample_augmentation(
            config.seed, image.image_id, variant=variant, config=config.augment
        )
        record = Record(
            image=render(plate, augmentation, config.render).tobytes(),
            label=image.label,
            image_id=image.image_id,
            group=image.group,
            variant=variant,
            copies=image.copies,
            render_key=render_key(config.digest, image.image_id, variant, digest),
        )
        framed[variant] = frame(encode_record(record))
    known = digest == task.stored_digest
    likeness = task.stored_likeness if known else find_likeness(plate)
    return ImageRecords(image.image_id, digest, likeness, framed)
