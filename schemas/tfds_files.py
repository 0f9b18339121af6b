"""The files by which tensorflow_datasets knows a version, written without it.

`dataset_info.json`, `features.json` and `label.labels.txt` in the format of TFDS 4.9, which
parses strictly: a key that it does not know makes the dataset unreadable. Numbers are
texts there, as protobuf's JSON has 64-bit integers.
"""

import dataclasses
import json
import re
from collections.abc import Mapping

from schemas.labels import LabelSet
from schemas.records import RECORD_SIDE

DATASET_INFO_FILE = "dataset_info.json"
FEATURES_FILE = "features.json"
LABEL_NAMES_FILE = "label.labels.txt"

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")
_FEATURES = "tensorflow_datasets.core.features"


@dataclasses.dataclass(frozen=True)
class SplitFacts:
    """What a version says of one split.

    Attributes:
        shard_lengths: records in each shard, in order; 0 where a shard is empty.
        num_bytes: bytes of the split's records, without their TFRecord frames.
    """

    shard_lengths: tuple[int, ...]
    num_bytes: int

    def __post_init__(self) -> None:
        if min(self.shard_lengths, default=0) < 0 or self.num_bytes < 0:
            raise ValueError(f"a split's numbers are 0 or more, got {self}")


def check_dataset_name(name: str) -> None:
    """Checks that `tfds.load` can find a dataset of this name.

    Raises:
        ValueError: if the name has more than letters, digits and underscores,
            or does not begin with a letter.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            "a dataset's name is letters, digits and underscores and begins with a letter, "
            f"got {name!r}"
        )


def shard_file_name(name: str, split: str, index: int, *, shards: int) -> str:
    """Returns the file name of a shard inside a version.

    >>> shard_file_name("drops", "train", 17, shards=256)
    'drops-train.tfrecord-00017-of-00256'
    """
    return f"{name}-{split}.tfrecord-{index:05d}-of-{shards:05d}"


def _json(value: object) -> str:
    return json.dumps(value, indent=4, sort_keys=True)


def _tensor(dtype: str, encoding: str, *dimensions: int) -> dict[str, object]:
    shape = {"dimensions": [str(size) for size in dimensions]} if dimensions else {}
    return {
        "pythonClassName": f"{_FEATURES}.tensor_feature.Tensor",
        "tensor": {"dtype": dtype, "encoding": encoding, "shape": shape},
    }


def features_json(labels: LabelSet) -> str:
    """Returns `features.json`: how a record's features become tensors.

    `image` is uint8 of shape [128, 128, 1] from its raw bytes, `label` an index with
    names, `variant` and `copies` are int64, all else is UTF-8 text.
    """
    text = {"pythonClassName": f"{_FEATURES}.text_feature.Text", "text": {}}
    features = {
        "copies": _tensor("int64", "none"),
        "group": text,
        "image": _tensor("uint8", "bytes", RECORD_SIDE, RECORD_SIDE, 1),
        "image_id": text,
        "label": {
            "classLabel": {"numClasses": str(len(labels))},
            "pythonClassName": f"{_FEATURES}.class_label_feature.ClassLabel",
        },
        "render_key": text,
        "variant": _tensor("int64", "none"),
    }
    return _json(
        {
            "featuresDict": {"features": features},
            "pythonClassName": f"{_FEATURES}.features_dict.FeaturesDict",
        }
    )


def _split(name: str, facts: SplitFacts) -> dict[str, object]:
    return {
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
        "name": name,
        "numBytes": str(facts.num_bytes),
        "shardLengths": [str(length) for length in facts.shard_lengths],
    }


def dataset_info_json(
    *,
    name: str,
    version: str,
    description: str,
    splits: Mapping[str, SplitFacts],
    homepage: str = "",
    citation: str = "",
    license_text: str = "",
) -> str:
    """Returns `dataset_info.json`, the file whose presence makes a version.

    Args:
        name: name of the dataset, also the beginning of its shards' names.
        version: three numbers, such as "1.0.2".
        description: what the dataset is, in prose.
        splits: facts of each split. One without records is left out: TFDS fails
            when it is asked for it by name, or for all splits at once.
        homepage, citation, license_text: left out where empty.

    Raises:
        ValueError: if TFDS would not take the name or the version.
    """
    check_dataset_name(name)
    if not _VERSION.fullmatch(version):
        raise ValueError(f"a version is three numbers such as 1.0.0, got {version!r}")
    info: dict[str, object] = {
        "description": description,
        "fileFormat": "tfrecord",
        "name": name,
        "splits": [_split(key, facts) for key, facts in splits.items() if any(facts.shard_lengths)],
        "supervisedKeys": {
            "tuple": {"items": [{"featureKey": "image"}, {"featureKey": "label"}]},
        },
        "version": version,
    }
    if homepage:
        info["location"] = {"urls": [homepage]}
    if citation:
        info["citation"] = citation
    if license_text:
        info["redistributionInfo"] = {"license": license_text}
    return _json(info)


def label_names_txt(labels: LabelSet) -> str:
    """Returns `label.labels.txt`: one name a line, in the order of the indices.

    Raises:
        ValueError: if a name would not be read back as it is: readers cut blanks off a
            line's ends.
    """
    for name in labels.names:
        if name != name.strip() or len(name.splitlines()) != 1:
            raise ValueError(f"label {name!r} has a line break, or a blank at an end")
    return "\n".join(labels.names) + "\n"
