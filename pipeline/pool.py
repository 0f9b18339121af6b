"""The pool: shards by content, immutable, shared by all versions of a dataset.

A shard stands in the pool as three files: `<name>.tfrecord`, its index `<name>.idx`,
and the report `<name>.json`, written last: a shard without a report is not there.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import BuildError
from pipeline.spool import PART_BYTES, Spool, joined
from schemas.atomic import atomic_path, incomplete_path, write_atomic
from schemas.index import index_text
from schemas.recipe import canonical_json, text_digest
from schemas.shards import is_shard_name, record_order

_REPORT_SUFFIX = ".json"
_SUFFIXES = (".tfrecord", ".idx", _REPORT_SUFFIX)
_REPORT_FORMAT = 3
_CHECK = '{"check":"'  # how a report begins; a digest of all that follows it


@dataclasses.dataclass(frozen=True, slots=True)
class Reject:
    """An image that could not be used.

    Attributes:
        image_id: its name.
        reason: short and stable, such as "truncated".
        message: what came, for a person.
    """

    image_id: str
    reason: str
    message: str


class StoredImage(NamedTuple):
    """What a shard holds of one image.

    Attributes:
        label, group, copies: as in its records.
        fingerprint: of its source, when it was read.
        content_digest: SHA-256 of its source, hexadecimal.
        likeness: of its plate (pipeline/likeness.py).
    """

    label: int
    group: str
    copies: int
    fingerprint: str
    content_digest: str
    likeness: str


@dataclasses.dataclass(frozen=True)
class ShardReport:
    """What a finished shard holds.

    Attributes:
        name: its name in the pool.
        records: how many records were written.
        bytes: size of the file.
        sha256: of the file, hexadecimal.
        images: every image that has records, by id.
        rejects: images of the plan without a record.
    """

    name: str
    records: int
    bytes: int
    sha256: str
    images: dict[str, StoredImage]
    rejects: tuple[Reject, ...]

    def to_json(self) -> str:
        """Returns the text of the report's file."""
        value = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        value["rejects"] = [dataclasses.astuple(reject) for reject in self.rejects]
        text = canonical_json({"format": _REPORT_FORMAT, **value})
        return f'{_CHECK}{text_digest(text)}",{text[1:]}'

    @classmethod
    def from_json(cls, text: str) -> "ShardReport":
        """Returns the report that `to_json` wrote.

        Raises:
            ValueError, KeyError, TypeError: if it is anything else.
        """
        value = json.loads(text)
        if value.pop("format") != _REPORT_FORMAT:
            raise ValueError("a shard report of another format")
        check = value.pop("check")
        if text_digest("{" + text[len(_CHECK) + len(check) + 2 :]) != check:
            raise ValueError("its checksum does not hold")
        value["rejects"] = tuple(Reject(*reject) for reject in value["rejects"])
        value["images"] = {name: StoredImage(*facts) for name, facts in value["images"].items()}
        return cls(**value)

    def order(self, seed: int) -> list[tuple[str, int]]:
        """Returns (image id, variant) of every record, in the shard's order."""
        return record_order(seed, [(name, image.copies) for name, image in self.images.items()])


@dataclasses.dataclass(frozen=True)
class Pool:
    """The pool of one dataset.

    Attributes:
        folder: where it lies; it need not be there yet.
    """

    folder: Path

    def names(self) -> frozenset[str]:
        """Returns the names of all finished shards."""
        if not self.folder.is_dir():
            return frozenset()
        with os.scandir(self.folder) as entries:
            found = {entry.name for entry in entries}
        return frozenset(
            stem
            for name in found
            if name.endswith(_REPORT_SUFFIX)
            and all((stem := name.removesuffix(_REPORT_SUFFIX)) + end in found for end in _SUFFIXES)
        )

    def report(self, name: str) -> ShardReport | None:
        """Returns the report of a shard, or None if the pool lacks the shard.

        Raises:
            BuildError: if the report's file is damaged.
        """
        try:
            text = self._report_path(name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        try:
            report = ShardReport.from_json(text)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BuildError(
                f"{self._report_path(name)} is no shard report ({error!r}); "
                "run the same command with --repair"
            ) from error
        return report if self.shard_path(name).is_file() else None

    def shard_path(self, name: str) -> Path:
        """Returns where a shard's TFRecord file lies."""
        return self.folder / f"{name}.tfrecord"

    def index_path(self, name: str) -> Path:
        """Returns where a shard's index lies."""
        return self.folder / f"{name}.idx"

    def stems(self) -> frozenset[str]:
        """Returns the names of all shards that have any file here, finished or not."""
        if not self.folder.is_dir():
            return frozenset()
        return frozenset(
            path.stem
            for path in self.folder.iterdir()
            if path.suffix in _SUFFIXES and is_shard_name(path.stem)
        )

    def files(self, name: str) -> list[Path]:
        """Returns the files of a shard that are there; the report, which makes it, first."""
        paths = (self._report_path(name), self.index_path(name), self.shard_path(name))
        return [path for path in paths if path.exists()]

    def discard(self, name: str) -> None:
        """Removes a shard; what is linked in versions stays there."""
        for path in self.files(name):
            path.unlink()

    def _report_path(self, name: str) -> Path:
        return self.folder / f"{name}{_REPORT_SUFFIX}"

    @contextlib.contextmanager
    def spool(self) -> Iterator[Spool]:
        """Gives a place to collect a shard's records in, gone after the block."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = incomplete_path(self.folder / "spool")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            path.unlink()  # nobody else needs its name, and it goes with the process
            yield Spool(descriptor)
        finally:
            os.close(descriptor)

    def commit(
        self,
        name: str,
        spool: Spool,
        *,
        seed: int,
        images: Mapping[str, StoredImage],
        rejects: Iterable[Reject],
    ) -> ShardReport:
        """Makes the spooled records a shard of the pool and returns its report.

        Args:
            name: the shard's name.
            spool: its records.
            seed: the recipe's seed, which decides the order of the records.
            images: what is in the spool, by image id.
            rejects: the images that could not be used.
        """
        order = record_order(seed, [(name, image.copies) for name, image in images.items()])
        places = [spool.place(image_id, variant) for image_id, variant in order]
        lengths = [place.length for place in places]
        digest, memory = hashlib.sha256(), memoryview(bytearray(PART_BYTES))
        # the report makes the shard: its entry in the folder is synced with those before
        with (
            atomic_path(self.shard_path(name), sync_folder=False) as path,
            path.open("wb", buffering=PART_BYTES) as out,
        ):
            for run in joined(places):
                for part in run.parts(memory):
                    out.write(part)
                    digest.update(part)
        write_atomic(self.index_path(name), index_text(lengths), sync_folder=False)
        report = ShardReport(
            name,
            records=len(lengths),
            bytes=sum(lengths),
            sha256=digest.hexdigest(),
            images=dict(sorted(images.items())),
            rejects=tuple(sorted(rejects, key=lambda reject: reject.image_id)),
        )
        write_atomic(self._report_path(name), report.to_json())
        return report
