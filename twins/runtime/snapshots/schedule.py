"""Schedule: when a running twin writes a snapshot, and how it does so without standing still."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from twins.runtime.keys import KeysUnusable
from twins.runtime.snapshots.store import Loaded, Place, Saved, SnapshotStore, log_bytes
from twins.runtime.twin import Twin

SECONDS = 1.0
REST_SECONDS = 60.0
logger = logging.getLogger(__name__)


class Due(NamedTuple):
    """How much may come after a snapshot before the next one is due."""

    records: int
    log_bytes: int


RUNNING = Due(10_000, 16 * 1024 * 1024)
ENDING = Due(1_000, 1024 * 1024)


class Schedule:
    """One task that writes a snapshot when enough has happened since the last, and at the end.

    Args:
        place: where the log stands on disk now.
        last: the snapshot with which the twin began.
    """

    def __init__(
        self,
        twin: Twin,
        directory: Path,
        place: Callable[[], Place],
        last: Loaded | None = None,
        *,
        running: Due = RUNNING,
        ending: Due = ENDING,
    ) -> None:
        self.store = SnapshotStore(directory, twin.keys)
        self._twin = twin
        self._directory = directory
        self._place = place
        self._running, self._ending = running, ending
        self._last = Due(last.seq, last.log_bytes) if last else Due(0, 0)
        self._one_at_a_time = asyncio.Lock()
        self._closing = asyncio.Event()
        self._task = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stop, after what is under way; write the last snapshot if it is worth it."""
        self._closing.set()
        await self._task
        if self._is_due(self._ending):
            await self._try()

    async def take(self, before: Callable[[], None] | None = None) -> Saved:
        """Write a snapshot now; first do, in a thread, what no older snapshot may survive.

        Raises:
            OSError, KeysUnusable: it cannot be written.
        """
        async with self._one_at_a_time:
            if before is not None:
                await asyncio.to_thread(before)
            # The rows may show records that are on their way: these are waited for, and replayed.
            place, through, size = self._place(), self._twin.log.seq, log_bytes(self._directory)
            tables = self._twin.state.copy()
            await self._twin.log.wait(through)
            saved = await asyncio.to_thread(self.store.save, tables, place, through)
            self._last = Due(saved.seq, size)
            return saved

    def _is_due(self, due: Due) -> bool:
        if self._twin.moved is not None:
            return False
        records, size = self._twin.log.durable - self._last.records, log_bytes(self._directory)
        return records >= due.records or (records > 0 and size - self._last.log_bytes >= due.log_bytes)

    async def _watch(self) -> None:
        rest = SECONDS
        while not self._closing.is_set():
            try:
                async with asyncio.timeout(rest):
                    await self._closing.wait()
            except TimeoutError:
                rest = SECONDS
                if self._is_due(self._running) and not await self._try():
                    rest = REST_SECONDS

    async def _try(self) -> bool:
        try:
            await self.take()
        except (OSError, KeysUnusable) as error:
            logger.warning("no snapshot can be written: %s", error)
            return False
        return True
