"""A mesh of its own for each crash test: home, database and broker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

LONGEST = 120.0


class Mesh:
    """The environment of one mesh, and what a test asks about it."""

    def __init__(self, home: Path, env: dict[str, str]) -> None:
        self.home = home
        self.env = {
            **os.environ,
            **env,
            "MYCELIUM_HOME": str(home),
            "DJANGO_SETTINGS_MODULE": "portal.settings",
        }

    def run(self, *command: str) -> str:
        """Run a Python module in this mesh, and give what it printed."""
        line = [sys.executable, "-m", *command]
        done = subprocess.run(line, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def states(self) -> list[str]:
        """The states of all operations."""
        found: list[str] = json.loads(self.run("tests.crash.mesh", "states"))
        return found

    def twins(self) -> dict[str, Any]:
        """How often each twin began, and whether all logs are whole."""
        found: dict[str, Any] = json.loads(self.run("tests.crash.mesh", "twins"))
        return found

    def wait_for_some(self) -> None:
        """Return as soon as the first twins have their directories."""
        end = time.monotonic() + LONGEST
        folder = self.home / "twins"
        while not folder.exists() or len(list(folder.glob("[!.]*"))) < 3:
            assert time.monotonic() < end, "no twin was set up"
            time.sleep(0.01)

    def wait(self, until: Callable[[list[str]], bool]) -> None:
        """Look at the operations again and again until it is so."""
        end = time.monotonic() + LONGEST
        while not until(found := self.states()):
            assert time.monotonic() < end, found


@pytest.fixture
def mesh(home: Path, request: pytest.FixtureRequest) -> Mesh:
    """SQLite and the in-process broker; where there are servers, a new database and a Redis database."""
    if not os.environ.get("DATABASE_URL"):
        return Mesh(home, {})
    name = f"crash_{request.node.name}"[:40].lower()
    address = urlsplit(os.environ["DATABASE_URL"])
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    fresh = urlunsplit(address._replace(path=f"/{name}"))
    return Mesh(home, {"DATABASE_URL": fresh, "REDIS_URL": f"{os.environ['REDIS_URL']}?db=3"})
