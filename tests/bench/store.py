"""The store: reads and queries of 100,000 objects beside SQLite in memory, and what a million take."""

from __future__ import annotations

import json
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.bench.sheet import Goal, Sheet
from twins.runtime import codec
from twins.runtime.query import Queries
from twins.runtime.slices import row_json
from twins.runtime.state import Effect, State

SLICE, TABLE, COUNT, READS = "things", "object/things", 100_000, 20_000
TIMES = 15
INDEXES = [{"path": "maker", "type": "equality"}, {"path": "amount", "type": "range", "order": "number"}]
POINT, PEER_POINT = "point read", "point read, SQLite"
EQUAL, PEER_EQUAL = "indexed equality, 100 rows", "indexed equality, SQLite"
RANGE, PEER_RANGE = "indexed range, 1,000 rows", "indexed range, SQLite"
SCAN, PEER_SCAN = "unindexed equality, 1 % of the rows", "unindexed equality, SQLite"
GOALS = [
    Goal(PEER_POINT, POINT, at_least=3),
    Goal(PEER_EQUAL, EQUAL, at_least=1),
    Goal("memory of 1,000,000 objects of 320 bytes", "", at_most=500),
    Goal("a snapshot of 1,000,000 objects, loaded", "", at_most=2),
]


def body(number: int) -> dict[str, object]:
    """One object's body, 320 bytes of JSON."""
    return {
        "amount": number,
        "maker": f"maker-{number % 1000}",
        "state": f"state-{number % 100}",
        "text": "x" * 256,
    }


def run(sheet: Sheet, folder: Path, runs: int) -> None:
    """Each read in both stores, in turn; what a million take is measured in a process of its own."""
    state, queries = _twin()
    database = _sqlite()
    order = Random(7).sample(range(COUNT), READS)
    sheet.add("building both indexes of 100,000 objects, once", "ms", _ms(lambda: _build(queries), 1))
    for _ in range(runs):
        _points(sheet, state, database, order)
        for row, peer, where, sql in (
            (EQUAL, PEER_EQUAL, {"maker": "maker-7"}, "maker = 'maker-7'"),
            (RANGE, PEER_RANGE, {"amount": {"gte": 5000, "lt": 6000}}, "amount >= 5000 AND amount < 6000"),
            (SCAN, PEER_SCAN, {"state": "state-7"}, "json_extract(body, '$.state') = 'state-7'"),
        ):
            filter_ = queries.filter(SLICE, json.dumps(where))
            sheet.add(row, "ms", _ms(lambda f=filter_: len(queries.run(SLICE, f, limit=1000).rows)))  # type: ignore[misc]
            select = f"SELECT id, body FROM things WHERE {sql} ORDER BY id LIMIT 1000"
            sheet.add(peer, "ms", _ms(lambda s=select: len(database.execute(s).fetchall())))  # type: ignore[misc]
    _million(sheet, folder)


def _twin() -> tuple[State, Queries]:
    state = State()
    queries = Queries(state)
    state.apply([Effect("slice", SLICE, codec.encode({"name": SLICE, "indexes": INDEXES}))], 1)
    for number in range(COUNT):
        row = codec.encode({"body": body(number), "seq": number + 2})
        state.apply([Effect(TABLE, f"thing-{number:06}", row)], number + 2)
    return state, queries


def _build(queries: Queries) -> int:
    return len(queries.run(SLICE, queries.filter(SLICE, '{"maker":"maker-1"}')).rows)


def _sqlite() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:")
    database.execute(
        "CREATE TABLE things (id TEXT PRIMARY KEY, maker TEXT, amount INTEGER, body TEXT) WITHOUT ROWID"
    )
    bodies = map(body, range(COUNT))
    rows = [(f"thing-{n:06}", one["maker"], one["amount"], json.dumps(one)) for n, one in enumerate(bodies)]
    database.executemany("INSERT INTO things VALUES (?, ?, ?, ?)", rows)
    database.execute("CREATE INDEX makers ON things (maker)")
    database.execute("CREATE INDEX amounts ON things (amount)")
    return database


def _points(sheet: Sheet, state: State, database: sqlite3.Connection, order: list[int]) -> None:
    keys = [f"thing-{number:06}" for number in order]
    started = time.perf_counter()
    for key in keys:
        state.raw(TABLE, key)
    sheet.add(POINT, "us", 1e6 * (time.perf_counter() - started) / READS)
    started = time.perf_counter()
    for key in keys:
        codec.encode(row_json(key, state.raw(TABLE, key) or b""))
    sheet.add("point read and its JSON answer", "us", 1e6 * (time.perf_counter() - started) / READS)
    started = time.perf_counter()
    for key in keys:
        database.execute("SELECT body FROM things WHERE id = ?", (key,)).fetchone()
    sheet.add(PEER_POINT, "us", 1e6 * (time.perf_counter() - started) / READS)


def _ms(work: Callable[[], int], times: int = TIMES) -> float:
    """The median of some times: one alone mostly measures what others do to the caches."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        if not work():
            raise RuntimeError("the query found nothing")
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken)


def _million(sheet: Sheet, folder: Path) -> None:
    command = [sys.executable, "-m", "tests.bench.million", str(folder / "million")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    for row, unit, value in json.loads(done.stdout):
        sheet.add(row, unit, value)
