"""Where the features of many records lie, found for all of them at once.

`schemas.records` says how a record is written, and writes it in one way only: the features in
the order of their names, each with one value. Walking over that layout for a whole chunk
costs a tenth of parsing each record, and nothing is guessed: whatever the walk meets
otherwise makes the record an unsound one.
"""

import dataclasses
from collections.abc import Collection

import numpy as np

from schemas.records import IMAGE_BYTES, Record, encode_record

BYTES_KIND, NUMBER_KIND = 0x0A, 0x1A  # fields 1 and 3 of tf.train.Feature, length-delimited
_KINDS = {
    "copies": NUMBER_KIND,
    "group": BYTES_KIND,
    "image": BYTES_KIND,
    "image_id": BYTES_KIND,
    "label": NUMBER_KIND,
    "render_key": BYTES_KIND,
    "variant": NUMBER_KIND,
}


def _image_head() -> np.ndarray:
    """Returns the bytes of a record from the start of the image's entry to the pixels.

    They are the same in every record: lengths of this entry follow from the size of an image.
    """
    name = b"\x05image\x12"
    record = encode_record(Record(bytes(IMAGE_BYTES), 0, "", "", 0, 0, ""))
    at = record.index(name)
    tag, length = 1, 3  # bytes of each; a length of 2**14 to 2**21 has three
    begin, end = at - 1 - length - tag, at + len(name) + length + 2 * (tag + length)
    return np.frombuffer(record[begin:end], dtype=np.uint8)


_IMAGE_HEAD = _image_head()


@dataclasses.dataclass(frozen=True)
class Fields:
    """Where the values of records lie.

    Attributes:
        starts: place of each value's first byte, by feature; int64 arrays of shape [records].
        lengths: its bytes, likewise.
        sound: whether a record is laid out as it should; bool array of shape [records].
    """

    starts: dict[str, np.ndarray]
    lengths: dict[str, np.ndarray]
    sound: np.ndarray

    def numbers(self, raw: np.ndarray, feature: str) -> np.ndarray:
        """Returns the values of a feature that is a number, int64 array of shape [records]."""
        values, _ = _varints(raw, self.starts[feature])
        return values

    def texts(self, raw: np.ndarray, feature: str) -> np.ndarray:
        """Returns the values of a feature that is text, object array of bytes, [records]."""
        places = zip(self.starts[feature].tolist(), self.lengths[feature].tolist(), strict=True)
        texts = np.empty(len(self.sound), dtype=object)
        texts[:] = [raw[start : start + length].tobytes() for start, length in places]
        return texts


def locate(
    raw: np.ndarray, starts: np.ndarray, ends: np.ndarray, *, wanted: Collection[str]
) -> Fields:
    """Returns where the wanted features lie.

    Args:
        raw: bytes that hold the records, uint8 array.
        starts: place of each record's first byte, int64 array of shape [records].
        ends: place behind its last byte, likewise.
        wanted: names of features beside the image; the others are stepped over.
    """
    sound = raw.take(starts, mode="clip") == 0x0A
    length, at = _varints(raw, starts + 1)
    sound &= at + length == ends
    found = Fields({}, {}, sound)
    for name, kind in _KINDS.items():
        if name == "image":
            sound &= _has(raw, at, _IMAGE_HEAD)
            start = at + len(_IMAGE_HEAD)
            at = start + IMAGE_BYTES
        else:
            sound &= raw.take(at, mode="clip") == 0x0A
            length, body = _varints(raw, at + 1)
            at = body + length
            if name not in wanted:
                continue
            start = _value(raw, body, at, name=name, sound=sound)
            if kind == NUMBER_KIND:
                sound &= _varints(raw, start)[1] == at
        found.starts[name], found.lengths[name] = start, at - start
    sound &= at == ends
    return found


def _has(raw: np.ndarray, at: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Returns whether the wanted bytes begin at some places, bool array."""
    there: np.ndarray = raw.take(at[:, None] + np.arange(len(wanted)), mode="clip") == wanted
    return np.asarray(there.all(axis=1))


def _value(
    raw: np.ndarray, body: np.ndarray, end: np.ndarray, *, name: str, sound: np.ndarray
) -> np.ndarray:
    """Returns where the value of an entry begins; clears `sound` if that is not all it has.

    An entry is its key and a feature, that a list, that the value; each ends where it does.
    """
    key = np.frombuffer(bytes((0x0A, len(name))) + name.encode(), dtype=np.uint8)
    sound &= _has(raw, body, key)
    at = body + len(key)
    for tag in (0x12, _KINDS[name], 0x0A):
        sound &= raw.take(at, mode="clip") == tag
        length, at = _varints(raw, at + 1)
        sound &= at + length == end
    return at


def _varints(raw: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the numbers that are written from some places on, and the places behind them.

    Places that lie outside are moved to the edge: such a record cannot be sound.
    """
    byte = raw.take(at, mode="clip")
    values = (byte & 0x7F).astype(np.int64)
    at = at + 1
    more = byte >= 0x80
    for shift in range(7, 63, 7):
        if not more.any():
            break
        byte = raw.take(at, mode="clip")
        values |= np.where(more, (byte & 0x7F).astype(np.int64) << shift, 0)
        at = at + more
        more &= byte >= 0x80
    return values, at
