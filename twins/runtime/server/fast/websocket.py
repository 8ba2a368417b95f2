"""WebSocket connections: picows takes over a connection that began as HTTP."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from picows import WSAutoPingStrategy, WSFrame, WSListener, WSMsgType, WSTransport

# Its own server is made of this class; a handover has no other way in.
from picows.picows import WSProtocol  # type: ignore[attr-defined]

from twins.runtime.server.wire import Listener, Request

if TYPE_CHECKING:
    from twins.runtime.server.fast.wire import FastWire

PROTOCOL_ERROR, TOO_BIG = 1002, 1009
SMALLEST_BUFFER = 2048
TEXT, BINARY, CONTINUATION = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION
# What a peer does wrong is told to the peer, not to the log.
SILENT = logging.getLogger("picows")
SILENT.setLevel(logging.CRITICAL + 1)


class Seam:
    """A transport as picows wants it: it sets TCP options, which a unix socket does not have."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self.write = transport.write
        self.writelines = transport.writelines
        self.get_write_buffer_size = transport.get_write_buffer_size
        self.close = transport.close
        self.abort = transport.abort

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self if name == "socket" else self._transport.get_extra_info(name, default)

    def fileno(self) -> int:
        number: int = self._transport.get_extra_info("socket").fileno()
        return number

    def setsockopt(self, *_option: int) -> None:
        """Not needed: the loop has set what is good for small messages."""

    def getsockopt(self, *_option: int) -> int:
        return 0


class WebSocket(WSListener):
    """The `Socket` of one WebSocket."""

    def __init__(self, wire: FastWire, listener: Listener) -> None:
        super().__init__()
        self._wire = wire
        self._listener = listener
        self._ws: Any = None
        self._pieces: list[bytes] = []
        self._begun = TEXT
        self._heard = wire.now
        self._asked = 0.0
        self._over = 0.0
        self._waited = 0
        self._stuck = wire.now
        self.full = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._ws = transport
        self._wire.enter(self)
        self._listener.opened(self)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._over = self._over or self._wire.now
        self._wire.leave(self)
        self._listener.closed()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self._heard, self._asked = self._wire.now, 0.0
        if frame.msg_type == WSMsgType.CLOSE:
            self.close(1000, "")
            transport.disconnect()
        elif self._over or frame.msg_type in (WSMsgType.PING, WSMsgType.PONG):
            return
        elif frame.rsv1 or frame.rsv2 or frame.rsv3:
            self.close(PROTOCOL_ERROR, "No extension was agreed on.")
        else:
            self._take(frame.msg_type, frame.get_payload_as_bytes(), frame.fin)

    def _take(self, kind: WSMsgType, payload: bytes, is_last: bool) -> None:
        """Put a message's frames together (RFC 6455 section 5.4)."""
        if (kind == CONTINUATION) is not bool(self._pieces):
            self.close(PROTOCOL_ERROR, "The message is not continued as it began.")
            return
        if kind != CONTINUATION:
            if is_last:
                self._listener.received(payload, kind == TEXT)
                return
            self._begun = kind
        self._pieces.append(payload)
        if sum(map(len, self._pieces)) > self._wire.limits.message_bytes or len(self._pieces) > 1000:
            self.close(TOO_BIG, "The message is too long.")
        elif is_last:
            message, self._pieces = b"".join(self._pieces), []
            self._listener.received(message, self._begun == TEXT)

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        if not self._over:
            self._listener.drained()

    def send(self, message: bytes) -> None:
        if not self._over:
            self._ws.send(TEXT, message)

    def close(self, code: int, reason: str) -> None:
        if not self._over:
            self._over = self._wire.loop.time()
            self._ws.send_close(code, reason.encode())

    def sweep(self, now: float) -> None:
        limits = self._wire.limits
        waits = self._ws.underlying_transport.get_write_buffer_size()
        if waits == 0 or waits != self._waited:
            self._waited, self._stuck = waits, now
        if self._over:
            if now - self._over > limits.linger_seconds:
                self.abort()
        elif now - self._stuck > limits.stall_seconds:
            self._listener.stalled()
        elif self._asked and now - self._asked > limits.ping_seconds:
            self.abort()
        elif not waits and not self._asked and now - self._heard > limits.ping_seconds:
            self._asked = now
            self._ws.send_ping(b"")

    def end_if_quiet(self, now: float) -> None:
        """Nothing: the application closes sockets, and `sweep` those that do not take leave."""

    def abort(self) -> None:
        self._ws.underlying_transport.abort()


def hand_over(wire: FastWire, transport: Any, request: Request, tail: bytes, listener: Listener) -> None:
    """Make a connection whose upgrade was accepted a WebSocket; `tail` was received behind the request."""
    socket = WebSocket(wire, listener)
    protocol = WSProtocol(
        None,
        None,
        False,
        lambda _upgrade: socket,
        SILENT,
        True,
        None,
        False,
        0,
        0,
        WSAutoPingStrategy.PING_WHEN_IDLE,
        True,
        wire.limits.message_bytes,
        None,
        SMALLEST_BUFFER,
    )
    # Between the two the loop must not read: it asks each protocol in its own way where to put the bytes.
    transport.pause_reading()
    transport.set_protocol(protocol)
    protocol.connection_made(Seam(transport))
    # `upgrade.misfit` has looked at the handshake; picows is shown one that it always takes.
    _feed(protocol, _handshake(request.headers["sec-websocket-key"]) + tail)
    if not transport.is_closing():
        transport.resume_reading()


def _handshake(key: str) -> bytes:
    return (
        "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    ).encode()


def _feed(protocol: Any, data: bytes) -> None:
    left = memoryview(data)
    while left:
        room = protocol.get_buffer(len(left))
        size = min(len(room), len(left))
        room[:size] = left[:size]
        protocol.buffer_updated(size)
        left = left[size:]
