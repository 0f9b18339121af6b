"""Which images to predict: files, folders and manifests become one list."""

import contextlib
import dataclasses
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from schemas.imagers import EXTENSIONS, group_of
from schemas.labels import LabelSet
from schemas.manifest import Fault, ManifestError, default_image_id
from schemas.tables import BadTable, read_table, short
from trainer.errors import UsageError
from trainer.predict.reading import scheme_of

MANIFESTS = frozenset({".csv", ".parquet"})

_COLUMNS = ("uri", "image_id", "group", "label")
_NUMBER = re.compile(r"([0-9]+)")


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """One image to predict.

    Attributes:
        image_id: its name.
        uri: where it is read.
        group: its drop, well or plate; "" where neither manifest nor name tells.
        label: the expert's label; "" where nobody said. A label of the run's set is spelled
            as there; any other text stays as it is and is compared with nothing.
    """

    image_id: str
    uri: str
    group: str = ""
    label: str = ""


def natural_key(text: str) -> list[str | tuple[int, str]]:
    """Returns a key by which numbers within names sort as numbers.

    >>> sorted(["d1_t10", "d1_t9", "d1_t1"], key=natural_key)
    ['d1_t1', 'd1_t9', 'd1_t10']
    """
    parts = _NUMBER.split(text)  # text, number, text, ...: like meets like
    return [(int(part), part) if at % 2 else part for at, part in enumerate(parts)]


def find_sources(arguments: Sequence[str], *, labels: LabelSet) -> list[Source]:
    """Returns the images that arguments name, in their order, each place once.

    Args:
        arguments: image files, folders (every image below them, in natural order) and
            manifests: CSV or Parquet with `uri` and, if wanted, `image_id`, `group`, `label`.
        labels: how labels of manifests are spelled.

    Raises:
        UsageError: if an argument is nothing that can be read, a manifest is at fault, or
            there is no image at all.
    """
    by_place: dict[str, Source] = {}
    for argument in arguments:
        for source in _of_argument(argument, labels):
            by_place.setdefault(os.path.realpath(source.uri), source)
    if not by_place:
        wanted = ", ".join(sorted(EXTENSIONS))
        raise UsageError(f"wanted images ({wanted}), but there is none in {', '.join(arguments)}")
    return list(by_place.values())


def _of_argument(argument: str, labels: LabelSet) -> Iterable[Source]:
    _refuse_scheme(argument)
    path = Path(argument)
    if path.is_dir():
        return _of_folder(path)
    if not path.exists():
        raise UsageError(f"wanted an image, a folder or a manifest, but there is no {argument}")
    if path.suffix.lower() in MANIFESTS:
        return _of_manifest(path, labels)
    return [_of_file(path)]


def _of_file(path: Path) -> Source:
    name = path.as_posix()
    return Source(default_image_id(name), str(path), group_of(name))


def _refuse_scheme(uri: str) -> None:
    scheme = scheme_of(uri)
    if scheme:
        raise UsageError(
            f"wanted images in folders, got {uri}: {scheme}:// cannot be read yet; "
            "copy the images to a folder first"
        )


def _of_folder(folder: Path) -> Iterator[Source]:
    paths = (path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS)
    for path in sorted(paths, key=lambda path: natural_key(path.as_posix())):
        if path.is_file():
            yield _of_file(path)


def _of_manifest(path: Path, labels: LabelSet) -> list[Source]:
    """Returns the rows of a manifest; its uris may be relative to its folder."""
    found: list[Source] = []
    faults: list[Fault] = []
    try:
        with path.open("rb") as stream:
            for line, cells in read_table(stream, columns=_COLUMNS, required=("uri",)):
                fault = cells if isinstance(cells, str) else _fault(cells)
                if fault or isinstance(cells, str):
                    faults.append(Fault(line, fault))
                else:
                    found.append(_row(cells, path.parent, labels))
    except BadTable as error:
        faults.append(Fault(error.line, error.message))
    if faults:
        raise UsageError(str(ManifestError(f"manifest {path}", faults)))
    return found


def _fault(cells: dict[str, str]) -> str:
    """Returns what is wrong with the cells of a line, or ""."""
    if not cells["uri"].strip():
        return "column uri is empty"
    for column in _COLUMNS:
        text = cells.get(column, "")
        if "\0" in text:
            return f"column {column} holds a NUL byte"
        if any("\ud800" <= character <= "\udfff" for character in text):
            return f"column {column} is not UTF-8: {short(text)}; save the manifest as UTF-8"
    return ""


def _row(cells: dict[str, str], folder: Path, labels: LabelSet) -> Source:
    uri, label = cells["uri"], cells.get("label", "").strip()
    _refuse_scheme(uri)
    with contextlib.suppress(KeyError):  # a word of another set, or none, decides nothing here
        label = labels.names[labels.index(label)]
    image_id = cells.get("image_id", "") or default_image_id(uri)
    group = cells.get("group", "") or group_of(uri)
    return Source(image_id, str(folder / uri), group, label)
