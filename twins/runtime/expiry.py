"""Expiry: closes streams at the instant a window ends, and has the log say so."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from twins.runtime import clock
from twins.runtime.authz import tuples
from twins.runtime.callers import CLOCK
from twins.runtime.granted import GRANTS
from twins.runtime.problems import Problem
from twins.runtime.state import Change
from twins.runtime.twin import Twin

REDUCER = "expire_grants"
LONGEST_SLEEP, REST_SECONDS = 3600.0, 60.0


class Expiry:
    """One task that sleeps until time has its next turn."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._changed = asyncio.Event()
        twin.state.watch(self._observe, tuples.TABLE, GRANTS)
        self._task = asyncio.create_task(self._watch())

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _following(self) -> str | None:
        """When the next window begins or ends, or the next request lapses."""
        due = self._twin.granted.due
        return min([*self._twin.tuples.expiries(), *([] if due is None else [due])], default=None)

    def _observe(self, _changes: Sequence[Change]) -> None:
        self._changed.set()

    async def _watch(self) -> None:
        while True:
            self._changed.clear()
            following = self._following()
            # A long sleep is cut up because the wall clock may be set meanwhile.
            wait = LONGEST_SLEEP if following is None else min(clock.seconds_until(following), LONGEST_SLEEP)
            if wait <= 0:
                self._twin.hub.recheck()
                try:
                    await self._twin.call(CLOCK, REDUCER, {})
                except Problem:
                    # A log that takes no records must not keep streams open that have ended.
                    await asyncio.sleep(REST_SECONDS)
                    continue
                if self._following() == following:
                    await asyncio.sleep(REST_SECONDS)
                continue
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue
