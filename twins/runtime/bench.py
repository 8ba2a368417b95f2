"""Bench: what a twin does on this machine and this disk, measured in one process without a network."""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import uvloop

from twins.runtime.callers import Caller
from twins.runtime.init import create
from twins.runtime.module import load
from twins.runtime.slices import table_of
from twins.runtime.twin import Twin

SLICE = "things"
SLICES = [{"name": SLICE, "title": "Things", "kind": "thing"}]
# 320 bytes of JSON.
BODY = {"name": "x" * 120, "maker": "y" * 80, "state": "open", "count": 12, "text": "z" * 53}
OWNER = Caller("user:bench", role="owner", internal=True)
WORK_SECONDS = 50e-6
READS = 100_000


class Figure(NamedTuple):
    """One measurement."""

    name: str
    unit: str
    value: float


def measure(folder: Path, seconds: float, in_flight: Sequence[int]) -> list[Figure]:
    """Durable commits of single objects with so many in flight, also beside other work; reads; replay.

    Args:
        folder: a twin is made in it, and removed at the end.
        seconds: how long each measurement takes.
    """
    with tempfile.TemporaryDirectory(prefix="twin-bench-", dir=folder) as name:
        directory = Path(name) / "twin"
        create(directory, slug="bench", name="Bench", genesis={"slices": SLICES})
        figures = [
            Figure(f"durable commits, {count} in flight", "commits/s", _apart(directory, count, seconds))
            for count in in_flight
        ]
        busy = _apart(directory, max(in_flight), seconds, saturated=True)
        figures.append(
            Figure(f"durable commits, {max(in_flight)} in flight, loop saturated", "commits/s", busy)
        )
        return [*figures, *_reads(directory)]


def _apart(directory: Path, in_flight: int, seconds: float, *, saturated: bool = False) -> float:
    """In a process of its own, as a twin is served: one that was open before leaves a thread behind, and a
    process with threads writes in a slower way.
    """
    forking = multiprocessing.get_context("fork")
    receiver, sender = forking.Pipe(duplex=False)

    def work() -> None:
        sender.send(commits(directory, in_flight, seconds, saturated=saturated))

    process = forking.Process(target=work)
    process.start()
    sender.close()
    try:
        return float(receiver.recv())
    finally:
        process.join()


def commits(directory: Path, in_flight: int, seconds: float, *, saturated: bool = False) -> float:
    """Durable commits a second; `saturated` gives the loop other work of 50 us a piece without pause."""
    return uvloop.run(_commits(directory, in_flight, seconds, saturated))


async def _commits(directory: Path, in_flight: int, seconds: float, saturated: bool) -> float:
    twin = Twin(directory, load("twin"))
    twin.start()
    end, count = time.perf_counter() + seconds, 0

    async def commit(number: int) -> None:
        nonlocal count
        args = {"slice": SLICE, "id": f"object-{number}", "body": BODY}
        while time.perf_counter() < end:
            await twin.call(OWNER, "put", args)
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


def _reads(directory: Path) -> list[Figure]:
    started = time.perf_counter()
    twin = Twin(directory, load("twin"))
    replayed = time.perf_counter() - started
    raw: Callable[[str, str], bytes | None] = twin.state.raw
    table, started = table_of(SLICE), time.perf_counter()
    for _ in range(READS):
        raw(table, "object-0")
    read = time.perf_counter() - started
    return [
        Figure("recovery without a snapshot", "records/s", twin.log.seq / replayed),
        Figure("point reads", "reads/s", READS / read),
    ]
