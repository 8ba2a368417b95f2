"""Fencing: a twin that is only read finds out, too, that it is kept elsewhere now."""

from __future__ import annotations

import asyncio

from twins.runtime.log.commitlog import Commitlog

SECONDS = 1.0


class Fencing:
    """A timer that looks at the epoch; a write looks by itself."""

    def __init__(self, log: Commitlog) -> None:
        self._log = log
        self._timer = asyncio.get_running_loop().call_later(SECONDS, self._look)

    def close(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        self._log.check_fence()
        self._timer = asyncio.get_running_loop().call_later(SECONDS, self._look)
