"""Disk: durable writes, one at a time, beside the running loop.

The file is open with O_DSYNC: a write has ended when its bytes are on disk.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from twins.runtime.log.aio import Aio, AioUnavailable

QUICK_SECONDS = 0.0005
MOST_CREDIT = 8
Done = Callable[[OSError | None], None]


class Disk(Protocol):
    """Writes beside the loop; `done` is called in the loop, with what went wrong or with None."""

    def write(self, fd: int, data: bytes, offset: int, done: Done) -> None:
        """Begin to write; nothing else may be under way."""

    def close(self) -> None:
        """Let go of everything; nothing may be under way."""


def open_disk(directory: Path) -> Disk:
    """The best way to write that this process has; needs a running loop."""
    try:
        return LateDisk(directory)
    except AioUnavailable:
        return ThreadDisk()


def write_now(fd: int, data: bytes, offset: int) -> None:
    """Write in the caller's thread.

    Raises:
        OSError: it failed, or was short.
    """
    written = os.pwrite(fd, data, offset)
    if written != len(data):
        raise OSError(0, f"only {written} of {len(data)} bytes were written")


class Pace:
    """Whether a write in the loop would keep nobody waiting.

    One write beside the loop takes longer than its disk when the loop is busy, and a busy loop must not wait
    either. A quick disk may be slow now and then, as others write to it too; one that is slow more often than
    every third time is not quick.
    """

    def __init__(self) -> None:
        self._credit = MOST_CREDIT

    @property
    def is_quick(self) -> bool:
        return self._credit > 0

    def note(self, seconds: float) -> None:
        """A write took so long, from its beginning until the loop knew of its end."""
        step = 1 if seconds < QUICK_SECONDS else -2
        self._credit = min(max(self._credit + step, 0), MOST_CREDIT)


class PlainDisk:
    """Writes in the loop, for a process that must not start a thread."""

    def __init__(self, _directory: Path) -> None:
        self._loop = asyncio.get_running_loop()

    def write(self, fd: int, data: bytes, offset: int, done: Done) -> None:
        write_now(fd, data, offset)
        self._loop.call_soon(done, None)

    def close(self) -> None:
        """Nothing is held."""


class LateDisk:
    """Finds out with the first write whether POSIX AIO works here: a twin that writes little has no thread.

    Attributes:
        way: what the writes take, once there was one.

    Raises:
        AioUnavailable: use another way.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # Now, so that threads that start before the first write have its signal blocked.
        self._aio = Aio()
        self.way: Disk | None = None

    def write(self, fd: int, data: bytes, offset: int, done: Done) -> None:
        way = self.way = self.way or self._open()
        way.write(fd, data, offset, done)

    def close(self) -> None:
        (self.way or self._aio).close()

    def _open(self) -> Disk:
        try:
            self._aio.test(self._directory)
        except AioUnavailable:
            self._aio.close()
            return ThreadDisk()
        return AioDisk(self._aio)


class AioDisk:
    """Writes by POSIX AIO, without Python's lock: a busy loop does not hold them up."""

    def __init__(self, aio: Aio) -> None:
        self._aio = aio
        self._done: Done | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._aio.fileno, self._ready)

    def write(self, fd: int, data: bytes, offset: int, done: Done) -> None:
        self._done = done
        try:
            self._aio.submit(fd, data, offset)
        except OSError as error:
            self._loop.call_soon(done, error)

    def close(self) -> None:
        self._loop.remove_reader(self._aio.fileno)
        self._aio.close()

    def _ready(self) -> None:
        failed: OSError | None = None
        try:
            if not self._aio.result():
                return
        except OSError as error:
            failed = error
        if self._done is not None:
            self._done(failed)


class ThreadDisk:
    """Writes in a Python thread, where there is nothing better."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[tuple[int, bytes, int, Done] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="commitlog", daemon=True)
        self._thread.start()

    def write(self, fd: int, data: bytes, offset: int, done: Done) -> None:
        self._queue.put((fd, data, offset, done))

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            fd, data, offset, done = job
            failed: OSError | None = None
            try:
                write_now(fd, data, offset)
            except OSError as error:
                failed = error
            self._loop.call_soon_threadsafe(done, failed)
