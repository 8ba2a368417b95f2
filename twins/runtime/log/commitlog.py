"""Commitlog: the open log of a running twin."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from twins.runtime import files
from twins.runtime.log.frame import MAGIC, START, Frame, Seal, parse_at, walk
from twins.runtime.log.reader import Query, Recovered, mapped, path_of, position, scan, search, verify
from twins.runtime.log.record import Record, decode, encode
from twins.runtime.log.writer import Writer


def create(directory: Path, seal: Seal, record: Record) -> None:
    """Write a new log that holds the first record, all or nothing."""
    path = path_of(directory)
    files.make_directory(path.parent)
    files.write_private(path, MAGIC + seal.close(1, START, encode(record)))


class Commitlog:
    """Appends records and finds them again; one per twin and process."""

    def __init__(self, directory: Path, seal: Seal) -> None:
        self._directory = directory
        self._seal = seal
        self._offsets = array("Q")
        self._head = START
        self._end = 0
        self._durable_end = 0
        self._fd = -1
        self._writer: Writer | None = None

    def recover(self, replay: Callable[[Record], None]) -> Recovered:
        """Read every record, hand each to `replay` and cut a torn tail.

        Raises:
            LogMissing, LogDamaged: nothing is changed then.
        """
        last: Frame | None = None
        for frame, record in scan(self._directory, self._seal):
            self._offsets.append(frame.offset)
            replay(record)
            last = frame
        found = position(self._directory, last)
        self._head, self._end, self._durable_end = found.head, found.end, found.end
        return found

    def open(self, found: Recovered, on_durable: Callable[[int], None]) -> None:
        """Begin to write after the last whole record; needs a running loop."""
        self._fd = os.open(path_of(self._directory), os.O_WRONLY)
        if found.torn:
            os.ftruncate(self._fd, found.end)
            os.fsync(self._fd)
        os.lseek(self._fd, found.end, os.SEEK_SET)

        def settled(seq: int, size: int) -> None:
            self._durable_end += size
            on_durable(seq)

        self._writer = Writer(self._fd, found.seq, settled)

    @property
    def writer(self) -> Writer:
        if self._writer is None:
            raise RuntimeError("the commitlog is not open")
        return self._writer

    @property
    def seq(self) -> int:
        """The last record's seq, on disk or on the way."""
        return self.writer.seq

    @property
    def durable(self) -> int:
        """The last seq that is on disk."""
        return self.writer.durable

    def append(self, record: Record) -> None:
        """Queue a record; its seq must be the next."""
        frame = self._seal.close(record.seq, self._head, encode(record))
        self._head = frame[-len(START) :]
        self._offsets.append(self._end)
        self._end += len(frame)
        self.writer.append(frame)

    async def wait(self, seq: int) -> None:
        """Return when record `seq` is on disk."""
        await self.writer.wait(seq)

    @property
    def head(self) -> dict[str, Any]:
        """The last record's seq and hash, on disk or on the way."""
        return {"seq": self.seq, "hash": self._head.hex()}

    def search(self, query: Query) -> dict[str, Any]:
        """What is on disk and wanted: `{"records", "next"}`; blocking."""
        with mapped(self._directory, self._durable_end) as data:
            frames = self._backwards if query.newest_first else self._forwards
            return search(self._seal, query, frames(data, query.start))

    def backwards(self, start: int) -> Iterator[Record]:
        """Record `start` and those before it that are on disk, the newest first; blocking."""
        with mapped(self._directory, self._durable_end) as data:
            for frame in self._backwards(data, start):
                yield decode(frame, self._seal.open(frame))

    def _forwards(self, data: memoryview, start: int) -> Iterator[Frame]:
        if start <= self.durable:
            first = parse_at(data, self._offsets[start - 1], start)
            yield from walk(data, first.offset, start, first.previous)

    def _backwards(self, data: memoryview, start: int) -> Iterator[Frame]:
        for seq in range(min(start, self.durable), 0, -1):
            if self._offsets[seq - 1] < len(data):
                yield parse_at(data, self._offsets[seq - 1], seq)

    def verify(self) -> dict[str, Any]:
        """As `reader.verify`, over what is on disk; blocking."""
        return verify(self._directory, self._seal, self._durable_end)

    async def close(self) -> None:
        """Return when everything is on disk."""
        await self.writer.close()
        os.close(self._fd)
