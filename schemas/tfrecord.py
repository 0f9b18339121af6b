"""TFRecord framing: length, its checksum, the data, its checksum.

The format is TensorFlow's (tensorflow/core/lib/io/record_writer.h): both checksums
are CRC-32C, rotated and offset ("masked"), little-endian.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

import google_crc32c

HEADER_BYTES = 12
HEAD_BYTES = 8  # of the header: the length of the data
FOOTER_BYTES = 4
_MASK_DELTA = 0xA282EAD8
_MOST_BYTES = 2**31 - 1  # no protocol buffer is longer


class CorruptShard(ValueError):
    """A TFRecord file with a fault; the message names record number and byte offset."""


def _masked_crc(data: bytes) -> int:
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def frame(data: bytes) -> bytes:
    """Returns data as one framed record of a TFRecord file."""
    length = struct.pack("<Q", len(data))
    return b"".join(
        (length, struct.pack("<I", _masked_crc(length)), data, struct.pack("<I", _masked_crc(data)))
    )


def is_frame_head(head: bytes | memoryview, framed_bytes: int) -> bool:
    """Returns whether `HEAD_BYTES` begin a framed record of this size, its frame included."""
    return head == struct.pack("<Q", framed_bytes - HEADER_BYTES - FOOTER_BYTES)


def unframe(framed: bytes) -> bytes:
    """Returns the data of one framed record, checksums verified.

    Raises:
        CorruptShard: if the bytes are not exactly one sound frame.
    """
    data = framed[HEADER_BYTES:-FOOTER_BYTES]
    sound = len(framed) >= HEADER_BYTES + FOOTER_BYTES
    if sound:
        length, length_crc = struct.unpack_from("<QI", framed)
        sound = (
            length == len(data)
            and length_crc == _masked_crc(framed[:8])
            and struct.unpack("<I", framed[-FOOTER_BYTES:])[0] == _masked_crc(data)
        )
    if not sound:
        raise CorruptShard(f"{len(framed)} bytes that are no framed record")
    return data


def read_frames(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Gives (byte offset, data) of each record of a TFRecord file, checksums verified.

    Raises:
        CorruptShard: if the file is cut short or a checksum does not hold.
    """
    offset = number = 0
    while header := stream.read(HEADER_BYTES):
        where = f"record {number} at byte {offset}"
        if len(header) < HEADER_BYTES:
            raise CorruptShard(f"{where}: the file ends within the record's header")
        length, length_crc = struct.unpack("<QI", header)
        if _masked_crc(header[:8]) != length_crc:
            raise CorruptShard(f"{where}: the checksum of its length does not hold")
        if length > _MOST_BYTES:
            raise CorruptShard(f"{where}: no record has {length} bytes")
        body = stream.read(length + FOOTER_BYTES)
        if len(body) < length + FOOTER_BYTES:
            raise CorruptShard(f"{where}: the file ends within the record")
        data = body[:length]
        if _masked_crc(data) != struct.unpack("<I", body[length:])[0]:
            raise CorruptShard(f"{where}: the checksum of its data does not hold")
        yield offset, data
        offset += HEADER_BYTES + length + FOOTER_BYTES
        number += 1
