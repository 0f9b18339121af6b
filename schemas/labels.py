"""Label sets: the labels of a dataset, in order, as data."""

import dataclasses
import difflib
import json
import re
from collections.abc import Mapping
from pathlib import Path


def _folded(text: str) -> str:
    """Returns a label as it is compared: "Needles_Plates" and "needles & plates" are one."""
    words = re.findall(r"[^\W_]+", text.casefold())
    return " ".join(word for word in words if word != "and")


@dataclasses.dataclass(frozen=True)
class LabelSet:
    """The labels of a dataset. A label's index is its place in `names`.

    Attributes:
        name: short name of the set, as in `--labels`.
        names: labels in order; the order is part of every record.
        crystal_names: those of `names` that mean there is a crystal.
        aliases: other spellings, each with the label it stands for. Case,
            spaces, underscores and punctuation never matter.
    """

    name: str
    names: tuple[str, ...]
    crystal_names: frozenset[str]
    aliases: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)
    _index: Mapping[str, int] = dataclasses.field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        if len(self.names) < 2:
            raise ValueError(f"label set {self.name!r} needs two labels or more")
        unknown = sorted(self.crystal_names - set(self.names))
        if unknown:
            raise ValueError(f"crystal labels {unknown} are not labels of set {self.name!r}")
        index: dict[str, int] = {}
        for number, name in enumerate(self.names):
            if not _folded(name):
                raise ValueError(f"label {name!r} of set {self.name!r} has no letter or digit")
            if index.setdefault(_folded(name), number) != number:
                raise ValueError(f"label {name!r} of set {self.name!r} stands there twice")
        for alias, name in self.aliases.items():
            if name not in self.names:
                raise ValueError(f"alias {alias!r} of set {self.name!r}: no label {name!r}")
            if not _folded(alias):
                raise ValueError(f"alias {alias!r} of set {self.name!r} has no letter or digit")
            number = self.names.index(name)
            if index.setdefault(_folded(alias), number) != number:
                raise ValueError(f"alias {alias!r} of set {self.name!r} means two labels")
        object.__setattr__(self, "_index", index)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def crystal_indices(self) -> frozenset[int]:
        """Indices of the crystal labels."""
        return frozenset(self.names.index(name) for name in self.crystal_names)

    def index(self, text: str) -> int:
        """Returns the index of a label or of one of its aliases.

        Raises:
            KeyError: if the set has no such label.
        """
        return self._index[_folded(text)]

    def nearest(self, text: str) -> str:
        """Returns the label that an unknown text most likely meant."""
        folded = _folded(text[:100])  # of a long text, all are far
        best = difflib.get_close_matches(folded, list(self._index), n=1, cutoff=0.0)
        return self.names[self._index[best[0]]] if best else self.names[0]

    def to_json(self) -> dict[str, object]:
        """Returns the set as `load_label_set` reads it."""
        return {
            "name": self.name,
            "names": list(self.names),
            "crystal_names": [name for name in self.names if name in self.crystal_names],
            "aliases": dict(sorted(self.aliases.items())),
        }


# The paper's ten labels (Ghafurian et al., section 2.1), in its alphabetical order.
PAPER10 = LabelSet(
    name="paper10",
    names=(
        "bad drop",
        "clear",
        "heavy precipitate",
        "large crystals",
        "light precipitate",
        "medium crystals",
        "micro crystals",
        "needles & plates",
        "phase separation",
        "small crystals",
    ),
    crystal_names=frozenset(
        {
            "large crystals",
            "medium crystals",
            "micro crystals",
            "needles & plates",
            "small crystals",
        }
    ),
    aliases={
        "heavy precip": "heavy precipitate",
        "heavy precipit": "heavy precipitate",
        "large crystal": "large crystals",
        "light precip": "light precipitate",
        "light precipit": "light precipitate",
        "medium crystal": "medium crystals",
        "micro crystal": "micro crystals",
        "microcrystal": "micro crystals",
        "microcrystals": "micro crystals",
        "needle plates": "needles & plates",
        "needle": "needles & plates",
        "needles": "needles & plates",
        "plates": "needles & plates",
        "phase separat": "phase separation",
        "phase sep": "phase separation",
        "small crystal": "small crystals",
    },
)

# MARCO's four labels and their indices (Bruno et al. 2018).
MARCO4 = LabelSet(
    name="marco4",
    names=("Clear", "Crystals", "Other", "Precipitate"),
    crystal_names=frozenset({"Crystals"}),
    aliases={"Crystal": "Crystals", "Precipitant": "Precipitate"},
)

BUILT_IN = {labels.name: labels for labels in (PAPER10, MARCO4)}


def load_label_set(name_or_path: str) -> LabelSet:
    """Returns a built-in label set, or one from a JSON file.

    The file is an object with `names` (list, in order), `crystal_names` (list),
    and, if wanted, `name` (default "custom": the name is part of every digest, and a file's
    path must not be) and `aliases` (object, alias to label).

    Raises:
        ValueError: if there is neither such a set nor a sound file; says which it was.
    """
    if name_or_path in BUILT_IN:
        return BUILT_IN[name_or_path]
    path = Path(name_or_path)
    try:
        return _parse_label_set(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        known = ", ".join(sorted(BUILT_IN))
        raise ValueError(
            f"wanted a label set ({known}) or a JSON file of one, got {name_or_path!r}"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"label set {path}: {error}") from error


def _parse_label_set(value: object) -> LabelSet:
    """Returns the label set that a JSON value writes.

    Raises:
        ValueError: if it writes none; says what is wrong.
    """
    if not isinstance(value, dict) or not {"names", "crystal_names"} <= value.keys():
        raise ValueError("wanted an object with the keys names and crystal_names")
    surplus = sorted(value.keys() - {"name", "names", "crystal_names", "aliases"})
    if surplus:
        raise ValueError(f"unknown keys: {', '.join(surplus)}")
    name, aliases = value.get("name", "custom"), value.get("aliases", {})
    for key in ("names", "crystal_names"):
        texts = value[key]
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"{key} wants a list of texts")
    if not isinstance(aliases, dict) or not all(isinstance(v, str) for v in aliases.values()):
        raise ValueError("aliases wants an object of texts")
    if not isinstance(name, str):
        raise ValueError("name wants a text")
    for text in value["names"]:
        if text != text.strip() or not text.isprintable():  # readers want one a line
            raise ValueError(f"label {text!r} has a blank at an end, or what cannot be printed")
    return LabelSet(name, tuple(value["names"]), frozenset(value["crystal_names"]), aliases)
