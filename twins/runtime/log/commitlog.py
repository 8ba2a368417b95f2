"""Commitlog: the open log of a running twin."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from twins.runtime import clock, files
from twins.runtime.log import epoch, segments
from twins.runtime.log.checkpoints import Checkpoints, Forked, Signer
from twins.runtime.log.damage import LogDamaged
from twins.runtime.log.disk import Disk, open_disk
from twins.runtime.log.frame import START, close
from twins.runtime.log.proofs import RecordProof
from twins.runtime.log.reader import Index, Query, search
from twins.runtime.log.record import Opened, Record, encode
from twins.runtime.log.recovery import Recovered, Replay, recover
from twins.runtime.log.scan import Position, Scan
from twins.runtime.log.seal import Seal
from twins.runtime.log.segments import SEGMENT_BYTES, Header, twin_bytes
from twins.runtime.log.writer import Callback, Heard, Writer
from twins.runtime.problems import Problem

logger = logging.getLogger(__name__)


def create(directory: Path, seal: Seal, twin: str, record: Record) -> None:
    """Write a new log that holds the first record, all or nothing; `twin` is a ULID."""
    files.make_directory(segments.folder_of(directory))
    epoch.write(directory, epoch.FIRST)
    frame, _ = close(1, 1, START, seal.close(1, *encode(record)))
    segments.create(directory, Header(twin_bytes(twin), epoch.FIRST, 1, START), frame)


class Commitlog:
    """Appends records and finds them again; one per twin and process.

    Args:
        segment_bytes: a segment that has as many is followed by a new one.
        disk: makes the writer's way to the disk, given the folder.

    Attributes:
        damage: why the log takes no records, or None.
    """

    def __init__(
        self,
        directory: Path,
        seal: Seal,
        segment_bytes: int = SEGMENT_BYTES,
        disk: Callable[[Path], Disk] = open_disk,
    ) -> None:
        self._directory, self._seal, self._segment_bytes = directory, seal, segment_bytes
        self._open_disk = disk
        self._index = Index(directory)
        self._writer: Writer | None = None
        self._fence: epoch.Fence | None = None
        self._recovered: Recovered | None = None
        self._now = (0, "")
        self.damage: LogDamaged | None = None
        self.checkpoints = Checkpoints(directory, self._hashes)

    def recover(
        self, replay: Replay, twin: Callable[[], tuple[str, Iterable[str]]], start: Position | None = None
    ) -> Recovered:
        """Read every record behind `start` and hand its effects to `replay`; nothing is written.

        Args:
            twin: called afterwards: the twin's ULID, and its public keys as the `x` of their JWKs.

        Raises:
            LogMissing: no log is there.
            LogDamaged: not even the first record can be read.
            PositionUnfit: `start` is no place in this log; nothing was replayed.
        """
        found = recover(self._directory, self._seal, replay, start)
        self._recovered, self.damage = found, found.damage
        self._now = (0, found.at)
        ulid, keys = twin()
        if found.end.header.twin != twin_bytes(ulid):
            raise LogDamaged(1, found.end.path.name, 0, "the segment belongs to another twin")
        self._recovered = found._replace(hashes=b"")
        if self.damage is None:
            base = (start.seq, start.edge) if start else (0, ())
            try:
                self.checkpoints.recover(ulid, keys, *base, found.hashes)
            except Forked as fork:
                end = found.end
                self.damage = LogDamaged(
                    end.seq + 1, end.path.name, end.offset, f"the log was changed: {fork}"
                )
        return found

    def open(
        self,
        on_durable: Callable[[int], None],
        signer: Signer,
        on_refused: Callable[[Problem], None] = lambda _: None,
    ) -> None:
        """Begin to write after the last whole record; needs a running loop. A damaged log stays as it is.

        Args:
            on_durable: called with the last seq that is on disk, whenever it grew.
            signer: gives the seed of the twin's signing key.
            on_refused: called once, when the log takes no more records.

        Raises:
            TwinMoved: a newer copy of this twin has written.
        """
        found = self._found()
        if self.damage is not None:
            return
        end = found.end
        self._fence = epoch.Fence(self._directory)
        if self._fence.epoch < end.header.epoch:
            self._fence.close()
            reason = f"its epoch is {self._fence.epoch}, yet its log was written at {end.header.epoch}"
            raise epoch.TwinMoved(reason)
        if found.torn:
            _cut(end.path, end.offset)

        def durable(seq: int, hashes: list[bytes]) -> None:
            self.checkpoints.add(hashes)
            on_durable(seq)

        def refused(problem: Problem) -> None:
            self.checkpoints.stop()
            on_refused(problem)

        disk = self._open_disk(segments.folder_of(self._directory))
        heard = Heard(durable, refused)
        self._writer = Writer(self._directory, self._seal, end, self._fence, disk, heard, self._segment_bytes)
        self.checkpoints.start(signer)

    def _found(self) -> Recovered:
        if self._recovered is None:
            raise RuntimeError("the commitlog was not recovered")
        return self._recovered

    @property
    def seq(self) -> int:
        """The last record's seq, on disk or on the way."""
        return self._found().end.seq if self._writer is None else self._writer.seq

    @property
    def epoch(self) -> int:
        """Which life of the log the seqs belong to."""
        return self._found().end.header.epoch if self._fence is None else self._fence.epoch

    @property
    def durable(self) -> int:
        """The last seq that is on disk."""
        return self._found().end.seq if self._writer is None else self._writer.durable

    def now(self) -> str:
        """This instant, but never before the last record's: the times of a log do not go backwards."""
        milliseconds = time.time_ns() // 1_000_000
        if milliseconds != self._now[0]:
            self._now = (milliseconds, max(clock.now(), self._now[1]))
        return self._now[1]

    def append(self, record: Record) -> None:
        """Queue a record; its seq must be the next.

        Raises:
            Problem: 503, the log is damaged, or 410, the twin moved; nothing was queued.
        """
        if self._writer is None:
            raise self.unwritable()
        self._writer.append(record)

    def check_fence(self) -> None:
        """Take no more records if the twin moved."""
        if self._writer is not None:
            self._writer.check_fence()

    def unwritable(self) -> Problem:
        """Why a log that is not open takes no record."""
        if self.damage is None:
            raise RuntimeError("the commitlog is not open")
        return Problem(503, "log-damaged", f"This twin can only be read: {self.damage}.")

    def then(self, seq: int, callback: Callback) -> None:
        """Call back with None when record `seq` is on disk, or with the problem for which it never will
        be.
        """
        if self._writer is None:
            callback(None)
        else:
            self._writer.then(seq, callback)

    async def wait(self, seq: int) -> None:
        """Return when record `seq` is on disk.

        Raises:
            Problem: 410, it never will be.
        """
        if self._writer is not None:
            await self._writer.wait(seq)

    @property
    def head(self) -> dict[str, Any]:
        """Seq and hash of the last record that is on disk."""
        if self._writer is None:
            return {"seq": self._found().end.seq, "hash": self._found().end.head.hex()}
        return {"seq": self._writer.durable, "hash": self._writer.head.hex()}

    @property
    def durable_end(self) -> tuple[int, int]:
        """The newest segment and how much of it is on disk."""
        if self._writer is None:
            return (self._found().end.header.first, self._found().end.offset)
        return self._writer.durable_end

    @property
    def position(self) -> Position:
        """The place after the last record that is on disk."""
        segment, offset = self.durable_end
        seq, head = self.durable, bytes.fromhex(self.head["hash"])
        return Position(seq, head, tuple(self.checkpoints.edge()), segment, offset, self._now[1])

    def search(self, query: Query) -> dict[str, Any]:
        """What is on disk and wanted: `{"records", "next"}`; blocking."""
        last = self.durable
        frames = self._index.walk(
            self.durable_end, min(query.start, last + 1), last, backwards=query.newest_first
        )
        return search(self._seal, query, frames)

    def backwards(self, start: int) -> Iterator[Opened]:
        """Record `start` and those before it that are on disk, the newest first; blocking."""
        last = min(start, self.durable)
        for frame in self._index.walk(self.durable_end, last, last, backwards=True):
            yield Opened(self._seal, frame, "")

    def forwards(self, start: int) -> Iterator[Opened]:
        """Record `start` and those after it that are on disk now; blocking."""
        last = self.durable
        if start <= last:
            for frame in self._index.walk(self.durable_end, start, last, backwards=False):
                yield Opened(self._seal, frame, "")

    def _hashes(self) -> Iterator[bytes]:
        for frame, _ in Scan(self._directory, until=self.durable_end):
            yield frame.hash

    def proof(self, seq: int) -> RecordProof:
        """That the newest checkpoint covers record `seq`; blocking.

        Raises:
            Problem: 404, it does not, or there is none.
        """
        text, size = self.checkpoints.signed()
        path = self.checkpoints.inclusion(seq, size)
        (frame,) = self._index.walk(self.durable_end, seq, seq, backwards=False)
        return RecordProof(seq, frame.hash, path, text)

    async def close(self) -> None:
        """Return when everything is on disk and signed."""
        if self._writer is not None:
            await self._writer.close()
            await self.checkpoints.close()
        if self._fence is not None:
            self._fence.close()


def _cut(path: Path, end: int) -> None:
    """Remove what an unfinished write left behind, durably."""
    fd = os.open(path, os.O_WRONLY)
    try:
        os.ftruncate(fd, end)
        os.fsync(fd)
    finally:
        os.close(fd)
