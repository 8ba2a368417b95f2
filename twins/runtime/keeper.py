"""Keeper: the tasks that keep a running twin's directory in order."""

from __future__ import annotations

from pathlib import Path

from twins.runtime.erasure import Eraser
from twins.runtime.fencing import Fencing
from twins.runtime.keyuse import KeyUses
from twins.runtime.snapshots.schedule import Schedule
from twins.runtime.twin import Twin


class Keeper:
    """Looks whether the twin moved, records uses of the keys, completes erasures and writes snapshots.

    Close it before the twin.
    """

    def __init__(self, twin: Twin, directory: Path) -> None:
        self._fencing = Fencing(twin.log)
        self._uses = KeyUses(twin, directory)
        self._schedule = Schedule(twin, directory, lambda: twin.log.position, twin.snapshot)
        self._eraser = Eraser(twin, self._schedule, twin.records)

    async def close(self) -> None:
        """Stop, after what is under way; write the last snapshot if it is worth it."""
        self._fencing.close()
        await self._uses.close()
        await self._eraser.close()
        await self._schedule.close()
