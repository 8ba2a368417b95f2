"""One machine: a home, the host that serves it and the owner of its twins."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twins.host.client import HostClient, HostUnreachable
from twins.host.paths import socket_of, twins_dir
from twins.runtime import init
from twins.runtime.client import KeySigner, TwinClient, generate_key, public_x
from twins.runtime.client.live import follow
from twins.runtime.ids import new_ulid

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 30.0


class Machine:
    """Starts hosts on one home; every twin belongs to the same owner."""

    def __init__(self, home: Path, *options: str, program: Path = ROOT) -> None:
        self.home = home
        self.program = program
        self.options = options
        self.client = HostClient(home)
        self.ids: dict[str, str] = {}
        self._hosts: list[subprocess.Popen[str]] = []
        self._owner = f"user:{new_ulid()}"
        self._key = generate_key()

    @property
    def host(self) -> subprocess.Popen[str]:
        return self._hosts[-1]

    def start(self) -> None:
        self._hosts.append(self.start_host())
        eventually(self._answers)

    def start_host(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "twins.host", "serve", "--home", str(self.home), *self.options]
        # A session of its own, so that Ctrl-C can be played without reaching the tests.
        return subprocess.Popen(
            command, cwd=self.program, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def close(self) -> None:
        for host in self._hosts:
            if host.poll() is None:
                host.terminate()
            host.communicate(timeout=PATIENCE_SECONDS)

    def kill(self) -> None:
        self.host.kill()
        self.host.wait(PATIENCE_SECONDS)

    def create(self, slug: str, twin_id: str | None = None, **placement: Any) -> dict[str, Any]:
        self.ids[slug] = twin_id or self.ids.get(slug) or new_ulid()
        return self.client.create(slug, f"Twin {slug}", self.ids[slug], self.genesis(), dict(placement))

    def genesis(self) -> dict[str, Any]:
        piece = {
            "name": "stock",
            "title": "Stock",
            "kind": "stock",
            "listed": True,
            "sensitivity": "internal",
        }
        owner = {self._owner: {"name": "Owner", "key": public_x(self._key)}}
        return {"custody": None, "owner": owner, "admins": {}, "slices": [piece], "senses": []}

    def twin(self, slug: str) -> TwinClient:
        return self.twin_at(slug, socket_of(self.home, slug))

    def put(self, slug: str, name: str) -> None:
        self.twin(slug).call("put", {"slice": "stock", "id": name, "body": {"held": True}})

    def put_at_once(self, slug: str, names: list[str]) -> None:
        """Send all puts before the first is answered, so that they are one batch of the log."""
        token = KeySigner(self._owner, self._key).token(self.ids[slug])
        calls = [json.dumps({"slice": "stock", "id": name, "body": {"held": True}}) for name in names]
        head = f"POST /v1/call/put HTTP/1.1\r\nHost: twin\r\nAuthorization: Bearer {token}\r\n"
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(30)
            sock.connect(str(socket_of(self.home, slug)))
            sock.sendall("".join(f"{head}Content-Length: {len(one)}\r\n\r\n{one}" for one in calls).encode())
            answers = b""
            while answers.count(b"HTTP/1.1 200 ") < len(names):
                answers += sock.recv(65536)

    def stock(self, slug: str) -> list[str]:
        return [one["id"] for one in self.twin(slug).objects("stock", limit=1000)["objects"]]

    def make(self, slug: str) -> None:
        """Make a twin's folder where no host is."""
        self.ids[slug] = new_ulid()
        folder = self.folder(slug)
        init.create(folder, slug=slug, name=slug, twin_id=self.ids[slug], genesis=self.genesis())

    def twin_at(self, slug: str, address: Path) -> TwinClient:
        return TwinClient(address, self.ids[slug], KeySigner(self._owner, self._key))

    def sense(self, slug: str, url: str, every: int) -> None:
        """Let a sense look there; it looks at once, and then again and again."""
        target = {"stock": "stock"}
        sense = {"name": "feed", "kind": "feed", "title": "Feed", "url": url, "target": target}
        self.twin(slug).call("set_sense", {**sense, "every": every})

    async def watch(self, slug: str) -> None:
        """Follow the stock until one change has come."""
        token = KeySigner(self._owner, self._key).token(self.ids[slug])
        messages = follow(socket_of(self.home, slug), token, "stock")
        async for message in messages:
            if message["type"] == "applied":
                await asyncio.to_thread(self.put, slug, "watched")
            elif message["type"] == "tx":
                break
        await messages.aclose()  # type: ignore[attr-defined]

    def status(self, slug: str) -> dict[str, Any]:
        return next(one for one in self.client.list() if one["slug"] == slug)

    def folder(self, slug: str) -> Path:
        return twins_dir(self.home) / slug

    def session(self) -> set[int]:
        """Every process that the newest host and its children have running."""
        return {
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdecimal() and _session_of(entry) == self.host.pid
        }

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping()["pid"] == self.host.pid)
        except HostUnreachable:
            return False


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds; fail when it never does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def _session_of(entry: Path) -> int | None:
    try:
        state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
    except OSError:
        return None
    return None if state == "Z" else int(session)
