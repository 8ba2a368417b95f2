"""Throw-away PostgreSQL and Redis for the second test run, each on a Unix socket in a folder of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

START_SECONDS = 30.0
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=60")
WITHOUT_FILE = ("--appendonly", "no")


class ServiceMissing(Exception):
    """The program is not installed on this machine."""


def postgres_folder() -> Path:
    """The folder of `initdb` and `postgres`: on PATH or where Debian keeps them. Raises ServiceMissing."""
    places = [Path(found).resolve().parent] if (found := shutil.which("initdb")) else []
    places += sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name, reverse=True
    )
    for place in places:
        if all((place / program).exists() for program in ("initdb", "postgres", "pg_isready")):
            return place
    raise ServiceMissing("no postgres on this machine")


def redis_program() -> str:
    """The Redis server. Raises ServiceMissing."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        raise ServiceMissing("no redis-server on this machine")
    return program


@contextmanager
def postgres(options: Sequence[str] = FAST, port: int = 5432) -> Iterator[str]:
    """Runs PostgreSQL with an empty database and yields its DATABASE_URL; nothing of it remains.

    `port` names its socket file too; it listens on TCP only when the options say so.
    """
    programs = postgres_folder()
    with _folder() as folder:
        account = _unprivileged(folder)
        data = folder / "data"
        make: list[str | Path] = [
            programs / "initdb",
            "-D",
            data,
            "-U",
            "mycelium",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "--no-sync",
        ]
        subprocess.run(make, check=True, cwd="/", stdout=subprocess.DEVNULL, **account)
        serve = [programs / "postgres", "-D", data, "-k", folder, "-p", str(port), "-clisten_addresses="]
        serve += [f"-c{option}" for option in options]
        ready: list[str | Path] = [
            programs / "pg_isready",
            "-q",
            "-h",
            folder,
            "-p",
            str(port),
            "-U",
            "mycelium",
            "-d",
            "postgres",
        ]
        with _running(serve, folder, account, lambda: subprocess.run(ready, check=False).returncode == 0):
            yield f"postgres://mycelium@{quote(str(folder), safe='')}/postgres"


@contextmanager
def redis(options: Sequence[str] = WITHOUT_FILE) -> Iterator[str]:
    """Runs Redis, without a file by default, and yields its REDIS_URL."""
    program = redis_program()
    with _folder() as folder:
        socket = folder / "redis.sock"
        serve = [
            program,
            "--port",
            "0",
            "--unixsocket",
            socket,
            "--save",
            "",
            "--dir",
            folder,
            *options,
        ]
        with _running(serve, folder, {}, socket.exists):
            yield f"unix://{socket}"


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mycelium-service-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(
    command: list[Any], folder: Path, account: dict[str, Any], is_ready: Callable[[], bool]
) -> Iterator[None]:
    """Runs a server until the end of the block. Raises RuntimeError with its log when it does not start."""
    log = folder / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd="/", stdout=output, stderr=output, **account)
    try:
        end = time.monotonic() + START_SECONDS
        while not is_ready():
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{command[0]} did not start: {log.read_text()}")
            time.sleep(0.02)
        yield
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(START_SECONDS)


def _unprivileged(folder: Path) -> dict[str, Any]:
    """Under root PostgreSQL refuses to run: then it gets another account, which the folder is given to."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    account = names.get("postgres") or names["nobody"]
    os.chown(folder, account.pw_uid, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
