"""One HTTP connection: requests in, answers out in their order."""

from __future__ import annotations

import asyncio
import select
from collections import deque
from typing import TYPE_CHECKING, Any

from httptools import (
    HttpParserError,
    HttpParserInvalidMethodError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from twins.runtime.problems import Problem
from twins.runtime.server.fast.exchange import Exchange, head_of, whole
from twins.runtime.server.fast.message import Message, headers_too_large, odd_method, unreadable
from twins.runtime.server.fast.phase import BODY, HEAD, IDLE, OVER, WORK
from twins.runtime.server.fast.repeat import Repeat, learn
from twins.runtime.server.fast.streaming import Streaming
from twins.runtime.server.fast.websocket import hand_over
from twins.runtime.server.responses import refusal
from twins.runtime.server.upgrade import misfit, plain_head
from twins.runtime.server.wire import Answer, Request, Stream, crowded

if TYPE_CHECKING:
    from twins.runtime.server.fast.wire import FastWire

FRESH_SECONDS = 2.0
# A client whose heads are all different is not watched for ever.
LESSONS = 8
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Http(asyncio.Protocol):
    """The protocol that every connection begins with."""

    def __init__(self, wire: FastWire) -> None:
        self._wire = wire
        self._exchanges: deque[Exchange] = deque()
        self._parser = HttpRequestParser(self)
        self._message = Message(wire.limits)
        self._head_bytes = 0
        self._streaming: Streaming | None = None
        self._upgrading: Request | None = None
        self._deaf = False
        self._repeat: Repeat | None = None
        self._lessons = LESSONS
        self._read = 0
        self._whole: Request | None = None
        self._waited = 0
        self._stuck = 0.0
        self.phase = HEAD
        self.since = wire.now
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.set_write_buffer_limits(self._wire.limits.waiting_bytes)
        # The wire's own clock stands still while nobody is connected.
        self.since = self._wire.loop.time()
        self._wire.enter(self)
        if self._wire.is_full:
            self._refuse(crowded("Too many connections are open."))

    def connection_lost(self, exc: Exception | None) -> None:
        self._wire.leave(self)
        self.phase = OVER
        self._exchanges.clear()
        if self._streaming is not None:
            self._streaming.lost()

    def eof_received(self) -> bool:
        """A peer that sends no more still gets what it asked for."""
        return bool(self._exchanges) and self._streaming is None and self.phase is not OVER

    def pause_writing(self) -> None:
        self.transport.pause_reading()
        if self._streaming is not None:
            self._streaming.full = True

    def resume_writing(self) -> None:
        self.transport.resume_reading()
        if self._streaming is not None:
            self._streaming.drained()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        between = self.phase is IDLE or self.phase is WORK
        if between and self._repeat is not None:
            request = self._repeat.request(data)
            if request is not None:
                self.phase = WORK
                self._handle(request, keep=True)
                return
        self._parse(data)
        if between and self._lessons and self._read == 1 and self._whole is not None:
            self._lessons -= 1
            self._repeat = learn(data, self._whole)

    def _parse(self, data: bytes) -> None:
        message = self._message if self.phase is HEAD else None
        self._read, self._whole = 0, None
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
            return
        except HttpParserInvalidMethodError:
            self._refuse(odd_method(data))
            return
        except HttpParserError:
            self._refuse(self._message.problem or unreadable())
            return
        if self._message.problem is not None:
            self._refuse(self._message.problem)
        elif self.phase is HEAD and self._message is message:
            self._head_bytes += len(data)
            if self._head_bytes > self._wire.limits.header_bytes:
                self._refuse(headers_too_large(self._wire.limits))

    def on_message_begin(self) -> None:
        self.phase, self.since, self._head_bytes = HEAD, self._wire.now, 0
        self._read += 1
        if self._message.target:
            self._message = Message(self._wire.limits)

    def on_url(self, piece: bytes) -> None:
        self._message.add_target(piece)

    def on_header(self, name: bytes, value: bytes) -> None:
        message = self._message
        if message.problem is not None:
            return
        if self.phase is HEAD:
            message.add_header(name, value)
        else:
            message.add_line(name, value)

    def on_headers_complete(self) -> None:
        message, parser = self._message, self._parser
        if message.problem is None:
            message.check(parser.get_http_version())
        self.phase, self.since = BODY, self._wire.now
        self._admit(message)
        if message.problem is None and "expect" in message.headers and not self._exchanges:
            self.transport.write(CONTINUE)

    def on_body(self, piece: bytes) -> None:
        message = self._message
        if message.problem is None:
            message.add_body(piece)
            self._admit(message)

    def _admit(self, message: Message) -> None:
        """Go on with a long body only for whom the twin knows, and for few at a time."""
        if message.problem is not None or message.admitted or not message.is_long:
            return
        message.admitted = True
        message.problem = self._wire.application.admit(message.request(self._parser))
        if message.problem is None and len(self._wire.reading) >= self._wire.limits.long_bodies:
            message.problem = crowded("Too many long bodies are on their way.")
        if message.problem is None:
            self._wire.reading.add(self)

    def on_message_complete(self) -> None:
        if self._message.problem is not None or self._deaf:
            return
        self.phase = WORK
        if self._message.admitted:
            self._wire.reading.discard(self)
        request = self._message.request(self._parser)
        if self._parser.should_upgrade():
            self._upgrading = request
            return
        keep = self._parser.should_keep_alive()
        self._deaf = not keep
        self._whole = request if keep else None
        self._handle(request, keep=keep)

    def _handle(self, request: Request, *, keep: bool) -> None:
        exchange = Exchange(self.flush, keep, request.method == "HEAD")
        self._exchanges.append(exchange)
        self._wire.application.handle(request, exchange)

    def _upgrade(self, tail: bytes) -> None:
        """Go on as a WebSocket; anything else that was to be upgraded to is answered as plain HTTP."""
        request, self._upgrading = self._upgrading, None
        if request is None:
            return
        if request.method != "GET" or request.headers.get("upgrade", "").lower() != "websocket":
            self._parser = HttpRequestParser(self)
            self.data_received(plain_head(request) + tail)
            return
        if self._exchanges:
            return
        exchange = Exchange(self.flush, keep=False, bare=False)
        problem = misfit(request)
        outcome = refusal(problem) if problem else self._wire.application.upgrade(request)
        if isinstance(outcome, Answer):
            self._exchanges.append(exchange)
            exchange(outcome)
        else:
            self.phase = OVER
            self._wire.leave(self)
            hand_over(self._wire, self.transport, request, tail, outcome)

    def flush(self) -> None:
        """Write the answers that are there, in the order of their requests."""
        exchanges = self._exchanges
        while exchanges and self.phase is not OVER:
            answer = exchanges[0].answer
            if answer is None:
                return
            exchange = exchanges.popleft()
            if isinstance(answer, Stream):
                self._begin(answer, exchange.bare)
                return
            keep = exchange.keep and not self._wire.ending
            self.transport.write(whole(answer, self._wire.date, keep=keep, bare=exchange.bare))
            if not keep:
                self._finish()
            elif not exchanges and self.phase is WORK:
                self.phase, self.since = IDLE, self._wire.now

    def _begin(self, stream: Stream, bare: bool) -> None:
        chunked = self._parser.get_http_version() == "1.1"
        coding = b"Transfer-Encoding: chunked\r\n" if chunked else b""
        head = head_of(200, stream.content_type)
        self.transport.write(b"%b%b%bConnection: close\r\n\r\n" % (head, self._wire.date, coding))
        if bare:
            self._finish()
            return
        self._deaf = True
        self._streaming = Streaming(self._wire, self.transport, stream, chunked)
        self._streaming.open()

    def _refuse(self, problem: Problem) -> None:
        """Answer what cannot be read on from, after what was asked before it."""
        exchange = Exchange(self.flush, keep=False, bare=False)
        self._exchanges.append(exchange)
        self._wire.reading.discard(self)
        self._deaf = True
        if self.phase is not OVER:
            self.phase = WORK
        exchange(refusal(problem))

    def _finish(self) -> None:
        """End; what the peer still sends is read and dropped, or it might not see the answer."""
        self.phase, self.since, self._deaf = OVER, self._wire.now, True
        self._exchanges.clear()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def sweep(self, now: float) -> None:
        limits = self._wire.limits
        if self._is_stuck(now):
            self.abort()
        elif self._streaming is not None:
            self._streaming.sweep(now)
        elif self.phase is HEAD and now - self.since > limits.header_seconds:
            self._give_up(f"The headers did not arrive within {limits.header_seconds:g} seconds.")
        elif self.phase is BODY and now - self.since > limits.body_seconds:
            self._give_up(f"The body did not arrive within {limits.body_seconds:g} seconds.")
        elif self.phase is IDLE and now - self.since > limits.idle_seconds:
            self._finish()
        elif self.phase is OVER and now - self.since > limits.linger_seconds:
            self.transport.close()

    def _is_stuck(self, now: float) -> bool:
        waits = self.transport.get_write_buffer_size()
        if waits == 0 or waits != self._waited:
            self._waited, self._stuck = waits, now
        return now - self._stuck > self._wire.limits.stall_seconds and waits > 0

    def _give_up(self, detail: str) -> None:
        if self._message.target or self._head_bytes:
            self._refuse(Problem(408, "too-slow", detail))
        else:
            self._finish()

    def end_if_quiet(self, now: float) -> None:
        if self._streaming is not None:
            self._streaming.end()
        elif not self._has_more() and (self.phase in (IDLE, OVER) or self._is_silent(now)):
            self.transport.close()

    def _is_silent(self, now: float) -> bool:
        """Whether a peer that has asked for nothing yet had the time to."""
        return self.phase is HEAD and not self._message.target and now - self.since > FRESH_SECONDS

    def _has_more(self) -> bool:
        """Whether something that the peer sent has not been read yet."""
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def abort(self) -> None:
        self.transport.abort()
