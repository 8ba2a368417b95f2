"""Segments: the files of a log.

A segment is `log/<20 digits: first seq>.mlog`: a header, then frames.

    magic "MYCELOG2" | version u32 | twin's ULID (16) | epoch u64 | first seq u64 | last hash of the previous
    segment (32) | CRC32C of all before u32

Big-endian. The header is written with its file, all or nothing, and its directory is synced.
"""

from __future__ import annotations

import mmap
import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from google_crc32c import value as crc32c

from twins.runtime import files
from twins.runtime.ids import ALPHABET
from twins.runtime.log.damage import LogDamaged, LogMissing
from twins.runtime.log.room import used

MAGIC, VERSION = b"MYCELOG2", 2
FIELDS = struct.Struct(">8sI16sQQ32s")
CRC = struct.Struct(">I")
HEADER_BYTES = FIELDS.size + CRC.size
SEGMENT_BYTES = 64 * 1024 * 1024
_NAME = re.compile(r"\d{20}\.mlog")


class Header(NamedTuple):
    """What a segment says of itself; `previous` is the hash of the record before its first one."""

    twin: bytes
    epoch: int
    first: int
    previous: bytes


def folder_of(directory: Path) -> Path:
    """Where the log of the twin in `directory` lies."""
    return directory / "log"


def path_of(directory: Path, first: int = 1) -> Path:
    """The segment that begins with record `first`."""
    return folder_of(directory) / f"{first:020d}.mlog"


def twin_bytes(ulid: str) -> bytes:
    """The 16 bytes that a ULID writes."""
    value = 0
    for character in ulid:
        value = value << 5 | ALPHABET.index(character)
    return value.to_bytes(16, "big")


def pack(header: Header) -> bytes:
    """The header's bytes."""
    fields = FIELDS.pack(MAGIC, VERSION, *header)
    return fields + CRC.pack(crc32c(fields))


def create(directory: Path, header: Header, frames: bytes = b"") -> Path:
    """Make a segment, durably; it holds `frames` from the start."""
    path = path_of(directory, header.first)
    files.write_private(path, pack(header) + frames)
    return path


def list_segments(directory: Path) -> list[Path]:
    """The segments in their order.

    Raises:
        LogMissing: there is none, or the folder cannot be read.
        LogDamaged: a segment has a name that none can have.
    """
    try:
        found = sorted(path for path in folder_of(directory).iterdir() if path.suffix == ".mlog")
    except OSError as error:
        raise LogMissing(f"{directory} holds no twin: its log cannot be read: {error.strerror}") from None
    if not found:
        raise LogMissing(f"{directory} holds no twin: its log has no segment")
    for path in found:
        if _NAME.fullmatch(path.name) is None:
            raise LogDamaged(1, path.name, 0, "no segment has such a name")
    return found


def first_of(path: Path) -> int:
    """The seq of the first record, by the segment's name."""
    return int(path.stem)


@contextmanager
def mapped(path: Path, end: int | None = None) -> Iterator[memoryview]:
    """The bytes of a segment up to `end`, by default all that was written to.

    Raises:
        LogMissing: it cannot be read.
        LogDamaged: it is shorter than a header.
    """
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise LogMissing(f"{path} cannot be read: {error.strerror}") from None
    try:
        if os.fstat(fd).st_size < HEADER_BYTES:
            raise LogDamaged(first_of(path), path.name, 0, "the segment has no whole header")
        content = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
    finally:
        os.close(fd)
    whole = memoryview(content)
    view = whole[: used(whole) if end is None else end]
    try:
        yield view
    finally:
        view.release()
        whole.release()
        content.close()


def read_header(path: Path, data: memoryview) -> Header:
    """What the segment in `data` says of itself.

    Raises:
        LogDamaged: the header was changed, or is no segment's, or another segment's.
    """
    first = first_of(path)
    fields = bytes(data[: FIELDS.size])
    magic, version, *rest = FIELDS.unpack(fields)
    if magic != MAGIC or crc32c(fields) != CRC.unpack_from(data, FIELDS.size)[0]:
        raise LogDamaged(first, path.name, 0, "the segment's header is not what was written")
    if version != VERSION:
        raise LogDamaged(first, path.name, 0, f"the segment has version {version}, expected {VERSION}")
    header = Header(*rest)
    if header.first != first:
        reason = f"the segment begins with record {header.first} and does not belong under this name"
        raise LogDamaged(first, path.name, 0, reason)
    return header


def follow(path: Path, header: Header, before: Header, seq: int, previous: bytes) -> None:
    """Return when a segment continues the log of `before`, whose next record is `seq` after `previous`.

    Raises:
        LogDamaged: it is foreign, or segments are missing, doubled or in the wrong order.
    """
    reason = ""
    if header.twin != before.twin:
        reason = "the segment belongs to another twin"
    elif header.first > seq:
        reason = f"the segment with record {seq} is missing before it"
    elif header.first < seq:
        reason = "it repeats records of the segment before it"
    elif header.previous != previous:
        reason = "the segment does not follow the record before it"
    elif header.epoch < before.epoch:
        reason = f"the segment has epoch {header.epoch} after epoch {before.epoch}"
    if reason:
        raise LogDamaged(min(seq, header.first), path.name, 0, reason)
