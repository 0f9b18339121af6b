"""A record: one variant of an image, as a serialised `tf.train.Example`.

The bytes are written here and not by a protobuf library, because the order of a
map's entries is nobody's promise: a record must be the same bytes in every process,
under every library version, for ever. `tf.train.Example` reads them.
"""

import dataclasses
from collections.abc import Iterator

RECORD_SIDE = 128  # pixels
IMAGE_BYTES = RECORD_SIDE * RECORD_SIDE

_BYTES_LIST = 0x0A  # field 1 of tf.train.Feature, length-delimited
_INT64_LIST = 0x1A  # field 3 of tf.train.Feature, length-delimited
_FIELDS = ("copies", "group", "image", "image_id", "label", "render_key", "variant")


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """One variant of one image, as stored.

    Attributes:
        image: pixels, row by row, 16,384 bytes of uint8.
        label: index in the label set.
        image_id: name of the image in the manifest.
        group: name of the image's drop, well or plate.
        variant: number of this variant, from 0.
        copies: how many variants the image has.
        render_key: digest of all that decides the pixels, hexadecimal.
    """

    image: bytes
    label: int
    image_id: str
    group: str
    variant: int
    copies: int
    render_key: str


class MalformedRecord(ValueError):
    """Bytes that are not a record of ours."""


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _delimited(tag: int, content: bytes) -> bytes:
    return bytes((tag,)) + _varint(len(content)) + content


def _entry(key: str, kind: int, value: bytes) -> bytes:
    """Returns one entry of the map of features: a key and a list of one value."""
    feature = _delimited(kind, _delimited(0x0A, value))
    return _delimited(0x0A, _delimited(0x0A, key.encode()) + _delimited(0x12, feature))


def encode_record(record: Record) -> bytes:
    """Returns the record as `tf.train.Example`, features in the order of their names.

    Raises:
        ValueError: if the image has another size, or a number is no int64 of 0 or more.
    """
    if len(record.image) != IMAGE_BYTES:
        raise ValueError(f"a record's image has {IMAGE_BYTES} bytes, got {len(record.image)}")
    numbers = (record.label, record.variant, record.copies)
    if min(numbers) < 0 or max(numbers) >= 2**63:
        raise ValueError(f"label, variant and copies must be 0 to 2**63 - 1, got {numbers}")
    features = b"".join(
        (
            _entry("copies", _INT64_LIST, _varint(record.copies)),
            _entry("group", _BYTES_LIST, record.group.encode()),
            _entry("image", _BYTES_LIST, record.image),
            _entry("image_id", _BYTES_LIST, record.image_id.encode()),
            _entry("label", _INT64_LIST, _varint(record.label)),
            _entry("render_key", _BYTES_LIST, record.render_key.encode()),
            _entry("variant", _INT64_LIST, _varint(record.variant)),
        )
    )
    return _delimited(0x0A, features)


_IMAGE_ENTRY_BYTES = len(_entry("image", _BYTES_LIST, bytes(IMAGE_BYTES)))


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """What experts and balance say of an image: the part of its records that may change.

    Attributes:
        label: index in the label set.
        group: name of the image's drop, well or plate.
        copies: how many variants the image has.
    """

    label: int
    group: str
    copies: int


class FactsPatch:
    """Gives the records of one image other facts, without reading all of them.

    Args:
        image_id: name of the image.
        before: the facts that its records have.
        now: those that they are to have.
    """

    def __init__(self, image_id: str, *, before: Facts, now: Facts):
        self._before, self._now = _parts(before), _parts(now)
        name = _entry("image_id", _BYTES_LIST, image_id.encode())
        self._kept = _IMAGE_ENTRY_BYTES + len(name)  # bytes between the two parts

    def apply(self, data: bytes) -> bytes:
        """Returns a record with the new facts: what `encode_record` would give.

        Raises:
            MalformedRecord: if the record is not one of the image with the facts before.
        """
        if len(data) <= self._kept:  # so that there is a length to read
            raise MalformedRecord(f"{len(data)} bytes that are no record")
        length, start = _read_varint(data, 1)
        head, label = self._before
        middle = start + len(head)
        end = middle + self._kept
        if not (
            data[:1] == b"\x0a"
            and start + length == len(data)
            and data.startswith(head, start)
            and data.startswith(label, end)
        ):
            raise MalformedRecord("a record with other facts than its shard's report has")
        new_head, new_label = self._now
        rest = data[end + len(label) :]
        return _delimited(0x0A, b"".join((new_head, data[middle:end], new_label, rest)))


def _parts(facts: Facts) -> tuple[bytes, bytes]:
    """Returns the entries of facts: those before the image, and the label behind it."""
    copies = _entry("copies", _INT64_LIST, _varint(facts.copies))
    group = _entry("group", _BYTES_LIST, facts.group.encode())
    return copies + group, _entry("label", _INT64_LIST, _varint(facts.label))


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Gives (tag, content) of each length-delimited field."""
    at = 0
    while at < len(data):
        tag = data[at]
        length, at = _read_varint(data, at + 1)
        if tag & 0x07 != 2 or at + length > len(data):
            raise MalformedRecord(f"unexpected field with tag {tag} at byte {at}")
        yield tag, data[at : at + length]
        at += length


def _only(data: bytes, tag: int) -> bytes:
    """Returns the content of the one field that the message must have."""
    found = list(_fields(data))
    if len(found) != 1 or found[0][0] != tag:
        raise MalformedRecord(f"wanted one field with tag {tag}, got {[t for t, _ in found]}")
    return found[0][1]


def decode_record(data: bytes) -> Record:
    """Returns the record that `encode_record` wrote.

    Raises:
        MalformedRecord: if the bytes are anything else.
    """
    values: dict[str, bytes] = {}
    try:
        for _, entry in _fields(_only(data, 0x0A)):
            (_, key), (_, feature) = _fields(entry)
            ((_, values_list),) = _fields(feature)
            values[key.decode()] = _only(values_list, 0x0A)
        if tuple(values) != _FIELDS:
            raise MalformedRecord(f"wanted the features {', '.join(_FIELDS)}, got {list(values)}")
        numbers = {key: _read_varint(values[key], 0)[0] for key in ("label", "variant", "copies")}
        record = Record(
            image=values["image"],
            image_id=values["image_id"].decode(),
            group=values["group"].decode(),
            render_key=values["render_key"].decode(),
            **numbers,
        )
        if encode_record(record) != data:
            raise MalformedRecord("the record is not in its one canonical form")
    except MalformedRecord:
        raise
    except (ValueError, IndexError) as error:  # UnicodeDecodeError is a ValueError
        raise MalformedRecord(f"not a record: {error}") from error
    return record
