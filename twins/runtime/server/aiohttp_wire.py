"""A second wire, on aiohttp: the same protocol by another library, to which the same tests apply."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from aiohttp import HttpVersion10, HttpVersion11, WSMsgType, web

from twins.runtime.problems import Problem
from twins.runtime.server.outlet import Outlet, pump_events, pump_frames
from twins.runtime.server.responses import refusal
from twins.runtime.server.upgrade import misfit
from twins.runtime.server.wire import (
    Answer,
    Application,
    Limits,
    Listener,
    Reply,
    Request,
    Stream,
    crowded,
)

ENDING_SECONDS, FRESH_SECONDS, QUIET_SECONDS = 5.0, 2.0, 0.05
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class _Unsigned(web.BaseRequest):
    """A request whose answer does not name the server's make."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        response.headers.pop("Server", None)


class _Connection(web.RequestHandler):
    """One connection, with the protocol's own words for what cannot be read."""

    wire: AiohttpWire
    watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        limits = self.wire.limits
        self.watch = asyncio.get_running_loop().call_later(limits.header_seconds, self._too_slow)

    def _too_slow(self) -> None:
        self.refuse(Problem(408, "too-slow", "The headers did not arrive in time."))

    def refuse(self, problem: Problem) -> None:
        """Answer without a request, and close."""
        answer, transport = refusal(problem), self.transport
        if transport is not None:
            head = f"HTTP/1.1 {answer.status} Refused\r\nContent-Type: {answer.content_type}\r\n"
            size = f"Content-Length: {len(answer.body)}\r\nConnection: close\r\n\r\n"
            transport.write((head + size).encode() + answer.body)
            transport.close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        text = "This is not an HTTP request that can be read."
        return _last(refusal(Problem(status, "bad-request", text)))


class _Server(web.Server):
    """Makes connections that know their wire."""

    wire: AiohttpWire

    def __call__(self) -> web.RequestHandler:
        connection = _Connection(self, loop=self._loop, **self._kwargs)
        connection.wire = self.wire
        return connection


class AiohttpWire:
    """Serves one application; see `wire.Wire`."""

    def __init__(self, application: Application, limits: Limits | None = None) -> None:
        self.application = application
        self.limits = limits or Limits()
        self._queue: socket.socket | None = None
        self._server = _Server(self._handle, request_factory=_request, **_options(self.limits))
        self._server.wire = self
        self._listening: asyncio.Server | None = None
        self._reading: set[Request] = set()
        self._ending = False

    @property
    def connections(self) -> int:
        return len(self._server.connections)

    async def start(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        sock.setblocking(False)
        self._queue = sock.dup()
        unix = sock.family == socket.AF_UNIX
        create: Any = loop.create_unix_server if unix else loop.create_server
        self._listening = await create(self._server, sock=sock)

    async def stop(self, *, drain: bool) -> None:
        self._ending = True
        loop = asyncio.get_running_loop()
        assert self._listening is not None
        assert self._queue is not None
        self._listening.close()
        while drain:
            try:
                sock, _ = self._queue.accept()
            except (BlockingIOError, ConnectionAbortedError):
                break
            sock.setblocking(False)
            await loop.connect_accepted_socket(self._server, sock)
        self._queue.close()
        deadline = loop.time() + FRESH_SECONDS
        while self.connections and loop.time() < deadline:  # noqa: ASYNC110 - aiohttp has no event for it
            await asyncio.sleep(QUIET_SECONDS)
        self._server.pre_shutdown()
        await self._server.shutdown(ENDING_SECONDS)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        if isinstance(connection, _Connection) and connection.watch is not None:
            connection.watch.cancel()
        try:
            found = await self._read(request)
        except Problem as problem:
            return _last(refusal(problem))
        wants = request.headers.get("Upgrade", "").lower()
        if request.method == "GET" and wants == "websocket":
            outcome = self.application.upgrade(found)
            return _plain(outcome) if isinstance(outcome, Answer) else await self._serve(request, outcome)
        answer = await self._ask(found)
        if isinstance(answer, Stream):
            return await self._stream(request, answer)
        return _last(answer) if self._ending else _plain(answer)

    async def _read(self, request: web.BaseRequest) -> Request:
        """The whole request.

        Raises:
            Problem: too many connections, too large or too slow.
        """
        limits = self.limits
        self._check(request)
        if "Expect" in request.headers:
            await self._expected(request)
        headers: dict[str, str] = {}
        for name, value in request.headers.items():
            lower = name.lower()
            headers[lower] = f"{headers[lower]}, {value}" if lower in headers else value
        found = Request(request.method, request.raw_path, headers, b"")
        problem = misfit(found) if headers.get("upgrade", "").lower() == "websocket" else None
        if problem is not None:
            raise problem
        try:
            async with asyncio.timeout(limits.body_seconds):
                found.body = await self._body(request, found)
        except TimeoutError:
            raise Problem(408, "too-slow", "The body did not arrive in time.") from None
        finally:
            self._reading.discard(found)
        return found

    def _check(self, request: web.BaseRequest) -> None:
        limits = self.limits
        if self.connections > limits.connections:
            raise crowded("Too many connections are open.")
        size = sum(len(name) + len(value) + 4 for name, value in request.raw_headers)
        if size > limits.header_bytes or len(request.raw_headers) > limits.headers:
            raise Problem(431, "too-large", f"Headers hold at most {limits.header_bytes:,} bytes.")
        if request.version not in (HttpVersion10, HttpVersion11):
            raise Problem(505, "bad-request", "Use HTTP/1.1.")
        if len(request.headers.getall("Host", [])) > 1:
            raise Problem(400, "bad-request", "A request names its `Host`, once.")
        if request.headers.get("Transfer-Encoding", "chunked").lower() != "chunked":
            raise Problem(501, "bad-request", "The only transfer coding is `chunked`.")
        if (request.content_length or 0) > limits.body_bytes:
            raise _too_large(limits)

    async def _expected(self, request: web.BaseRequest) -> None:
        if request.headers["Expect"].lower() != "100-continue":
            raise Problem(417, "bad-request", "The only expectation is `100-continue`.")
        await request.writer.write(CONTINUE)
        request.writer.output_size = 0

    async def _body(self, request: web.BaseRequest, found: Request) -> bytes:
        pieces = bytearray()
        self._admit(found, request.content_length or 0)
        async for piece in request.content.iter_any():
            pieces += piece
            self._admit(found, len(pieces))
            if len(pieces) > self.limits.body_bytes:
                raise _too_large(self.limits)
        return bytes(pieces)

    def _admit(self, found: Request, size: int) -> None:
        """Go on with a long body only for whom the twin knows, and for few at a time.

        Raises:
            Problem: the refusal.
        """
        if size <= self.limits.stranger_bytes or found in self._reading:
            return
        problem = self.application.admit(found)
        if problem is None and len(self._reading) >= self.limits.long_bodies:
            problem = crowded("Too many long bodies are on their way.")
        if problem is not None:
            raise problem
        self._reading.add(found)

    async def _ask(self, request: Request) -> Answer | Stream:
        future: asyncio.Future[Answer | Stream] = asyncio.get_running_loop().create_future()

        def reply(answer: Answer | Stream) -> None:
            if not future.done():
                future.set_result(answer)

        told: Reply = reply
        self.application.handle(request, told)
        return await future

    async def _serve(self, request: web.BaseRequest, listener: Listener) -> web.StreamResponse:
        limits = self.limits
        beat = 2 * limits.ping_seconds
        ws = web.WebSocketResponse(
            heartbeat=beat, timeout=limits.linger_seconds, max_msg_size=limits.message_bytes, compress=False
        )
        await ws.prepare(request)
        outlet = Outlet(listener, limits)
        listener.opened(outlet)
        listening = asyncio.create_task(_listen(ws, listener, outlet))
        try:
            await pump_frames(ws, outlet)
        finally:
            # The reader stops first: only then does `close` wait for the other side's own close frame.
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            listener.closed()
            code, reason = outlet.ending or (1000, "")
            await ws.close(code=code, message=reason.encode())
        return ws

    async def _stream(self, request: web.BaseRequest, stream: Stream) -> web.StreamResponse:
        headers = {"Cache-Control": "no-store", "Content-Type": stream.content_type}
        response = web.StreamResponse(headers=headers)
        response.force_close()
        await response.prepare(request)
        if request.method != "HEAD":
            outlet = Outlet(stream.listener, self.limits)
            stream.listener.opened(outlet)
            try:
                await pump_events(response, outlet, stream.beat)
            finally:
                stream.listener.closed()
        return response


async def _listen(ws: web.WebSocketResponse, listener: Listener, outlet: Outlet) -> None:
    async for message in ws:
        if message.type is WSMsgType.TEXT:
            listener.received(message.data.encode(), True)
        elif message.type is WSMsgType.BINARY:
            listener.received(message.data, False)
    outlet.close(1000, "")


def _request(
    message: Any, payload: Any, protocol: web.RequestHandler, writer: Any, task: asyncio.Task[None]
) -> web.BaseRequest:
    return _Unsigned(message, payload, protocol, writer, task, asyncio.get_running_loop())


def _options(limits: Limits) -> dict[str, Any]:
    return {
        "access_log": None,
        "auto_decompress": False,
        "keepalive_timeout": limits.idle_seconds,
        "lingering_time": limits.linger_seconds,
        "max_headers": limits.headers,
        "max_field_size": limits.header_bytes,
    }


def _plain(answer: Answer) -> web.Response:
    """An answer that nobody between may keep."""
    headers = {"Cache-Control": "no-store", "Content-Type": answer.content_type, **answer.headers}
    return web.Response(status=answer.status, body=answer.body, headers=headers)


def _last(answer: Answer) -> web.Response:
    """As `_plain`, and the connection's last one."""
    response = _plain(answer)
    response.force_close()
    return response


def _too_large(limits: Limits) -> Problem:
    return Problem(413, "too-large", f"A body holds at most {limits.body_bytes:,} bytes.")
