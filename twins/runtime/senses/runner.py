"""Runner: lets the senses of an awake twin look when they are due."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from twins.runtime import clock
from twins.runtime.callers import SENSE
from twins.runtime.problems import Problem
from twins.runtime.senses import KINDS, due
from twins.runtime.senses.kind import SENSES, SenseFailed
from twins.runtime.state import Change
from twins.runtime.twin import Twin

LONGEST_SLEEP = 3600.0
REST_SECONDS = 60.0
LONGEST_DETAIL = 300
logger = logging.getLogger(__name__)


class Runner:
    """One task that starts runs, and one task for each run under way."""

    def __init__(self, twin: Twin, allow: Sequence[str]) -> None:
        self._twin = twin
        self._allow = allow
        self._changed = asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}
        # Until when a sense rests whose last run could not be recorded: its row still says that it is due.
        self._resting: dict[str, float] = {}
        twin.state.watch(self._observe, SENSES)
        self._loop = asyncio.create_task(self._watch())

    @property
    def busy(self) -> bool:
        """Whether a run is under way."""
        return bool(self._running)

    async def close(self) -> None:
        """Stop looking; what is under way is given up. Leaves word of when the next sense is due."""
        tasks = [self._loop, *self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        wait = min((_seconds_until_due(row) for _, row in self._twin.state.scan(SENSES)), default=math.inf)
        due.leave(self._twin.directory, None if wait == math.inf else time.time() + wait)

    def _observe(self, _changes: Sequence[Change]) -> None:
        self._changed.set()

    async def _watch(self) -> None:
        while True:
            self._changed.clear()
            waits = [self._start_if_due(row) for _, row in list(self._twin.state.scan(SENSES))]
            try:
                async with asyncio.timeout(min([LONGEST_SLEEP, *waits])):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _start_if_due(self, row: dict[str, Any]) -> float:
        """Start a run if it is time; seconds until it is time again."""
        seconds = max(_seconds_until_due(row), self._resting.get(row["name"], 0.0) - time.monotonic())
        if row["name"] in self._running or seconds > 0:
            return max(seconds, 1.0)
        task = asyncio.create_task(self._run(row))
        self._running[row["name"]] = task
        task.add_done_callback(lambda _: self._finished(row["name"]))
        return LONGEST_SLEEP

    def _finished(self, name: str) -> None:
        self._running.pop(name, None)
        self._changed.set()

    async def _run(self, row: dict[str, Any]) -> None:
        result: dict[str, Any] = {"name": row["name"], "ok": True, "detail": "", "slices": {}}
        try:
            kind = KINDS[row["kind"]]
            result["slices"] = await asyncio.to_thread(kind.run, row["url"], row["target"], self._allow)
        except SenseFailed as failure:
            result |= {"ok": False, "detail": str(failure)[:LONGEST_DETAIL]}
        except Exception as error:
            logger.exception("sense %s failed", row["name"])
            result |= {"ok": False, "detail": f"the sense broke down ({type(error).__name__})"}
        if _setup(self._twin.state.get(SENSES, row["name"])) == _setup(row):
            await self._try_to_report(result)

    async def _try_to_report(self, result: dict[str, Any]) -> None:
        self._resting[result["name"]] = time.monotonic() + REST_SECONDS
        try:
            await self._report(result)
        except Exception:
            logger.exception("the run of sense %s cannot be recorded", result["name"])

    async def _report(self, result: dict[str, Any]) -> None:
        try:
            await self._twin.call(SENSE, "sense_result", result)
            self._resting.pop(result["name"], None)
        except Problem as problem:
            logger.warning("sense %s brought what cannot be taken in: %s", result["name"], problem.detail)
            failed = {"ok": False, "detail": problem.detail[:LONGEST_DETAIL], "slices": {}}
            if result["ok"] and problem.status != 404:
                await self._report({**result, **failed})


def _seconds_until_due(row: dict[str, Any]) -> float:
    if not KINDS[row["kind"]].runs:
        return math.inf
    if row["requested"] or row["last_run"] is None:
        return 0.0
    if not row["every"]:
        return math.inf
    next_run = clock.parse(row["last_run"]) + timedelta(seconds=row["every"])
    return clock.seconds_until(clock.write(next_run))


def _setup(row: dict[str, Any] | None) -> tuple[Any, ...] | None:
    """What a run depends on; a result of another set-up is not taken in."""
    return None if row is None else (row["kind"], row["url"], row["target"])
