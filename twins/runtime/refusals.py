"""Refusals: how many of them one caller is told and the log records, a moment and a minute at a time."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from twins.runtime.callers import Caller
from twins.runtime.problems import Problem

PER_SECOND, BURST = 20.0, 200.0
MOST_CALLERS = 4096
SUMMED_SECONDS = 60.0


class Rate:
    """A token bucket; what overflows is refused."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second, self._burst = per_second, burst
        self._left, self._last = burst, time.monotonic()

    def admit(self) -> None:
        """Return when one more is taken.

        Raises:
            Problem: 429.
        """
        now = time.monotonic()
        self._left = min(self._left + (now - self._last) * self._per_second, self._burst)
        self._last = now
        if self._left < 1.0:
            text = "Too many twins that are not known here ask at once; wait a moment."
            raise Problem(429, "too-many", text, headers={"Retry-After": "1"})
        self._left -= 1.0


class Refusals:
    """A token bucket for each caller; what overflows is counted and goes to `record` once a minute."""

    def __init__(self, record: Callable[[Caller, int], object]) -> None:
        self._record = record
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._suppressed: dict[str, tuple[Caller, int]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def admit(self, caller: Caller) -> None:
        """Return when one more refusal of this caller is told and recorded as what it is.

        Raises:
            Problem: 429, and it is only counted.
        """
        now = time.monotonic()
        left, last = self._buckets.pop(caller.id, (BURST, now))
        left = min(left + (now - last) * PER_SECOND, BURST)
        self._buckets[caller.id] = (max(left - 1.0, 0.0), now)
        if len(self._buckets) > MOST_CALLERS:
            self._buckets.popitem(last=False)
        if left < 1.0:
            self._count(caller)
            text = "Too many of your requests were refused; wait a moment."
            raise Problem(429, "too-many", text, headers={"Retry-After": "1"})

    def _count(self, caller: Caller) -> None:
        _, count = self._suppressed.get(caller.id, (caller, 0))
        self._suppressed[caller.id] = (caller, count + 1)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SUMMED_SECONDS, self.settle)

    def settle(self) -> None:
        """Record what was counted."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        suppressed, self._suppressed = self._suppressed, {}
        for caller, count in suppressed.values():
            self._record(caller, count)
