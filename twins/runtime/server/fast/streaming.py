"""A streaming answer: what is written after the headers, for as long as the peer reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twins.runtime.server.wire import Stream

if TYPE_CHECKING:
    from twins.runtime.server.fast.wire import FastWire


class Streaming:
    """The `Socket` of a stream, chunked (RFC 9112 section 7.1) where the peer speaks HTTP/1.1."""

    def __init__(self, wire: FastWire, transport: Any, stream: Stream, chunked: bool) -> None:
        self._wire = wire
        self._transport = transport
        self._stream = stream
        self._chunked = chunked
        self._spoke = wire.now
        self._over = 0.0
        self.full = False

    def open(self) -> None:
        self._stream.listener.opened(self)

    def send(self, message: bytes) -> None:
        if not self._over:
            self._spoke = self._wire.now
            self._transport.write(b"%x\r\n%b\r\n" % (len(message), message) if self._chunked else message)

    def close(self, code: int, reason: str) -> None:
        if not self._over:
            self._over = self._wire.now
            if self._chunked:
                self._transport.write(b"0\r\n\r\n")
            self._transport.close()

    def drained(self) -> None:
        self.full = False
        if not self._over:
            self._stream.listener.drained()

    def lost(self) -> None:
        self._stream.listener.closed()

    def end(self) -> None:
        """The wire stops; the listener has been told by the application."""
        self.close(1001, "")

    def sweep(self, now: float) -> None:
        limits = self._wire.limits
        if self._over and now - self._over > limits.linger_seconds:
            self._transport.abort()
        elif not self.full and now - self._spoke > limits.ping_seconds:
            self.send(self._stream.beat)
