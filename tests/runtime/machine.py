"""A twin in a process of its own, and the people around it."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.runtime.forked import Forked, run
from twins.runtime import clock
from twins.runtime.client import KeySigner, TwinClient, TwinUnreachable, generate_key, public_x
from twins.runtime.ids import new_ulid
from twins.runtime.init import create

Process = Forked | subprocess.Popen[bytes]
SLICES = [
    {"name": "catalogue", "title": "Catalogue", "kind": "catalogue"},
    {
        "name": "margins",
        "title": "Margins",
        "kind": "margins",
        "listed": False,
        "sensitivity": "confidential",
    },
]


def person(kind: str = "user") -> KeySigner:
    """Somebody with a key of their own."""
    return KeySigner(f"{kind}:{new_ulid()}", generate_key())


def entry(signer: KeySigner, name: str = "Anna") -> dict[str, dict[str, str]]:
    """The signer as a genesis names them."""
    return {signer.subject: {"name": name, "key": public_x(signer.key)}}


@dataclass
class Machine:
    """One twin's directory and socket; `start` and `stop` its process."""

    directory: Path
    owner: KeySigner
    id: str
    options: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    process: Process | None = None

    @classmethod
    def make(cls, directory: Path, *, owner: KeySigner | None = None, **genesis: Any) -> Machine:
        """A twin that `owner` owns, unless the genesis names a custody."""
        owner = owner or person()
        first = {"slices": SLICES, **({} if "custody" in genesis else {"owner": entry(owner)}), **genesis}
        made = create(directory / "twin", slug="acme", name="Acme", genesis=first)
        return cls(directory / "twin", owner, made["id"])

    @property
    def socket(self) -> Path:
        return self.directory.parent / "s"

    @property
    def errors(self) -> Path:
        return self.directory.parent / "stderr"

    def spawn(self, *options: str, fresh: bool = False) -> Process:
        """The serving process, which may not be ready yet; `fresh` is one with an interpreter of its own."""
        command = ["serve", str(self.directory), "--uds", str(self.socket), *self.options, *options]
        if not fresh:
            return Forked(command, os.devnull, str(self.errors))
        environment = {**os.environ, **self.environment}
        with self.errors.open("ab") as errors:
            return subprocess.Popen(
                [sys.executable, "-m", "twins.runtime", *command], stderr=errors, env=environment
            )

    def start(self, *options: str, fresh: bool = False) -> Machine:
        """Serve, and return when the twin answers."""
        self.process = self.spawn(*options, fresh=fresh)
        stranger = self.client(None)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                stranger.about()
            except TwinUnreachable:
                if self.process.poll() is not None:
                    break
                time.sleep(0.02)
            else:
                return self
        raise AssertionError(f"the twin does not serve: {self.errors.read_text()}")

    def stop(self) -> int:
        """End the process with SIGTERM; its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(30)

    def kill(self) -> None:
        """End the process as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)

    def client(self, signer: Any) -> TwinClient:
        return TwinClient(self.socket, self.id, signer, timeout=30.0)

    @property
    def mine(self) -> TwinClient:
        """The owner's client."""
        return self.client(self.owner)

    def run(self, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        """A command of the runtime on this twin's directory."""
        return run([command, str(self.directory), *options])

    def records(self) -> list[dict[str, Any]]:
        """The whole log, as `audit` prints it."""
        return [json.loads(line) for line in self.run("audit").stdout.splitlines()]


def grant_args(reader: KeySigner, slice_: str = "catalogue", /, **changes: Any) -> dict[str, Any]:
    """Arguments of `grant`, from yesterday until tomorrow."""
    return {
        "grant_id": new_ulid(),
        "reader": reader.subject,
        "reader_name": "Reader",
        "reader_key": public_x(reader.key),
        "slice": slice_,
        "purpose": "to compare",
        "not_before": clock.after(-86400),
        "expires_at": clock.after(86400),
        **changes,
    }


def raw(
    machine: Machine, path: str, token: str, method: str = "GET", body: str | None = None
) -> tuple[int, bytes]:
    """Status and body of one request, as they came over the socket."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(30)
        sock.connect(str(machine.socket))
        connection = http.client.HTTPConnection("twin")
        connection.sock = sock
        connection.request(method, path, body, {"Authorization": f"Bearer {token}", "Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read()
