"""Fan-out: one commit to many subscribers, and keyed commits to one in a hundred."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench import dispatch
from tests.bench.peers import durable_redis
from tests.bench.served import Served, served
from tests.bench.sheet import Goal, Sheet
from tests.conftest import unused_port
from twins.runtime.bench import BODY

SECONDS = 3
MARKER = "x" * 120
PAYLOAD = json.dumps(BODY)
TWIN, KEYED = "twin to {} subscribers", "twin, keyed to 1 % of {} subscribers"
DISPATCH = "a commit's way to its subscriptions among 10,000 filters (dispatch only)"
CHANNELS, REDIS = "Channels + Daphne to {} subscribers", "Redis PUBLISH to {} subscribers"
GOALS = [
    Goal(TWIN.format(100), CHANNELS.format(100), at_least=20),
    Goal(TWIN.format(1000), REDIS.format(1000), at_least=0.8),
    Goal(DISPATCH, "", at_most=5),
]


def run(sheet: Sheet, folder: Path, runs: int) -> None:
    """Every contender once in each round."""
    with (
        served(folder / "twin") as twin,
        _channels(folder) as daphne,
        durable_redis(len(PAYLOAD)) as redis,
    ):
        for _ in range(runs):
            sheet.add(DISPATCH, "us", dispatch.microseconds())
            for count in (100, 1000):
                _twin(sheet, twin, count, TWIN, {}, reach=count)
                _twin(sheet, twin, count, KEYED, {"state": "key-%d"}, reach=count // 100)
                if redis:
                    message = {"trigger": f"PUBLISH bench '{PAYLOAD}'\r\n", "reach": count, "keys": 1}
                    _note(sheet, REDIS.format(count), "redis", redis.port, count, message)
            message = {"trigger": PAYLOAD, "subscribe": "join", "reach": 100, "keys": 1}
            _note(sheet, CHANNELS.format(100), "channels", daphne, 100, message)


def _twin(sheet: Sheet, twin: Served, count: int, row: str, where: dict[str, str], reach: int) -> None:
    wish = {"type": "subscribe", "id": "s", "slice": "catalogue", **({"where": where} if where else {})}
    keys = 100 if where else 1
    # Each of the hundred keys has as many subscribers.
    subscribe = json.dumps(wish)
    body = {**BODY, "state": "key-%d"} if where else BODY
    trigger = json.dumps({"slice": "catalogue", "id": "object-1", "body": body})
    given = {"subscribe": subscribe, "trigger": trigger, "reach": reach, "keys": keys}
    given["token"] = twin.token()
    _note(sheet, row.format(count), "twin", twin.port, count, given)


def _note(sheet: Sheet, row: str, kind: str, port: int, count: int, given: dict[str, Any]) -> None:
    given = {"token": "", "subscribe": "", "marker": MARKER, **given}
    command = [sys.executable, "-m", "tests.bench.listeners", kind, str(port), str(count), str(SECONDS)]
    done = subprocess.run(command, input=json.dumps(given), check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    sheet.add(row, "frames/s", found["rate"])
    sheet.add(f"{row}: p50", "ms", found["p50_ms"])
    sheet.add(f"{row}: p99", "ms", found["p99_ms"])


@contextmanager
def _channels(folder: Path) -> Iterator[int]:
    port = unused_port()
    where = ["-b", "127.0.0.1", "-p", str(port)]
    command = [sys.executable, "-m", "daphne", *where, "tests.bench.channelsapp:application"]
    with (folder / "daphne.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        while not _listens(port):
            if server.poll() is not None:
                raise RuntimeError((folder / "daphne.log").read_text())
            time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
