"""Frames: how one record lies on disk.

    length u32 | seq u64 | hash of the previous frame (32) | body | SHA-256 of all before (32)

Big-endian. The body is nonce (12), AES-256-GCM ciphertext and tag (16). The hash covers the sealed bytes,
so the chain still verifies after a key is destroyed.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"MYCELOG1"
HEADER = struct.Struct(">IQ32s")
HASH_BYTES = 32
NONCE_BYTES = 12
SMALLEST = HEADER.size + NONCE_BYTES + 16 + HASH_BYTES
START = b"\0" * HASH_BYTES
# A file system may have grown the file without writing its end: then a frame ends in at least so many zeros.
UNWRITTEN = 4


class LogDamaged(Exception):
    """A frame that was once whole is not what was written."""

    def __init__(self, seq: int, offset: int, reason: str) -> None:
        super().__init__(f"record {seq} at byte {offset}: {reason}")
        self.seq = seq
        self.offset = offset
        self.reason = reason


class Frame(NamedTuple):
    """One frame that was read: `end` is the offset after it."""

    seq: int
    previous: bytes
    body: bytes
    hash: bytes
    offset: int
    end: int


class Seal:
    """Seals and opens bodies under the twin's data key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def close(self, seq: int, previous: bytes, plain: bytes) -> bytes:
        """The whole frame of a record."""
        size = NONCE_BYTES + len(plain) + 16
        header = HEADER.pack(size, seq, previous)
        nonce = os.urandom(NONCE_BYTES)
        framed = header + nonce + self._cipher.encrypt(nonce, plain, header)
        return framed + hashlib.sha256(framed).digest()

    def open(self, frame: Frame) -> bytes:
        """The record inside a frame.

        Raises:
            LogDamaged: another key sealed it.
        """
        header = HEADER.pack(len(frame.body), frame.seq, frame.previous)
        try:
            return self._cipher.decrypt(frame.body[:NONCE_BYTES], frame.body[NONCE_BYTES:], header)
        except InvalidTag:
            raise LogDamaged(frame.seq, frame.offset, "it was not sealed with this twin's key") from None


def parse(data: memoryview, offset: int) -> Frame | None:
    """The frame at `offset`, or None when no whole and sound frame lies there."""
    if offset + HEADER.size > len(data):
        return None
    size, seq, previous = HEADER.unpack_from(data, offset)
    tail = offset + HEADER.size + size
    if size < NONCE_BYTES + 16 or tail + HASH_BYTES > len(data):
        return None
    stored = bytes(data[tail : tail + HASH_BYTES])
    if hashlib.sha256(data[offset:tail]).digest() != stored:
        return None
    return Frame(seq, previous, bytes(data[offset + HEADER.size : tail]), stored, offset, tail + HASH_BYTES)


def parse_at(data: memoryview, offset: int, seq: int) -> Frame:
    """Record `seq`, which was found whole at `offset` before.

    Raises:
        LogDamaged: it is not any more.
    """
    frame = parse(data, offset)
    if frame is None or frame.seq != seq:
        raise LogDamaged(seq, offset, "its bytes changed while the twin ran")
    return frame


def walk(data: memoryview, offset: int, seq: int, previous: bytes) -> Iterator[Frame]:
    """The frames from `offset` on, of which the first must be record `seq` after the hash `previous`.

    Ends at the end of the data or at a torn tail (the unfinished last write).

    Raises:
        LogDamaged: a frame in the middle was changed, lost or put elsewhere.
    """
    while offset < len(data):
        frame = parse(data, offset)
        if frame is None:
            _refuse_damage(data, offset, seq)
            return
        if frame.seq != seq:
            raise LogDamaged(seq, offset, f"record {frame.seq} lies in its place")
        if frame.previous != previous:
            raise LogDamaged(seq, offset, "it does not follow the record before it")
        yield frame
        offset, seq, previous = frame.end, seq + 1, frame.hash


def _refuse_damage(data: memoryview, offset: int, seq: int) -> None:
    """Tell a torn tail from damage: a torn tail is unfinished and nothing whole follows it."""
    if len(data) - offset >= HEADER.size:
        size, _, _ = HEADER.unpack_from(data, offset)
        end = offset + HEADER.size + size + HASH_BYTES
        if size > 0 and end <= len(data) and any(data[end - UNWRITTEN : end]):
            raise LogDamaged(seq, offset, "its bytes do not match its hash")
    later = _next_whole(data, offset + 1, seq)
    if later is not None:
        raise LogDamaged(seq, offset, f"it cannot be read, yet record {later} follows it")


def _next_whole(data: memoryview, offset: int, seq: int) -> int | None:
    """The seq of the first whole frame after `offset`, looked for at every byte."""
    most = seq + (len(data) - offset) // SMALLEST + 1
    for start in range(offset, len(data) - SMALLEST + 1):
        size, found, _ = HEADER.unpack_from(data, start)
        if seq < found <= most and start + SMALLEST + size - NONCE_BYTES - 16 <= len(data):
            frame = parse(data, start)
            if frame is not None:
                return frame.seq
    return None
