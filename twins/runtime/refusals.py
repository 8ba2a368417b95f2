"""Refusals: how many of them one caller is told and the log records, a moment and a minute at a time."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from twins.runtime import answers, codec
from twins.runtime.callers import Caller
from twins.runtime.module import Module
from twins.runtime.problems import Problem

PER_SECOND, BURST = 20.0, 200.0
MOST_CALLERS = 4096
SUMMED_SECONDS = 60.0
LONGEST_REFUSED_ARGS = 4096
# Such a detail may quote the arguments, which the record of this reducer does not keep.
INVALID = 422
WITHHELD = "The arguments do not fit; only the caller was told where."


class Rates:
    """A token bucket for each name; what overflows is refused."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second, self._burst = per_second, burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admit(self, name: str) -> None:
        """Return when one more of this name is taken.

        Raises:
            Problem: 429.
        """
        if self.take(name) < 1.0:
            text = "Too many of such requests came at once; wait a moment."
            raise Problem(429, "too-many", text, headers={"Retry-After": "1"})

    def take(self, name: str) -> float:
        """What was in the bucket; less than one is not enough."""
        now = time.monotonic()
        left, last = self._buckets.pop(name, (self._burst, now))
        left = min(left + (now - last) * self._per_second, self._burst)
        self._buckets[name] = (max(left - 1.0, 0.0), now)
        if len(self._buckets) > MOST_CALLERS:
            self._buckets.popitem(last=False)
        return left


class Refusals:
    """A token bucket for each caller; what overflows is counted and goes to `record` once a minute."""

    def __init__(self, record: Callable[[Caller, int], object]) -> None:
        self._record = record
        self._rates = Rates(PER_SECOND, BURST)
        self._suppressed: dict[str, tuple[Caller, int]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def admit(self, caller: Caller) -> None:
        """Return when one more refusal of this caller is told and recorded as what it is.

        Raises:
            Problem: 429, and it is only counted.
        """
        if self._rates.take(caller.id) < 1.0:
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


def kept_of(module: Module, name: str, args: Any, problem: Problem) -> tuple[Any, dict[str, Any]]:
    """The arguments and the problem of a refused call as its record keeps them."""
    reducer, told = module.reducers.get(name), problem.to_json()
    if reducer is not None and reducer.recorded and problem.status == INVALID:
        told["detail"] = WITHHELD
    # A name that is nearly right comes with arguments that its reducer might not have kept.
    kept = reducer.kept(args) if reducer else args
    unknown = problem.kind == "unknown-reducer"
    long = len(codec.encode(kept)) > LONGEST_REFUSED_ARGS
    return (answers.hashed(name, args) if unknown or long else kept), told
