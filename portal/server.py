"""Daphne with limits and a graceful stop.

Daphne by itself drops the requests in flight and cuts WebSockets (1006) when it is told to end, and stores
request bodies of any size before it calls the application.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from typing import Any

from daphne.http_protocol import WebRequest
from daphne.server import Server, reactor
from daphne.ws_protocol import WebSocketProtocol

MAX_BODY = 12 * 2**20
MAX_MESSAGE = 2**20
DRAIN_SECONDS = 10.0
SERVICE_RESTART = 1012  # https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number
_TOO_LARGE = b'{"type": "/problems/too-large", "title": "The request is too large", "status": 413}'


class LimitedRequest(WebRequest):
    """A request with at most MAX_BODY bytes of body; what comes after is dropped and answered with 413."""

    _received = 0

    def handleContentChunk(self, data: bytes) -> None:
        """Called by Twisted for each piece of the body."""
        self._received += len(data)
        if self._received <= MAX_BODY:
            super().handleContentChunk(data)

    def process(self) -> Any:
        """Called by Twisted when the whole request has arrived."""
        if self._received <= MAX_BODY:
            return super().process()
        headers = [(b"content-type", b"application/problem+json")]
        self.handle_reply({"type": "http.response.start", "status": 413, "headers": headers})
        self.handle_reply({"type": "http.response.body", "body": _TOO_LARGE})
        return None


class GracefulServer(Server):
    """Serves the application on a socket until SIGTERM or SIGINT; a second signal ends it at once."""

    def __init__(self, application: Any, listener: socket.socket) -> None:
        super().__init__(
            application,
            endpoints=[f"fd:fileno={listener.detach()}"],  # Twisted closes it
            signal_handlers=False,
            verbosity=0,
            server_name="mycelium",
            websocket_max_message_size=MAX_MESSAGE,
            websocket_max_frame_size=MAX_MESSAGE,
        )
        self._ports: list[Any] = []
        self._drain_until: float | None = None
        self.hurried = False

    @property
    def draining(self) -> bool:
        """Whether the end has begun."""
        return self._drain_until is not None

    def run(self) -> None:
        """Blocks the main thread until the server has ended."""
        for number in (signal.SIGTERM, signal.SIGINT):
            reactor.callWhenRunning(lambda number=number: loop().add_signal_handler(number, self.drain))
        super().run()

    def listen_success(self, port: Any) -> None:
        """Called by Daphne for each endpoint that listens."""
        self._ports.append(port)
        build = self.http_factory.buildProtocol

        def build_limited(address: Any) -> Any:
            protocol = build(address)
            protocol.requestFactory = LimitedRequest
            return protocol

        self.http_factory.buildProtocol = build_limited
        super().listen_success(port)

    def drain(self) -> None:
        """Takes no more connections, says goodbye to WebSockets, lets requests finish, then ends."""
        if self.draining:
            self.hurried = True
            if reactor.running:
                self.stop()
            return
        self._drain_until = time.monotonic() + DRAIN_SECONDS
        for port in self._ports:
            port.stopListening()
        for connection in list(self.connections):
            if isinstance(connection, WebSocketProtocol):
                # sendClose() refuses this code
                connection.sendCloseFrame(code=SERVICE_RESTART, reasonUtf8=b"restart", isReply=False)
        self._end_when_idle()

    def _end_when_idle(self) -> None:
        busy = any(_is_busy(details) for details in self.connections.values())
        if not busy or time.monotonic() > (self._drain_until or 0):
            self.stop()
        else:
            reactor.callLater(0.1, self._end_when_idle)


def loop() -> asyncio.AbstractEventLoop:
    """The event loop on which everything asynchronous of the portal runs."""
    owned: asyncio.AbstractEventLoop = reactor._asyncioEventloop
    return owned


def _is_busy(details: dict[str, Any]) -> bool:
    application = details.get("application_instance")
    return "disconnected" not in details or (application is not None and not application.done())
