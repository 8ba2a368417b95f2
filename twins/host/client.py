"""How other programs speak to the host of this machine."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from twins.host.paths import host_socket


class HostError(Exception):
    """The host refused; `detail` is its sentence."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class HostUnreachable(Exception):
    """Nobody answers on the host's socket; `detail` says why."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class HostClient:
    """Asks the host that serves `home`; one connection per question, each answered within `timeout` seconds.

    A twin comes back as a dict: slug, twin_id, pid (or None), state (`awake`, `asleep`, `failed`), since,
    failures, last_exit (or None), rss_kib (or None), log_bytes, placement. Every method raises HostError or
    HostUnreachable.
    """

    def __init__(self, home: Path, timeout: float = 30.0) -> None:
        self._home = home
        self._timeout = timeout

    def create(
        self,
        slug: str,
        name: str,
        twin_id: str,
        genesis: dict[str, Any],
        placement: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Make a twin; the same once more is answered alike, another id for the slug is an error."""
        request = {"slug": slug, "name": name, "twin_id": twin_id, "genesis": genesis}
        return self._ask("create", **request, placement=placement or {})

    def list(self) -> list[dict[str, Any]]:
        """Every twin of this host, ordered by slug."""
        twins: list[dict[str, Any]] = self._ask("list")["twins"]
        return twins

    def wake(self, slug: str) -> dict[str, Any]:
        """Return when a process runs for the twin; its socket queues callers until it serves."""
        return self._ask("wake", slug=slug)

    def sleep(self, slug: str) -> dict[str, Any]:
        """Return when the twin's process has ended; the next caller wakes it."""
        return self._ask("sleep", slug=slug)

    def upgrade(self) -> dict[str, Any]:
        """Return when the host is about to run its program anew; HostError when that does not start."""
        return self._ask("upgrade")

    def ping(self) -> dict[str, Any]:
        """The host's `pid`, its number of `twins`, when this program of it began (`since`), its `sandbox`."""
        return self._ask("ping")

    def _ask(self, do: str, **request: object) -> dict[str, Any]:
        line = json.dumps({"do": do, **request}).encode() + b"\n"
        try:
            answer = self._exchange(line)
        except OSError as error:
            raise HostUnreachable(f"the host of {self._home} does not answer: {error}") from error
        if not answer.endswith(b"\n"):
            raise HostUnreachable(f"the host of {self._home} ended before it answered")
        message: dict[str, Any] = json.loads(answer)
        if "error" in message:
            raise HostError(message["error"])
        return message

    def _exchange(self, line: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(self._timeout)
            sock.connect(str(host_socket(self._home)))
            sock.sendall(line)
            with sock.makefile("rb") as answer:
                return answer.readline()
