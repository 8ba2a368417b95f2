"""Frames: how one record lies on disk.

    length u32 | seq u64 | batch u64 | hash of the previous frame (32) | CRC32C of all before u32
    body (length bytes) | SHA-256 of all before (32)

Big-endian. `batch` is the seq of the first record that was written together with this one: everything before
it was on disk when this frame was written. The CRC32C (RFC 3720) makes the length trustworthy before the body
is read; the SHA-256 is the chain.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import NamedTuple

from google_crc32c import value as crc32c

from twins.runtime.log.damage import LogDamaged

FIELDS = struct.Struct(">IQQ32s")
CRC = struct.Struct(">I")
HEADER_BYTES = FIELDS.size + CRC.size
HASH_BYTES = 32
START = b"\0" * HASH_BYTES
# A file system may have grown the file without writing its end: then a frame ends in at least so many zeros.
UNWRITTEN = 4


class Frame(NamedTuple):
    """One frame that was read: `end` is the offset after it."""

    seq: int
    batch: int
    previous: bytes
    body: bytes
    hash: bytes
    offset: int
    end: int


def close(seq: int, batch: int, previous: bytes, body: bytes) -> tuple[bytes, bytes]:
    """A frame's bytes and its hash."""
    fields = FIELDS.pack(len(body), seq, batch, previous)
    framed = fields + CRC.pack(crc32c(fields)) + body
    digest = hashlib.sha256(framed).digest()
    return framed + digest, digest


def parse(data: memoryview, offset: int) -> Frame | None:
    """The frame at `offset`, or None when no whole and sound frame lies there."""
    start = offset + HEADER_BYTES
    if start > len(data):
        return None
    size, seq, batch, previous = FIELDS.unpack_from(data, offset)
    tail = start + size
    if tail + HASH_BYTES > len(data):
        return None
    stored = bytes(data[tail : tail + HASH_BYTES])
    if hashlib.sha256(data[offset:tail]).digest() != stored:
        return None
    return Frame(seq, batch, previous, bytes(data[start:tail]), stored, offset, tail + HASH_BYTES)


def header_holds(data: memoryview, offset: int) -> bool:
    """Whether a frame's header at `offset` is whole, so that its length can be believed."""
    end = offset + FIELDS.size
    if end + CRC.size > len(data):
        return False
    return bool(crc32c(bytes(data[offset:end])) == CRC.unpack_from(data, end)[0])


def walk(data: memoryview, offset: int, seq: int, previous: bytes, segment: str) -> Iterator[Frame]:
    """The frames from `offset` on, of which the first must be record `seq` after the hash `previous`.

    Ends at the end of the data or at a torn tail: the last write, which was not finished.

    Raises:
        LogDamaged: a frame was changed, lost or put elsewhere.
    """
    while offset < len(data):
        frame = parse(data, offset)
        if frame is None:
            if any(data[offset:]):
                refuse_damage(data, offset, seq, segment)
            return
        if frame.seq != seq:
            raise LogDamaged(seq, segment, offset, f"record {frame.seq} lies in its place")
        if frame.previous != previous:
            raise LogDamaged(seq, segment, offset, "it does not follow the record before it")
        yield frame
        offset, seq, previous = frame.end, seq + 1, frame.hash


def refuse_damage(data: memoryview, offset: int, seq: int, segment: str) -> None:
    """Tell a torn tail from damage: a torn tail is unfinished, and nothing that was written later follows.

    Raises:
        LogDamaged: it is no torn tail.
    """
    if header_holds(data, offset):
        size, found, _, _ = FIELDS.unpack_from(data, offset)
        end = offset + HEADER_BYTES + size + HASH_BYTES
        if found != seq:
            raise LogDamaged(seq, segment, offset, f"record {found} lies in its place")
        if end <= len(data) and any(data[end - UNWRITTEN : end]):
            raise LogDamaged(seq, segment, offset, "its bytes do not match its hash")
    elif len(data) - offset >= HEADER_BYTES and any(data[offset + FIELDS.size : offset + HEADER_BYTES]):
        raise LogDamaged(seq, segment, offset, "its header does not match its checksum")
    later = _written_later(data, offset + 1, seq)
    if later is not None:
        raise LogDamaged(seq, segment, offset, f"it cannot be read, yet record {later} follows it")


def _written_later(data: memoryview, offset: int, seq: int) -> int | None:
    """The seq of a whole frame after `offset` whose batch came after record `seq`, looked for at every
    byte.
    """
    for start in range(offset, len(data) - HEADER_BYTES - HASH_BYTES + 1):
        size, found, batch, _ = FIELDS.unpack_from(data, start)
        if seq < batch <= found and start + HEADER_BYTES + size + HASH_BYTES <= len(data):
            frame = parse(data, start)
            if frame is not None:
                return frame.seq
    return None
