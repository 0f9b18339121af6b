"""The Croissant description of a version (MLCommons, format 1.0), written as plain JSON-LD.

Search engines and `mlcroissant` read it. Its context stands in the file, so that no
reader needs the network. Croissant knows no TFRecord: the images' rows are read from
the catalog, the shards are only listed.
"""

import json
from collections.abc import Iterable

from schemas.catalog import CATALOG_FILE
from schemas.labels import LabelSet
from schemas.tfds_files import check_dataset_name

CROISSANT_FILE = "croissant.json"

Node = dict[str, object]

# The context that the specification prescribes; readers warn of any other.
_CONTEXT: Node = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}

_SPLIT_URLS = {
    "train": "cr:TrainingSplit",
    "validation": "cr:ValidationSplit",
    "test": "cr:TestSplit",
}

_IMAGE_FIELDS = (
    ("image_id", "sc:Text", "name of the image in the manifest"),
    ("uri", "sc:Text", "where the image was read"),
    ("label", "sc:Text", "label given by an expert"),
    ("label_index", "sc:Integer", "index of the label, as in the records"),
    ("group", "sc:Text", "drop, well or plate of the image; never in two splits"),
    ("split", "sc:Text", "split of the group"),
    ("copies", "sc:Integer", "variants of the image in the shards"),
    ("shard", "sc:Text", "file with the variants; none if the image could not be used"),
    ("content_digest", "sc:Text", "SHA-256 of the source file; none if it could not be used"),
)


def _reference(target: str) -> Node:
    return {"field": {"@id": target}}


def _image_field(name: str, data_type: str, description: str) -> Node:
    node: Node = {
        "@id": f"images/{name}",
        "@type": "cr:Field",
        "name": name,
        "description": description,
        "dataType": data_type,
        "source": {"fileObject": {"@id": CATALOG_FILE}, "extract": {"column": name}},
    }
    if name == "label":
        node["references"] = _reference("labels/name")
    if name == "split":
        node["references"] = _reference("splits/name")
    return node


def _enumeration(name: str, data_type: str, description: str, fields: Node, data: object) -> Node:
    """Returns a record set whose values stand in the file itself; its key is the name."""
    return {
        "@id": name,
        "@type": "cr:RecordSet",
        "name": name,
        "description": description,
        "dataType": data_type,
        "key": {"@id": f"{name}/name"},
        "field": [
            {"@id": f"{name}/{key}", "@type": "cr:Field", "name": key, "dataType": kind}
            for key, kind in fields.items()
        ],
        "data": data,
    }


def _record_sets(labels: LabelSet, splits: tuple[str, ...]) -> list[Node]:
    label_rows = [
        {"labels/name": name, "labels/index": index, "labels/crystal": name in labels.crystal_names}
        for index, name in enumerate(labels.names)
    ]
    return [
        _enumeration(
            "labels",
            "sc:Enumeration",
            "The labels, in the order of their indices.",
            {"name": "sc:Text", "index": "sc:Integer", "crystal": "sc:Boolean"},
            label_rows,
        ),
        _enumeration(
            "splits",
            "cr:Split",
            "The splits.",
            {"name": "sc:Text", "url": "sc:URL"},
            [{"splits/name": split, "splits/url": _SPLIT_URLS[split]} for split in splits],
        ),
        {
            "@id": "images",
            "@type": "cr:RecordSet",
            "name": "images",
            "description": "One row for each image of the manifest.",
            "key": {"@id": "images/image_id"},
            "field": [_image_field(*field) for field in _IMAGE_FIELDS],
        },
    ]


def _distribution(name: str, splits: tuple[str, ...], catalog_sha256: str) -> list[Node]:
    catalog: Node = {
        "@id": CATALOG_FILE,
        "@type": "cr:FileObject",
        "name": CATALOG_FILE,
        "description": "One row for each image.",
        "contentUrl": CATALOG_FILE,
        "encodingFormat": "application/x-parquet",
        "sha256": catalog_sha256,
    }
    shards: list[Node] = [
        {
            "@id": f"{split}-shards",
            "@type": "cr:FileSet",
            "name": f"{split}-shards",
            "description": f"Records of the {split} split: TFRecord files of tf.train.Example.",
            "encodingFormat": "application/x-tfrecord",
            "includes": f"{name}-{split}.tfrecord-*-of-*",
        }
        for split in splits
    ]
    return [catalog, *shards]


def croissant_json(
    *,
    name: str,
    version: str,
    description: str,
    labels: LabelSet,
    splits: Iterable[str],
    catalog_sha256: str,
    license_url: str = "",
    url: str = "",
    citation: str = "",
    date_published: str = "",
) -> str:
    """Returns `croissant.json`, which names its own files relative to itself.

    Args:
        name: name of the dataset, the beginning of its shards' names.
        version: three numbers, such as "1.0.2".
        description: what the dataset is, in prose.
        labels: the label set.
        splits: those of train, validation and test that have an image.
        catalog_sha256: SHA-256 of `catalog.parquet`, 64 hexadecimal digits; readers
            check it.
        license_url, url, citation, date_published: the dataset's licence, web page,
            BibTeX and ISO date. Left out where empty; `mlcroissant validate` then
            warns of all but `url`. None is invented, nor is today's date read, so
            that equal versions have equal files.

    Raises:
        ValueError: if TFDS would not take the name.
    """
    check_dataset_name(name)
    splits = tuple(splits)
    optional = {
        "license": license_url,
        "url": url,
        "citeAs": citation,
        "datePublished": date_published,
    }
    document: Node = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": description,
        "version": version,
        **{key: value for key, value in optional.items() if value},
        "distribution": _distribution(name, splits, catalog_sha256),
        "recordSet": _record_sets(labels, splits),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
