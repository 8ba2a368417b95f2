"""Durable commits of single objects: a twin beside PostgreSQL, Redis and SQLite on the same disk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.bench.peers import durable_postgres, durable_redis, sqlite_inserts
from tests.bench.served import Served, served
from tests.bench.sheet import Goal, Sheet
from twins.runtime.bench import BODY

SECONDS = 3
NETWORK = "twin, 64 callers over HTTP"
SINGLE = "twin, 1 caller over HTTP"
LIVE = "twin, 64 in flight on 1 WebSocket"
WITHIN = "twin in process, durable commits, 64 in flight"
BUSY = "twin in process, durable commits, 64 in flight, loop saturated"
POSTGRES, REDIS = "PostgreSQL, {} callers", "Redis, {} callers"

GOALS = [
    Goal(NETWORK, POSTGRES.format(64), at_least=3),
    Goal(NETWORK, REDIS.format(64), at_least=0.9),
    Goal(f"{NETWORK}: CPU", "", at_most=30),
    Goal(SINGLE, POSTGRES.format(1), at_least=0.9),
    Goal(WITHIN, POSTGRES.format(64), at_least=8),
    Goal(WITHIN, REDIS.format(64), at_least=3),
    Goal(BUSY, "", at_least=8000),
]


def run(sheet: Sheet, folder: Path, runs: int) -> None:
    """Every contender once in each round."""
    body = json.dumps(BODY)
    with (
        served(folder / "twin") as twin,
        durable_postgres(folder, body) as postgres,
        durable_redis(len(body)) as redis,
    ):
        for _ in range(runs):
            for callers, row in ((64, NETWORK), (1, SINGLE)):
                _call(sheet, twin, row, callers, "http")
                if postgres:
                    rate = postgres.insert(callers, SECONDS)
                    sheet.add(POSTGRES.format(callers), "commits/s", rate)
                if redis:
                    rate = redis.set(callers, 60_000 if callers > 1 else 8_000)
                    sheet.add(REDIS.format(callers), "commits/s", rate)
                rate = sqlite_inserts(folder / "s.db", body, 1.0, callers)
                sheet.add(f"SQLite, {callers} in a transaction", "commits/s", rate)
            _call(sheet, twin, LIVE, 64, "live")
            _inside(sheet, folder)


def _call(sheet: Sheet, twin: Served, row: str, callers: int, kind: str) -> None:
    before = twin.cpu_seconds()
    found = load(twin, callers, SECONDS, kind)
    spent = twin.cpu_seconds() - before
    if found["refused"]:
        raise RuntimeError(f"{row}: {found['refused']} calls were refused")
    sheet.add(row, "commits/s", found["rate"])
    sheet.add(f"{row}: CPU", "us each", 1e6 * spent / (found["rate"] * SECONDS))
    sheet.add(f"{row}: p50", "ms", found["p50_ms"])
    sheet.add(f"{row}: p99", "ms", found["p99_ms"])


def load(twin: Served, callers: int, seconds: float, kind: str) -> dict[str, Any]:
    """What the client process reports."""
    given = {
        "token": twin.token(),
        "arguments": [
            json.dumps({"slice": "catalogue", "id": f"object-{number}", "body": BODY})
            for number in range(callers)
        ],
    }
    command = [
        sys.executable,
        "-m",
        "tests.bench.load",
        str(twin.port),
        str(callers),
        str(seconds),
        kind,
    ]
    done = subprocess.run(command, input=json.dumps(given), check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _inside(sheet: Sheet, folder: Path) -> None:
    """Without a network, in processes of their own."""
    command = [
        sys.executable,
        "-m",
        "twins.runtime",
        "bench",
        str(folder),
        "--seconds",
        str(SECONDS),
        "--json",
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    for one in json.loads(done.stdout):
        sheet.add(f"twin in process, {one['name']}", one["unit"], one["value"])
