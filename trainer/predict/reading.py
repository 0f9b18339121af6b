"""The one place where the bytes of an image to predict are read."""

import re
from pathlib import Path

from pipeline.decode import UnreadableImage

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def scheme_of(uri: str) -> str:
    """Returns the scheme of a uri, or "" of a path.

    >>> scheme_of("gs://plates/a.jpg"), scheme_of("plates/a.jpg")
    ('gs', '')
    """
    match = _SCHEME.match(uri)
    return match[1] if match else ""


def read_image(uri: str) -> bytes:
    """Returns the content of an image.

    Args:
        uri: a path; no scheme can be read yet, and `sources` refuses them all.

    Raises:
        UnreadableImage: if it cannot be read, for whatever reason the system gives. There is
            no later attempt here, so an error that might have passed is the image's too.
    """
    try:
        return Path(uri).read_bytes()
    except IsADirectoryError as error:
        raise UnreadableImage("not-an-image", "it is a folder") from error
    except PermissionError as error:
        raise UnreadableImage("not-permitted", "this user may not read it") from error
    except FileNotFoundError as error:
        raise UnreadableImage("missing", "there is no such file") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        raise UnreadableImage("unreadable", f"the system cannot read it: {error}") from error
