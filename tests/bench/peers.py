"""Peers: PostgreSQL, Redis and SQLite, durable before they answer, on the disk that the twins use."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.conftest import unused_port
from tests.services import ServiceMissing, postgres, postgres_folder, redis

# Every contender is reached over TCP on 127.0.0.1.
DURABLE_POSTGRES = ("fsync=on", "synchronous_commit=on", "max_connections=120", "shared_buffers=128MB")
DURABLE_REDIS = ("--appendonly", "yes", "--appendfsync", "always")
INSERT = "INSERT INTO object (body) VALUES ('{}'::jsonb);"


class Rate(NamedTuple):
    """Commits a second, and the microseconds of CPU that the server spent on each."""

    commits: float
    cpu: float


class Postgres:
    """A durable PostgreSQL that pgbench inserts into, over TCP."""

    def __init__(self, port: int, folder: Path, body: str) -> None:
        self._where: list[str | Path] = ["-h", "127.0.0.1", "-p", str(port), "-U", "mycelium"]
        self._script = folder / "insert.sql"
        self._script.write_text(INSERT.format(body.replace("'", "''")))
        self._psql("CREATE TABLE object (id bigserial PRIMARY KEY, body jsonb)")

    def _psql(self, statement: str) -> str:
        command = [postgres_folder() / "psql", *self._where, "-d", "postgres", "-Atqc", statement]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def insert(self, callers: int, seconds: int) -> float:
        """Rows a second, each in a transaction of its own."""
        program = postgres_folder() / "pgbench"
        load: list[str | Path] = [
            "-n",
            "-M",
            "prepared",
            "-c",
            str(callers),
            "-j",
            "1",
            "-T",
            str(seconds),
            "-f",
            self._script,
        ]
        done = subprocess.run(
            [program, *self._where, *load, "postgres"], check=True, capture_output=True, text=True
        )
        found = re.search(r"tps = ([0-9.]+)", done.stdout)
        assert found is not None, done.stdout
        return float(found[1])


class Redis:
    """A durable Redis that redis-benchmark writes to, over TCP."""

    def __init__(self, port: int, size: int) -> None:
        self.port = port
        self._size = size

    def set(self, callers: int, count: int) -> float:
        """SETs a second without pipelining."""
        command = ["redis-benchmark", "-p", str(self.port), "-c", str(callers), "-n", str(count)]
        test = ["-d", str(self._size), "-r", "1000000", "-t", "set", "--csv"]
        done = subprocess.run([*command, *test], check=True, capture_output=True, text=True)
        return float(json.loads(f"[{done.stdout.strip().splitlines()[-1]}]")[1])


@contextmanager
def durable_postgres(folder: Path, body: str) -> Iterator[Postgres | None]:
    """PostgreSQL with an empty table, or None where its programs are missing."""
    try:
        postgres_folder()
    except ServiceMissing:
        yield None
        return
    port = unused_port()
    with postgres([*DURABLE_POSTGRES, "listen_addresses=127.0.0.1"], port):
        yield Postgres(port, folder, body)


@contextmanager
def durable_redis(size: int) -> Iterator[Redis | None]:
    """Redis that syncs every write, or None where its programs are missing."""
    if shutil.which("redis-server") is None or shutil.which("redis-benchmark") is None:
        yield None
        return
    port = unused_port()
    with redis([*DURABLE_REDIS, "--bind", "127.0.0.1", "--port", str(port)]):
        yield Redis(port, size)


def sqlite_inserts(file: Path, body: str, seconds: float, together: int) -> float:
    """Rows a second into SQLite (WAL, synchronous=FULL), `together` in each transaction."""
    database = sqlite3.connect(file, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE IF NOT EXISTS object (id INTEGER PRIMARY KEY, body TEXT)")
        rows, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds:
            database.execute("BEGIN")
            database.executemany("INSERT INTO object (body) VALUES (?)", [(body,)] * together)
            database.execute("COMMIT")
            rows += together
        return rows / (time.perf_counter() - started)
    finally:
        database.close()
