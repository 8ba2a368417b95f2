"""The wire: what the handlers know of HTTP and WebSocket, whichever library speaks them.

A wire parses, keeps the limits, answers in order and ends cleanly; the application decides what is answered.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

JSON = "application/json; charset=utf-8"
PROBLEM = "application/problem+json"
MOST_PARAMETERS = 50


@dataclass(frozen=True)
class Limits:
    """What one twin's wire takes: bytes, counts and seconds.

    Attributes:
        header_bytes: request line and headers together; `headers` is how many of them.
        message_bytes: one WebSocket message, all its frames together.
        header_seconds: from the first moment of a request to the end of its headers.
        idle_seconds: between two requests of one connection.
        stall_seconds: how long a peer may read nothing of what waits for it.
        ping_seconds: silence after which a peer is pinged, or a stream's reader gets a comment.
        linger_seconds: how long a refused or closed peer may take to notice.
    """

    header_bytes: int = 32 * 1024
    headers: int = 100
    body_bytes: int = 4 * 1024 * 1024
    message_bytes: int = 256 * 1024
    connections: int = 1024
    waiting_bytes: int = 64 * 1024
    header_seconds: float = 10.0
    body_seconds: float = 20.0
    idle_seconds: float = 5.0
    stall_seconds: float = 20.0
    ping_seconds: float = 15.0
    linger_seconds: float = 2.0

    @property
    def sweep_seconds(self) -> float:
        """How often connections are looked at for what has taken too long."""
        shortest = min(self.header_seconds, self.body_seconds, self.idle_seconds, self.linger_seconds)
        return min(max(shortest / 8, 0.02), 1.0)


class Request:
    """One request; header names are in lower case, `match_info` holds what the route's pattern named."""

    __dict__: dict[str, Any]

    def __init__(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        if not target.startswith("/"):
            parts = urlsplit(target)
            target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        self.path, _, self.query_string = target.partition("?")
        self.match_info: dict[str, str] = {}
        self.context: Any = None

    @cached_property
    def query(self) -> dict[str, str]:
        """The query's parameters; of one that is repeated, the first."""
        pairs = parse_qsl(self.query_string, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
        return dict(reversed(pairs))


class Answer:
    """A whole answer."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self, status: int, body: bytes, content_type: str = JSON, headers: dict[str, str] | None = None
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers or {}


class Stream:
    """An answer without a known end; `listener` is told where to write. `beat` keeps a silent one alive."""

    __slots__ = ("beat", "content_type", "listener")

    def __init__(self, listener: Listener, content_type: str, beat: bytes) -> None:
        self.listener = listener
        self.content_type = content_type
        self.beat = beat


class Socket(Protocol):
    """One way out, of a WebSocket or a stream. `full` while the peer reads slower than is written."""

    full: bool

    def send(self, message: bytes) -> None:
        """Write one message; nothing happens after `close`."""

    def close(self, code: int, reason: str) -> None:
        """Say why and end, at the latest after `linger_seconds`; the first call counts."""


class Listener(Protocol):
    """What the application hears of a socket; after `closed`, nothing."""

    def opened(self, socket: Socket) -> None: ...

    def received(self, message: bytes, is_text: bool) -> None: ...

    def drained(self) -> None:
        """The socket is no longer full."""

    def stalled(self) -> None:
        """The peer has read nothing for `stall_seconds`."""

    def closed(self) -> None: ...


Reply = Callable[[Answer | Stream], None]


class Application(Protocol):
    """What a wire serves."""

    def handle(self, request: Request, reply: Reply) -> None:
        """Answer once, now or later, by calling `reply`; raises nothing."""

    def upgrade(self, request: Request) -> Listener | Answer:
        """A listener for a WebSocket, or the refusal; raises nothing."""


class Wire(Protocol):
    """A running server on one listening socket."""

    @property
    def connections(self) -> int:
        """How many are open."""

    async def start(self, sock: socket.socket) -> None: ...

    async def stop(self, *, drain: bool) -> None:
        """Accept nobody any more, answer everybody who was accepted, close what is quiet.

        Args:
            drain: nobody else holds the listening socket, so whoever waits in its queue is served too.
        """
