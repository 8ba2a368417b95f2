"""Starting, waking and keeping twins, forked or in an interpreter of their own; recovery of a long log."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop

from tests.bench.sheet import Goal, Sheet
from tests.host.machine import Machine
from tests.runtime.machine import SLICES, entry, person
from twins.host.measure import first_answer, measure
from twins.host.paths import socket_of
from twins.runtime.bench import BODY
from twins.runtime.callers import Caller
from twins.runtime.init import create
from twins.runtime.module import load
from twins.runtime.twin import Twin

RECORDS, OBJECTS, CROWDS = 100_000, 10_000, (10, 100, 500)
FORKED, FORKED_95 = "first answer of a forked, sandboxed twin, p50", "the same, p95"
UNIQUE = "unique memory of one of {} idle twins"
WAKE = "first answer of a twin with 10,000 objects"
REPLAY = "verified replay"
GOALS = [
    Goal(FORKED, "", at_most=10),
    Goal(FORKED_95, "", at_most=20),
    Goal(WAKE, "", at_most=20),
    Goal(UNIQUE.format(100), "", at_most=3.5),
    Goal(REPLAY, "", at_least=200_000),
]


def run(sheet: Sheet, folder: Path, runs: int) -> None:
    """The host with few and with many twins, then one long log."""
    for crowd in CROWDS:
        _crowd(sheet, crowd, runs if crowd == CROWDS[0] else 1)
    _recovery(sheet, folder / "long", runs)


def _crowd(sheet: Sheet, count: int, runs: int) -> None:
    with _machine() as machine:
        slugs = [f"twin-{number}" for number in range(count)]
        for slug in slugs:
            machine.create(slug, idle_seconds=3600)
        for _ in range(runs):
            found = measure(machine.home, slugs)
            sheet.add(UNIQUE.format(count), "MiB", found.unique)
            sheet.add(f"proportional memory of one of {count}", "MiB", found.proportional)
            if count == CROWDS[0]:
                sheet.add(FORKED, "ms", found.first_answer_p50)
                sheet.add(FORKED_95, "ms", found.first_answer_p95)
                _alone(sheet, machine, slugs[0])
            for slug in slugs:
                machine.client.sleep(slug)


def _alone(sheet: Sheet, machine: Machine, slug: str) -> None:
    """A dedicated twin, and one with objects."""
    objects = [{"id": f"object-{n}", "body": BODY} for n in range(OBJECTS)]
    machine.twin(slug).call("put_many", {"slice": "stock", "objects": objects, "replace": True})
    machine.client.sleep(slug)
    sheet.add(WAKE, "ms", first_answer(socket_of(machine.home, slug)))
    own = f"own-{time.time_ns()}"
    machine.create(own, tier="dedicated")
    machine.client.sleep(own)
    sheet.add("first answer of a dedicated twin (exec)", "ms", first_answer(socket_of(machine.home, own)))
    machine.client.sleep(own)


@contextmanager
def _machine() -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="mycelium-bench-") as name:
        home = Path(name) / "home"
        home.mkdir(mode=0o700)
        machine = Machine(home, "--most-awake", "1000")
        machine.start()
        try:
            yield machine
        finally:
            machine.close()


def _recovery(sheet: Sheet, directory: Path, runs: int) -> None:
    """A log of 100,000 records, read with and without a snapshot."""
    create(directory, slug="long", name="Long", genesis={"slices": SLICES, "owner": entry(person())})
    uvloop.run(_fill(directory))
    for _ in range(runs):
        sheet.add("recovery of 100,000 records", "ms", _open_ms(directory))
        started = time.perf_counter()
        found = _verify(directory)
        sheet.add(REPLAY, "records/s", found["records"] / (time.perf_counter() - started))
    command = [sys.executable, "-m", "twins.runtime", "snapshot", str(directory)]
    subprocess.run(command, check=True, capture_output=True)
    for _ in range(runs):
        sheet.add("recovery of 100,000 records with a snapshot", "ms", _open_ms(directory))


async def _fill(directory: Path) -> None:
    twin = Twin(directory, load("twin"))
    twin.start()
    owner = Caller("user:bench", role="owner", internal=True)

    async def write(worker: int) -> None:
        for number in range(RECORDS // 64 + 1):
            args = {"slice": "catalogue", "id": f"object-{worker}-{number % 150}", "body": BODY}
            await twin.call(owner, "put", args)

    await asyncio.gather(*map(write, range(64)))
    await twin.close()


def _open_ms(directory: Path) -> float:
    started = time.perf_counter()
    Twin(directory, load("twin"))
    return 1000 * (time.perf_counter() - started)


def _verify(directory: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "twins.runtime", "verify", str(directory), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found
