"""Erasure: finds every part of the log that holds an object's values, and destroys their keys."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from twins.runtime import codec
from twins.runtime.answers import TABLE as ANSWERS
from twins.runtime.callers import VAULT
from twins.runtime.keys import KeysUnusable
from twins.runtime.log.damage import LogDamaged
from twins.runtime.modules.twin.erasure import ERASURES, SHREDDING
from twins.runtime.problems import Problem
from twins.runtime.slices import TABLE_PREFIX, table_of
from twins.runtime.snapshots.schedule import Schedule
from twins.runtime.state import Change
from twins.runtime.twin import Twin

REST_SECONDS = 60.0
PUT = "put"
UNCHANGING = frozenset({"denied", "failed"})
logger = logging.getLogger(__name__)


class Head(Protocol):
    """What every record keeps; effects are `(op, table, key, part)`."""

    @property
    def seq(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def effects(self) -> Sequence[tuple[str, str, str, int]]: ...


class Said(Protocol):
    """Part 0: arguments and result as canonical JSON."""

    @property
    def args(self) -> bytes: ...
    @property
    def result(self) -> bytes: ...


class Opened(Protocol):
    """A record whose parts are opened when they are asked for; an erased one is None."""

    @property
    def head(self) -> Head: ...
    def part(self, n: int, /) -> Said | None: ...


class Found(NamedTuple):
    """What an erasure has to destroy: parts `(seq, n)`, and the rows of answers that lie in them."""

    parts: list[tuple[int, int]]
    answers: list[str]

    @property
    def records(self) -> int:
        return len({seq for seq, _ in self.parts})


def find_parts(log: Iterable[Opened], table: str, key: str, until: int) -> Found:
    """The parts of records up to `until` that hold values of one object; blocking.

    Those are the parts of its effects, and the arguments and results that name it, also of calls that were
    refused.
    """
    found = Found([], [])
    for opened in log:
        head = opened.head
        parts = {n for op, where, id_, n in head.effects if (op, where, id_) == (PUT, table, key)}
        if 0 not in parts and (parts or head.kind in UNCHANGING):
            needles = [key] if parts else [key, table.removeprefix(TABLE_PREFIX)]
            parts |= {0} if _names(opened.part(0), needles) else set()
        if 0 in parts:
            found.answers.extend(
                id_ for op, where, id_, n in head.effects if (op, where, n) == (PUT, ANSWERS, 0)
            )
        found.parts.extend((head.seq, n) for n in sorted(parts))
        # What follows may still be on its way to the disk.
        if head.seq == until:
            break
    return found


def _names(said: Said | None, needles: Iterable[str]) -> bool:
    if said is None:
        return False
    return all(codec.encode(text) in said.args or codec.encode(text) in said.result for text in needles)


class Eraser:
    """One task that completes erasures, also those that a crash left unfinished.

    Args:
        log: the records of the log from the first, for a worker thread.
    """

    def __init__(self, twin: Twin, schedule: Schedule, log: Callable[[], Iterable[Opened]]) -> None:
        self._twin = twin
        self._schedule = schedule
        self._log = log
        self._wanted = asyncio.Event()
        self._wanted.set()
        twin.state.watch(self._observe, ERASURES)
        self._task = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stop; an erasure under way is completed after the next start."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _observe(self, _changes: Sequence[Change]) -> None:
        self._wanted.set()

    async def _watch(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                for erasure, row in list(self._twin.state.scan(ERASURES)):
                    if row["status"] == SHREDDING:
                        await self._erase(erasure, row)
            except (OSError, KeysUnusable, LogDamaged, Problem) as error:
                logger.warning("an erasure cannot be completed yet: %s", error)
                await asyncio.sleep(REST_SECONDS)
                self._wanted.set()

    async def _erase(self, erasure: str, row: dict[str, Any]) -> None:
        """Every step may be done again after a crash."""
        table, keys = table_of(row["slice"]), self._twin.keys
        await self._twin.log.wait(row["seq"])
        found = await asyncio.to_thread(find_parts, self._log(), table, row["id"], row["seq"])
        await self._twin.call(VAULT, "shred", {"erasure": erasure, "answers": found.answers})
        await self._schedule.take(before=lambda: keys.puncture(found.parts))
        counts = {"parts": len(found.parts), "records": found.records}
        await self._twin.call(VAULT, "erased", {"erasure": erasure, **counts})
