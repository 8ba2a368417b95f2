"""Reader: the frames of a log that is on disk, with recovery, search and verification."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from twins.runtime.log.frame import MAGIC, START, Frame, LogDamaged, Seal, walk
from twins.runtime.log.record import Record, decode, describe

FIRST = f"{1:020d}.mlog"


class LogMissing(Exception):
    """There is no commitlog, so no twin, in this directory."""


class Query(NamedTuple):
    """What to look for: `since` inclusive and `until` exclusive, both RFC 3339 texts of the log's form."""

    start: int = 1
    limit: int | None = None
    caller: str = ""
    since: str = ""
    until: str = ""
    newest_first: bool = False

    def wants(self, record: Record) -> bool:
        return (
            self.caller in ("", record.caller)
            and record.at >= self.since
            and (not self.until or record.at < self.until)
        )


class Recovered(NamedTuple):
    """Where a log stands after a scan: `torn` counts the bytes of an unfinished last write."""

    seq: int
    head: bytes
    end: int
    torn: int


def path_of(directory: Path) -> Path:
    """The file of a twin's commitlog."""
    return directory / "log" / FIRST


@contextmanager
def mapped(directory: Path, end: int | None = None) -> Iterator[memoryview]:
    """The bytes of the log, at most up to `end`.

    Raises:
        LogMissing: no log is there.
        LogDamaged: the file is not a commitlog.
    """
    path = path_of(directory)
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise LogMissing(f"{directory} holds no twin: {path.name} cannot be read: {error.strerror}") from None
    try:
        if os.fstat(fd).st_size < len(MAGIC) or os.pread(fd, len(MAGIC), 0) != MAGIC:
            raise LogDamaged(1, 0, "the file does not begin as a commitlog")
        content = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
    finally:
        os.close(fd)
    view = memoryview(content)[:end]
    try:
        yield view
    finally:
        view.release()
        content.close()


def scan(directory: Path, seal: Seal, end: int | None = None) -> Iterator[tuple[Frame, Record]]:
    """Every record from the first.

    Raises:
        LogMissing, LogDamaged: as the names say.
    """
    with mapped(directory, end) as data:
        for frame in walk(data, len(MAGIC), 1, START):
            yield frame, decode(frame, seal.open(frame))


def position(directory: Path, last: Frame | None) -> Recovered:
    """Where the log stands when `last` is its last whole frame."""
    size = path_of(directory).stat().st_size
    if last is None:
        raise LogDamaged(1, len(MAGIC), "the first record is missing")
    return Recovered(last.seq, last.hash, last.end, size - last.end)


def search(seal: Seal, query: Query, frames: Iterable[Frame]) -> dict[str, Any]:
    """Those of the frames that the query wants, and the seq to continue from, or null."""
    records: list[dict[str, Any]] = []
    for frame in frames:
        if query.limit is not None and len(records) >= query.limit:
            return {"records": records, "next": frame.seq}
        record = decode(frame, seal.open(frame))
        if query.wants(record):
            records.append(describe(record, frame))
    return {"records": records, "next": None}


def verify(directory: Path, seal: Seal, end: int | None = None) -> dict[str, Any]:
    """The chain read again from the disk: `{"ok", "records", "head", "torn_bytes", "problem"}`."""
    last: Frame | None = None
    problem: str | None = None
    torn = 0
    try:
        for frame, _ in scan(directory, seal, end):
            last = frame
        torn = position(directory, last).torn if end is None else 0
    except LogDamaged as damage:
        problem = str(damage)
    head = {"seq": last.seq, "hash": last.hash.hex()} if last else None
    return {
        "ok": problem is None,
        "records": last.seq if last else 0,
        "head": head,
        "torn_bytes": torn,
        "problem": problem,
    }
