"""A module like the twin's own, with reducers that do not keep to their context."""

from __future__ import annotations

import datetime as dt
import os
import random
import secrets
import socket
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC
from datetime import datetime as renamed
from pathlib import Path
from time import time as taken
from typing import Any

from twins.runtime.module import Context, reducer
from twins.runtime.modules.twin import module as twin


def hidden() -> None:
    """Ask the clock, and go on when that is refused."""
    with suppress(Exception):
        time.time()


# What a reducer must not ask, and what `verify --replay` calls it.
WAYS_OUT: dict[str, tuple[Callable[[], object], str]] = {
    "clock": (time.time, "time.time"),
    "clock that was taken before": (taken, "time.time"),
    "steady clock": (time.monotonic, "time.monotonic"),
    "instant": (lambda: renamed.now(UTC), "datetime.now"),
    "day": (dt.date.today, "date.today"),
    "chance": (random.random, "random.random"),
    "choice": (lambda: random.choice("ab"), "random.getrandbits"),
    "secret": (secrets.token_hex, "os.urandom"),
    "id": (uuid.uuid4, "os.urandom"),
    "file": (lambda: Path(__file__).read_bytes(), "open"),
    "network": (lambda: socket.socket().close(), "socket.__new__"),
    "hidden": (hidden, "time.time"),
}
FINE: dict[str, Callable[[], object]] = {
    "seeded chance": lambda: random.Random(7).random(),
    "date of a text": lambda: dt.datetime.fromisoformat("2030-01-01T00:00:00Z").timestamp(),
}


@reducer(relation="can_configure")
def ask(ctx: Context, what: str) -> None:
    """Ask something of the world and make no use of the answer."""
    way = WAYS_OUT[what][0] if what in WAYS_OUT else FINE[what]
    way()


@reducer(relation="can_configure")
def draw(ctx: Context) -> dict[str, Any]:
    """Draw a number that no record explains."""
    return {"number": random.SystemRandom().getrandbits(60)}


@reducer(relation="can_configure")
def stamp(ctx: Context) -> None:
    """Write what nothing that is watched tells: the number of the process."""
    ctx.tx.put("stamps", "last", {"at": os.getpid()})


@reducer(relation="can_configure")
def give(ctx: Context) -> dict[str, int]:
    """Give the same number out."""
    return {"number": os.getpid()}


reducers = {**twin.reducers, "ask": ask, "draw": draw, "stamp": stamp, "give": give}
module = replace(twin, name="tests.runtime.restless", reducers=reducers)
