"""Writer: group commit. One batch is on its way to the disk while the next gathers."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import NoReturn

from twins.runtime import files

EXIT_IO_ERROR = 74
logger = logging.getLogger(__name__)


class Writer:
    """Appends frames to one file; `on_durable(seq)` is called, in order, before anyone who waits wakes."""

    def __init__(self, fd: int, seq: int, on_durable: Callable[[int, int], None]) -> None:
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._on_durable = on_durable
        self._batches: SimpleQueue[tuple[int, bytes] | None] = SimpleQueue()
        self._gathering: list[bytes] = []
        self._busy = False
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.seq = seq
        self.durable = seq
        self._thread = threading.Thread(target=self._work, name="commitlog", daemon=True)
        self._thread.start()

    def append(self, frame: bytes) -> None:
        """Queue the next record's frame."""
        self.seq += 1
        self._gathering.append(frame)
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._send)

    async def wait(self, seq: int) -> None:
        """Return when record `seq` is on disk."""
        if seq > self.durable:
            future = self._loop.create_future()
            self._waiting.append((seq, future))
            await future

    async def close(self) -> None:
        """Return when everything is on disk and the thread has ended."""
        await self.wait(self.seq)
        self._batches.put(None)
        self._thread.join()

    def _send(self) -> None:
        batch, self._gathering = b"".join(self._gathering), []
        self._batches.put((self.seq, batch))

    def _work(self) -> None:
        while (batch := self._batches.get()) is not None:
            seq, data = batch
            try:
                files.write_all(self._fd, data)
                os.fdatasync(self._fd)
            except OSError as error:
                _stop(error)
            self._loop.call_soon_threadsafe(self._settle, seq, len(data))

    def _settle(self, seq: int, size: int) -> None:
        self.durable = seq
        self._on_durable(seq, size)
        waiting = list(self._waiting)
        self._waiting = deque(item for item in waiting if item[0] > seq)
        for wanted, future in waiting:
            if wanted <= seq and not future.done():
                future.set_result(None)
        if self._gathering:
            self._send()
        else:
            self._busy = False


def _stop(error: OSError) -> NoReturn:
    # After a failed fsync the kernel may have dropped the pages: a second try could succeed without them.
    logger.critical("the commitlog cannot be written (%s); stopping", error.strerror or error)
    logging.shutdown()
    os._exit(EXIT_IO_ERROR)
