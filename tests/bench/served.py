"""Served: a twin in a process of its own on a TCP port, with its owner's token."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import unused_port
from tests.runtime.machine import SLICES, entry, person
from twins.runtime.client import KeySigner
from twins.runtime.init import create

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Served:
    """Where the twin listens and whom it obeys."""

    id: str
    port: int
    owner: KeySigner
    process: subprocess.Popen[bytes]

    def token(self) -> str:
        """The owner's token, good for an hour."""
        return self.owner.token(self.id, 3600)

    def cpu_seconds(self) -> float:
        """What the process has used so far, of all its threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def served(directory: Path) -> Iterator[Served]:
    """A new twin with an owner and two slices, until the end of the block."""
    owner, port = person(), unused_port()
    made = create(directory, slug="acme", name="Acme", genesis={"slices": SLICES, "owner": entry(owner)})
    command = [sys.executable, "-m", "twins.runtime", "serve", str(directory), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait(port)
        yield Served(made["id"], port, owner, process)
    finally:
        process.terminate()
        process.wait(30)


def _wait(port: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise RuntimeError("the twin did not start")
