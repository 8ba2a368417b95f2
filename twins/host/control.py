"""The control socket: one JSON line in, one JSON line out, then the connection is closed."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from twins.host.loop import Loop
from twins.host.seat import listen

MAX_LINE = 4 * 1024 * 1024

Reply = Callable[[dict[str, Any]], None]
Answer = Callable[[bytes, Reply], None]


class Control:
    """Hands each line to `answer`, which may reply at once or later."""

    def __init__(self, loop: Loop, path: Path, answer: Answer, listener: socket.socket | None = None) -> None:
        self._loop = loop
        self._path = path
        self._answer = answer
        self._open: set[_Connection] = set()
        self._listener = listener or listen(path)
        loop.watch(self._listener, self._accept)

    @property
    def quiet(self) -> bool:
        """Is nobody connected?"""
        return not self._open

    def legacy(self) -> int:
        """The listening socket, as the next program inherits it."""
        self._listener.set_inheritable(True)
        return self._listener.fileno()

    def close(self) -> None:
        """Stop listening and drop every caller that still waits."""
        self._loop.unwatch(self._listener)
        self._listener.close()
        self._path.unlink(missing_ok=True)
        for connection in list(self._open):
            connection.close()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        sock.setblocking(False)
        self._open.add(_Connection(self._loop, sock, self._answer, self._open.discard))


class _Connection:
    def __init__(
        self, loop: Loop, sock: socket.socket, answer: Answer, gone: Callable[[_Connection], None]
    ) -> None:
        self.sock = sock
        self._loop = loop
        self._answer = answer
        self._gone = gone
        self._line = bytearray()
        self._out = b""
        loop.watch(sock, self._read)

    def close(self) -> None:
        self._loop.unwatch(self.sock)
        self.sock.close()
        self._gone(self)

    def reply(self, message: dict[str, Any]) -> None:
        if self.sock.fileno() != -1:
            self._out = msgspec.json.encode(message) + b"\n"
            self._loop.watch(self.sock, self._write, writing=True)

    def _read(self) -> None:
        try:
            data = self.sock.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        if len(self._line) <= MAX_LINE:
            self._line += data
        if b"\n" in data:
            self._loop.unwatch(self.sock)
            self._ask()

    def _ask(self) -> None:
        if len(self._line) > MAX_LINE:
            self.reply({"error": f"the request is longer than {MAX_LINE} bytes"})
        else:
            self._answer(bytes(self._line.split(b"\n", 1)[0]), self.reply)

    def _write(self) -> None:
        try:
            sent = self.sock.send(self._out)
        except OSError:
            self.close()
            return
        self._out = self._out[sent:]
        if not self._out:
            self.close()
