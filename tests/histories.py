"""Random histories of a dataset: plates, labels and recipes that change, builds, accidents."""

import dataclasses
import os
from pathlib import Path

from hypothesis import strategies as st

from pipeline import progress
from pipeline.build import make_plan
from pipeline.config import BuildOutcome
from pipeline.pool import Pool
from pipeline.prune import prune
from schemas.atomic import incomplete_path
from schemas.dataset import DatasetFolder
from schemas.recipe import Recipe, RenderConfig, SplitConfig
from tests.builds import build_quietly, metadata
from tests.plates import draw_plate, write_rows

LABELS = ("clear", "heavy precipitate", "large crystals", "needles & plates")
# Shares with which a dozen plates fall into all splits, and shards of a few records.
RECIPE = Recipe(split=SplitConfig(0.5, 0.2, 0.3), records_per_shard=8)
_COLUMNS = ("uri", "label", "image_id", "group")


@dataclasses.dataclass
class Row:
    """A row of the manifest, and the number of the plate that its file shows."""

    uri: str
    label: str
    image_id: str
    group: str


class History:
    """Plates, their manifest and a dataset, all in one folder, to be edited and built."""

    def __init__(self, root: Path, images: int = 12):
        self.root = root
        self.out = root / "drops"
        self.plates = root / "plates"
        self.recipe = RECIPE
        self.rows: list[Row] = []
        self._earlier: list[list[Row]] = []
        self._drawn = 0
        for number in range(images):
            self._add(LABELS[0] if number % 2 else LABELS[number // 2 % 4], f"g{number // 2}")

    @property
    def manifest(self) -> Path:
        return self.plates / "plates.csv"

    @property
    def corrections(self) -> Path | None:
        path = self.root / "corrected.csv"
        return path if path.exists() else None

    def build(self, out: Path | None = None) -> tuple[BuildOutcome, progress.Counts]:
        """Builds, by default into the dataset; returns the outcome and what was counted."""
        self._write_manifest()
        before = progress.TALLY.read()
        outcome = build_quietly(
            self.manifest,
            out or self.out,
            self.recipe,
            processes=1,
            max_reject_fraction=1,
            labels_from=self.corrections,
        )
        return outcome, progress.TALLY.read().since(before)

    def _write_manifest(self) -> None:
        if self.corrections and self.labels().keys() > {row.image_id for row in self.rows}:
            self.corrections.unlink()  # they are of an image that was removed since
        write_rows(self.manifest, [dataclasses.astuple(row) for row in self.rows], _COLUMNS)

    def labels(self) -> dict[str, str]:
        """Returns the label that every image must end with."""
        found = {row.image_id: row.label for row in self.rows}
        if self.corrections:
            lines = self.corrections.read_text().splitlines()[1:]
            found |= dict(line.split(",") for line in lines)
        return found

    def to_open(self) -> set[str]:
        """Returns the images that the next build has reason to open.

        Those in shards to write of which the newest version lacks a variant, or has it of
        a file that is not what it was.
        """
        self._write_manifest()
        plan = make_plan(self.manifest, self.recipe, labels_from=self.corrections)
        versions, pool = DatasetFolder(self.out).versions(), Pool(self.out / "pool")
        base = metadata(DatasetFolder(self.out).version_folder(versions[-1])) if versions else {}
        there = {name for name in pool.names() if _has_its_size(pool, name)}
        stored = {}
        if base.get("render_digest") == self.recipe.render_digest():
            for facts in base["shards"]:
                report = pool.report(facts["pool"]) if facts["pool"] in there else None
                stored |= report.images if report else {}
        return {
            image.image_id
            for shard in plan.shards
            if shard.name not in there
            for image in shard.images
            if (known := stored.get(image.image_id)) is None
            or known.copies < image.copies
            or known.fingerprint != image.fingerprint
        }

    def edit(self, name: str, a: int, b: int) -> None:
        """Does one edit; the numbers say to what."""
        if name not in _NO_EDITS:
            self._earlier.append([dataclasses.replace(row) for row in self.rows])
        row = self.rows[a % len(self.rows)]
        for part in (self._edit_rows, self._edit_files, self._edit_recipe):
            part(name, row, b)
        if name == "undo":
            self._undo()
        elif name == "prune" and DatasetFolder(self.out).versions():
            prune(DatasetFolder(self.out), keep=1 + b % 2)
        elif name == "accident":
            self._accident(a, b)

    def _edit_rows(self, name: str, row: Row, number: int) -> None:
        match name:
            case "relabel":
                row.label = LABELS[number % 4]
            case "regroup":
                row.group = f"g{number % 8}"
            case "add":
                self._add(LABELS[number % 4], row.group)
            case "remove" if len(self.rows) > 4:
                self.rows.remove(row)

    def _edit_files(self, name: str, row: Row, number: int) -> None:
        path = self.plates / row.uri
        match name:
            case "replace":
                self._draw(path)
            case "touch":
                self._set_time(path)
            case "spoil":
                path.write_bytes(path.read_bytes()[: number % 60])
                self._set_time(path)
            case "move":
                self.plates = self.plates.rename(self.root / f"plates{self._drawn}.{number}")
            case "correct":
                line = f"{row.image_id},{LABELS[number % 4]}\n"
                (self.root / "corrected.csv").write_text("image_id,label\n" + line)
            case "uncorrect":
                (self.root / "corrected.csv").unlink(missing_ok=True)

    def _edit_recipe(self, name: str, _row: Row, number: int) -> None:
        change: dict[str, object] = {}
        match name:
            case "seed":
                change = {"seed": number % 2}
            case "fill":
                change = {"render": RenderConfig(("black", "edge")[number % 2])}
            case "shards":
                change = {"records_per_shard": 4 << number % 4}
        self.recipe = dataclasses.replace(self.recipe, **change)

    def _undo(self) -> None:
        there = {path.name for path in self.plates.iterdir()}
        if self._earlier:
            self.rows = [row for row in self._earlier.pop() if row.uri in there]

    def _add(self, label: str, group: str) -> None:
        image_id = f"p{self._drawn:03d}"
        row = Row(f"{image_id}.{'png' if self._drawn % 3 else 'jpg'}", label, image_id, group)
        self._draw(self.plates / row.uri)
        self.rows.append(row)

    def _draw(self, path: Path) -> None:
        draw_plate(path, self._drawn, size=(140, 130))
        self._set_time(path)

    def _set_time(self, path: Path) -> None:
        """Gives a file a time that none has had, now later, now earlier than all others."""
        self._drawn += 1
        time = 10**18 + (-1) ** self._drawn * self._drawn * 10**9
        os.utime(path, ns=(time, time))

    def _accident(self, a: int, b: int) -> None:
        """Leaves the pool as a kill or a careless hand might."""
        pool = Pool(self.out / "pool")
        names = sorted(pool.names())
        if not names:
            return
        name = names[a % len(names)]
        report = pool.folder / f"{name}.json"
        match b % 6:
            case 0:  # killed before the report was written
                report.unlink()
            case 1:
                pool.index_path(name).unlink()
            case 2:
                pool.shard_path(name).unlink()
            case 3:  # a disk that was full when the file was copied; truncates versions' links too
                pool.shard_path(name).write_bytes(b"")
            case 4:
                incomplete_path(report).write_text("{")
                incomplete_path(self.out / "9.9.9").mkdir()
            case 5:
                pool.discard(name)


def _has_its_size(pool: Pool, name: str) -> bool:
    report = pool.report(name)
    return report is not None and pool.shard_path(name).stat().st_size == report.bytes


_NO_EDITS = ("undo", "prune", "accident", "move", "correct", "uncorrect")
_NAMES = (
    *("relabel", "relabel", "undo", "add", "remove", "regroup", "replace", "touch", "spoil"),
    *("move", "correct", "uncorrect", "seed", "fill", "shards", "shards", "prune", "accident"),
)
edits = st.tuples(st.sampled_from(_NAMES), st.integers(0, 40), st.integers(0, 40))
# Edits between two builds, for each build.
histories = st.lists(st.lists(edits, min_size=1, max_size=3), min_size=1, max_size=4)
