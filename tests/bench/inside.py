"""Inside: a twin in this process, called without a network."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import uvloop

from tests.runtime.machine import SLICES, entry, person
from twins.runtime.init import create
from twins.runtime.module import load
from twins.runtime.twin import Twin

# 320 bytes of JSON, the size that every group uses.
BODY = {"name": "x" * 120, "maker": "y" * 80, "state": "open", "count": 12, "text": "z" * 53}
WORK_SECONDS = 50e-6


class Inside:
    """A twin on the disk that is opened for each measurement."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._owner = person()
        genesis = {"slices": SLICES, "owner": entry(self._owner)}
        create(directory, slug="inside", name="Inside", genesis=genesis)

    def rate(self, in_flight: int, seconds: float, *, saturated: bool = False) -> float:
        """Durable commits a second; `saturated` gives the loop other work of 50 us a piece without pause."""
        return uvloop.run(self._rate(in_flight, seconds, saturated))

    async def _rate(self, in_flight: int, seconds: float, saturated: bool) -> float:
        twin = Twin(self._directory, load("twin"))
        twin.start()
        caller = twin.callers.authenticate(f"Bearer {self._owner.token(twin.id)}")
        end, count = time.perf_counter() + seconds, 0

        async def commit(number: int) -> None:
            nonlocal count
            args = {"slice": "catalogue", "id": f"object-{number}", "body": BODY}
            while time.perf_counter() < end:
                await twin.call(caller, "put", args)
                count += 1

        async def work() -> None:
            while time.perf_counter() < end:
                until = time.perf_counter() + WORK_SECONDS
                while time.perf_counter() < until:
                    pass
                await asyncio.sleep(0)

        await asyncio.gather(*map(commit, range(in_flight)), *([work()] if saturated else []))
        await twin.close()
        return count / seconds
