"""Writer: group commit. One batch is on its way to the disk while the next gathers."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

from twins.runtime.log import segments
from twins.runtime.log.disk import Disk, Pace, write_now
from twins.runtime.log.epoch import Fence
from twins.runtime.log.frame import close as close_frame
from twins.runtime.log.record import Record, encode
from twins.runtime.log.room import Room
from twins.runtime.log.scan import End
from twins.runtime.log.seal import Seal
from twins.runtime.problems import Problem

EXIT_IO_ERROR = 74
# Few waiting callers are answered soonest by a write in the loop, as long as the disk is quick.
FEW = 8
Callback = Callable[[Problem | None], None]
OnDurable = Callable[[int, list[bytes]], None]
logger = logging.getLogger(__name__)


class Heard(NamedTuple):
    """Who hears of the writer before anybody who waits for a record.

    Attributes:
        durable: called with the last seq on disk and the chain hashes of the records that came to it.
        refused: called once, when the writer takes no more records.
    """

    durable: OnDurable
    refused: Callable[[Problem], None]


class Writer:
    """Seals records and appends them to the last segment.

    `seq` is the last record's, on disk or on the way; `durable` and `head` are seq and hash of the last
    one on disk, and `durable_end` says where that ends.
    """

    def __init__(
        self,
        directory: Path,
        seal: Seal,
        end: End,
        fence: Fence,
        disk: Disk,
        heard: Heard,
        most: int,
    ) -> None:
        self._directory, self._seal, self._fence, self._disk = directory, seal, fence, disk
        self._heard, self._most = heard, most
        self._loop = asyncio.get_running_loop()
        self._header, self._path = end.header, end.path
        self._fd = _open(end.path)
        self._room = Room(self._fd, end.offset)
        self._end, self._head, self.head = end.offset, end.head, end.head
        self.seq = self.durable = self._sealed = end.seq
        self.durable_end = (end.header.first, end.offset)
        self._gathering: list[tuple[bytes, list[bytes]]] = []
        self._hashes: list[bytes] = []
        self._busy = False
        self._waiting: deque[tuple[int, Callback]] = deque()
        self._refusal: Problem | None = None
        self._pace = Pace()
        self._began = 0.0

    def append(self, record: Record) -> None:
        """Queue a record, the next one.

        Raises:
            Problem: 410, the twin moved; nothing was queued.
        """
        if self._refusal is not None:
            raise self._refusal
        self._gathering.append(encode(record))
        self.seq += 1
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._send)

    def then(self, seq: int, callback: Callback) -> None:
        """Call back when record `seq` is on disk, or with the problem for which it never will be."""
        if seq <= self.durable:
            _call(callback, None)
        elif self._refusal is not None:
            _call(callback, self._refusal)
        else:
            # In order, so that one look at the front finds all that are due.
            last = self._waiting[-1][0] if self._waiting else 0
            self._waiting.append((max(seq, last), callback))

    async def wait(self, seq: int) -> None:
        """Return when record `seq` is on disk.

        Raises:
            Problem: 410, it never will be.
        """
        if seq > self.durable:
            future = self._loop.create_future()
            self.then(seq, lambda problem: _resolve(future, problem))
            await future

    async def close(self) -> None:
        """Return when everything that can be is on disk."""
        if self._refusal is None:
            await self.wait(self.seq)
            self._room.leave(self._end)
        self._disk.close()
        os.close(self._fd)

    def check_fence(self) -> bool:
        """Whether this process may write; once it may not, it takes no more records."""
        if self._refusal is None and not self._fence.holds():
            self._refuse(Problem(410, "moved", "This twin is kept elsewhere now; this copy of it has ended."))
        return self._refusal is None

    def _send(self) -> None:
        if not self.check_fence():
            return
        try:
            if self._end >= self._most or self._header.epoch < self._fence.epoch:
                self._roll()
            data = self._close_frames()
            self._room.make(self._end + len(data))
            self._began = time.monotonic()
            now = self._pace.is_quick and self._sealed - self.durable <= FEW
            if now:
                write_now(self._fd, data, self._end)
            else:
                self._disk.write(self._fd, data, self._end, self._written)
        except OSError as error:
            _stop(error)
        self._end += len(data)
        if now:
            self._written(None)

    def _close_frames(self) -> bytes:
        """The frames of what has gathered."""
        batch, self._gathering = self._gathering, []
        seq, head, first = self._sealed, self._head, self._sealed + 1
        close_body, frames = self._seal.close, []
        for plain, parts in batch:
            seq += 1
            frame, head = close_frame(seq, first, head, close_body(seq, plain, parts))
            frames.append(frame)
            self._hashes.append(head)
        self._sealed, self._head = seq, head
        return b"".join(frames)

    def _roll(self) -> None:
        """Begin a new segment."""
        self._header = segments.Header(self._header.twin, self._fence.epoch, self._sealed + 1, self._head)
        path = segments.create(self._directory, self._header)
        self._room.leave(self._end)
        os.close(self._fd)
        self._fd, self._end = _open(path), segments.HEADER_BYTES
        self._room = Room(self._fd, self._end)

    def _written(self, failed: OSError | None) -> None:
        if failed is not None:
            _stop(failed)
        self._pace.note(time.monotonic() - self._began)
        self.durable, self.head, hashes = self._sealed, self._head, self._hashes
        self.durable_end = (self._header.first, self._end)
        self._hashes = []
        try:
            self._heard.durable(self.durable, hashes)
        except Exception:
            logger.exception("what follows record %d failed", self.durable)
        waiting = self._waiting
        while waiting and waiting[0][0] <= self.durable:
            _call(waiting.popleft()[1], None)
        if self._gathering:
            # After the requests that have come meanwhile, so that these are in the same write.
            self._loop.call_soon(self._send)
        else:
            self._busy = False

    def _refuse(self, problem: Problem) -> None:
        logger.critical("the twin moved: this process writes no more")
        self._refusal = problem
        self._gathering = []
        self._heard.refused(problem)
        while self._waiting:
            _call(self._waiting.popleft()[1], problem)


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_DSYNC | os.O_CLOEXEC)


def _call(callback: Callback, problem: Problem | None) -> None:
    # One that fails must not keep the others of its batch from being told.
    try:
        callback(problem)
    except Exception:
        logger.exception("a callback of the commitlog failed")


def _resolve(future: asyncio.Future[None], problem: Problem | None) -> None:
    if future.done():
        return
    if problem is None:
        future.set_result(None)
    else:
        future.set_exception(problem)


def _stop(error: OSError) -> NoReturn:
    # After a failed write the kernel may have dropped the pages: a second try could succeed without them.
    logger.critical("the commitlog cannot be written (%s); stopping", error.strerror or error)
    logging.shutdown()
    os._exit(EXIT_IO_ERROR)
