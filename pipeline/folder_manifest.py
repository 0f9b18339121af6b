"""A manifest from a folder: labels from folder names, groups from file names."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from schemas.atomic import atomic_path
from schemas.imagers import EXTENSIONS, group_of
from schemas.labels import LabelSet
from schemas.manifest import default_image_id, write_manifest

_Row = tuple[str, str, str, str]  # uri, label, image id, group


def write_folder_manifest(folder: Path, *, out: Path, labels: LabelSet) -> int:
    """Writes a manifest of `folder/<label>/**` and returns the number of its images.

    Images are named by their path within the label folder: moving a file to another label
    folder, which is how a folder is relabelled, makes no new image. Only where two label
    folders hold files of one name do all names begin with the label folder. The group is
    the drop that the name tells, or the path within the label folder.

    Raises:
        ValueError: if a folder is named after no label, there is no image, or the manifest
            could not be read for a file's name.
    """
    if not folder.is_dir():
        raise ValueError(f"wanted a folder with one folder a label, got {folder}")
    rows = _named(sorted(_rows(folder, out=out, labels=labels)))
    if not rows:
        wanted = ", ".join(sorted(EXTENSIONS))
        raise ValueError(f"no image ({wanted}) in the label folders of {folder}")
    _check_names(rows)
    with atomic_path(out) as path, path.open("w", encoding="utf-8", newline="") as file:
        write_manifest(rows, file)
    return len(rows)


def _named(rows: Sequence[_Row]) -> list[_Row]:
    """Returns the rows with the label folder cut from their image ids, if they stay unique."""
    short = [image_id.partition("/")[2] for _, _, image_id, _ in rows]
    if len(set(short)) < len(rows):
        return list(rows)
    return [
        (uri, label, name, group) for (uri, label, _, group), name in zip(rows, short, strict=True)
    ]


def _check_names(rows: Iterable[_Row]) -> None:
    """Checks that the names of files can stand in a manifest.

    Raises:
        ValueError: if they cannot; names the file.
    """
    uris: dict[str, str] = {}  # by image id
    for uri, _, image_id, _ in rows:
        try:
            uri.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"the name of {uri!r} is not UTF-8; rename the file") from error
        other = uris.setdefault(image_id, uri)
        if other != uri:
            raise ValueError(
                f"{other} and {uri} differ in their extension alone; an image's name is its "
                "path without the extension, so remove or rename one"
            )


def _rows(folder: Path, *, out: Path, labels: LabelSet) -> Iterator[_Row]:
    base = out.absolute().parent
    inside = folder.absolute().is_relative_to(base)
    for label_folder in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = [
            path
            for path in label_folder.rglob("*")
            if path.suffix.lower() in EXTENSIONS and path.is_file()
        ]
        if not files:
            continue
        try:
            label = labels.names[labels.index(label_folder.name)]
        except KeyError:
            raise ValueError(
                f"folder {label_folder} is named after no label of {labels.name}; the nearest "
                f"is {labels.nearest(label_folder.name)!r}"
            ) from None
        for file in files:
            inner = file.relative_to(folder).as_posix()
            place = file.absolute()
            uri = place.relative_to(base).as_posix() if inside else str(place)
            name = default_image_id(file.relative_to(label_folder).as_posix())
            yield uri, label, default_image_id(inner), group_of(inner) or name
