"""The listening socket and its connections."""

from __future__ import annotations

import asyncio
import socket
import time
from email.utils import formatdate
from typing import Protocol

from twins.runtime.server.fast.http import Http
from twins.runtime.server.wire import Application, Limits

QUIET_SECONDS = 0.1
ENDING_SECONDS = 5.0


class Connection(Protocol):
    """An HTTP or a WebSocket connection."""

    def sweep(self, now: float) -> None:
        """End what has taken too long."""

    def end_if_quiet(self, now: float) -> None:
        """Close unless a request is under way."""

    def abort(self) -> None: ...


class FastWire:
    """Serves one application; see `wire.Wire`.

    Attributes:
        now: the loop's time when connections were last looked at; close enough for limits of seconds.
        date: the header line `Date`, up to date to the second.
        reading: those that are sending a long body.
    """

    def __init__(self, application: Application, limits: Limits | None = None) -> None:
        self.application = application
        self.limits = limits or Limits()
        self.loop = asyncio.get_running_loop()
        self.now = self.loop.time()
        self.date = b""
        self.ending = False
        self._open: set[Connection] = set()
        self.reading: set[Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._server: asyncio.Server | None = None
        self._queue: socket.socket | None = None

    @property
    def connections(self) -> int:
        return len(self._open)

    @property
    def is_full(self) -> bool:
        return len(self._open) > self.limits.connections

    async def start(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        # The server closes what it is given; who still waits in the queue is found through the copy.
        self._queue = sock.dup()
        unix = sock.family == socket.AF_UNIX
        create = self.loop.create_unix_server if unix else self.loop.create_server
        self._server = await create(lambda: Http(self), sock=sock)

    def enter(self, connection: Connection) -> None:
        """Keep an eye on a connection."""
        self._open.add(connection)
        if self._sweeping is None:
            self._sweep()

    def leave(self, connection: Connection) -> None:
        """The connection is gone, or goes on as another one."""
        self._open.discard(connection)
        self.reading.discard(connection)

    def _sweep(self) -> None:
        self.now = now = self.loop.time()
        self.date = b"Date: " + formatdate(time.time(), usegmt=True).encode() + b"\r\n"
        for connection in tuple(self._open):
            connection.sweep(now)
        again = bool(self._open)
        self._sweeping = self.loop.call_later(self.limits.sweep_seconds, self._sweep) if again else None

    async def stop(self, *, drain: bool) -> None:
        self.ending = True
        if self._server is not None:
            self._server.close()
        if drain:
            await self._accept_the_rest()
        if self._queue is not None:
            self._queue.close()
        await asyncio.sleep(QUIET_SECONDS)
        deadline = self.loop.time() + ENDING_SECONDS
        while self._open and self.loop.time() < deadline:
            for connection in tuple(self._open):
                connection.end_if_quiet(self.loop.time())
            await asyncio.sleep(QUIET_SECONDS / 4)
        for connection in tuple(self._open):
            connection.abort()
        if self._sweeping is not None:
            self._sweeping.cancel()

    async def _accept_the_rest(self) -> None:
        assert self._queue is not None
        while True:
            try:
                sock, _ = self._queue.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            sock.setblocking(False)
            await self.loop.connect_accepted_socket(lambda: Http(self), sock)
