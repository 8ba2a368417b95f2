"""`WS /v1/live`: subscriptions over one WebSocket."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterable
from typing import Annotated

import msgspec
from aiohttp import WSMsgType, web

from twins.runtime import codec
from twins.runtime.callers import Caller
from twins.runtime.problems import Problem
from twins.runtime.server.keys import caller_of, twin_of
from twins.runtime.subscriptions import Subscription
from twins.runtime.twin import Twin

BAD_MESSAGE, TOKEN_ENDED, TOO_MUCH, GOING_AWAY = 4400, 4401, 4429, 1001
LONGEST_MESSAGE = 16 * 1024
MOST_WAITING = 1000
MOST_SUBSCRIPTIONS = 50
SEND_SECONDS = 20.0

SOCKETS: web.AppKey[set[Socket]] = web.AppKey("sockets")
logger = logging.getLogger(__name__)
Id = Annotated[str, msgspec.Meta(max_length=100)]


class Subscribe(msgspec.Struct, tag="subscribe", tag_field="type"):
    id: Id
    slice: Annotated[str, msgspec.Meta(max_length=100)]


class Unsubscribe(msgspec.Struct, tag="unsubscribe", tag_field="type"):
    id: Id


_decoder: msgspec.json.Decoder[Subscribe | Unsubscribe] = msgspec.json.Decoder(Subscribe | Unsubscribe)


class Socket:
    """One connection: frames wait in a queue that one task empties, so that a slow reader delays nobody."""

    def __init__(self, caller: Caller, ws: web.WebSocketResponse) -> None:
        self.caller = caller
        self.ids: set[str] = set()
        self.ending: tuple[int, str] | None = None
        self._ws = ws
        self._waiting: deque[Iterable[bytes]] = deque()
        self._wake = asyncio.Event()

    def is_over(self) -> bool:
        return self.ending is not None

    def send(self, frames: Iterable[bytes]) -> None:
        """Queue frames; a reader that is too far behind is closed instead."""
        if len(self._waiting) >= MOST_WAITING:
            self.close(TOO_MUCH, "Too slow: come back and subscribe again.")
            return
        self._waiting.append(frames)
        self._wake.set()

    def close(self, code: int, reason: str) -> None:
        """End the connection; what waits is not sent any more. The first reason counts."""
        self.ending = self.ending or (code, reason)
        self._wake.set()

    async def pump(self) -> None:
        """Send what waits until the connection is to end."""
        while not self.is_over():
            await self._send_waiting()
            if not self.is_over() and not self._waiting:
                self._wake.clear()
                await self._wake.wait()

    async def _send_waiting(self) -> None:
        while self._waiting and not self.is_over():
            for frame in self._waiting.popleft():
                if self.is_over():
                    return
                try:
                    async with asyncio.timeout(SEND_SECONDS):
                        await self._ws.send_str(frame.decode())
                except TimeoutError:
                    self.close(TOO_MUCH, "Too slow: come back and subscribe again.")
                except ConnectionError:
                    self.close(GOING_AWAY, "The connection was lost.")


async def live(request: web.Request) -> web.WebSocketResponse:
    """Serve one connection from its upgrade to its close."""
    twin, caller = twin_of(request), caller_of(request)
    ws = web.WebSocketResponse(heartbeat=30.0, timeout=2.0, max_msg_size=LONGEST_MESSAGE, compress=False)
    await ws.prepare(request)
    socket = Socket(caller, ws)
    try:
        request.app[SOCKETS].add(socket)
        await _converse(ws, socket, twin)
    finally:
        request.app[SOCKETS].discard(socket)
        _note_end(twin, socket, twin.hub.unsubscribe(socket))
        code, reason = socket.ending or (GOING_AWAY, "")
        await ws.close(code=code, message=reason.encode())
    return ws


async def _converse(ws: web.WebSocketResponse, socket: Socket, twin: Twin) -> None:
    """Listen and send until the connection is to end, at the latest when the token does."""
    left = min(max(socket.caller.expires - time.time(), 0.0), 3600.0)
    timer = asyncio.get_running_loop().call_later(left, socket.close, TOKEN_ENDED, "The token ended.")
    listening = asyncio.create_task(_listen(ws, socket, twin))
    try:
        await socket.pump()
    finally:
        timer.cancel()
        # The reader stops first: only then does `close` wait for the other side's own close frame.
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _listen(ws: web.WebSocketResponse, socket: Socket, twin: Twin) -> None:
    try:
        await _obey(ws, socket, twin)
    except Exception:
        logger.exception("a live message failed")
    finally:
        socket.close(1000, "")


async def _obey(ws: web.WebSocketResponse, socket: Socket, twin: Twin) -> None:
    async for message in ws:
        if message.type is not WSMsgType.TEXT:
            socket.close(BAD_MESSAGE, "Send text frames.")
            return
        try:
            wish = _decoder.decode(message.data)
        except (msgspec.DecodeError, RecursionError):
            socket.close(BAD_MESSAGE, "The message is not one of the protocol's.")
            return
        if isinstance(wish, Subscribe):
            _subscribe(twin, socket, wish)
        else:
            socket.ids.discard(wish.id)
            _note_end(twin, socket, twin.hub.unsubscribe(socket, wish.id))


def _subscribe(twin: Twin, socket: Socket, wish: Subscribe) -> None:
    if wish.id in socket.ids:
        socket.close(BAD_MESSAGE, "This id is in use.")
        return
    if len(socket.ids) >= MOST_SUBSCRIPTIONS:
        socket.close(TOO_MUCH, "Too many subscriptions.")
        return
    args = {"slice": wish.slice}
    try:
        twin.rights.require_read(socket.caller, wish.slice)
    except Problem as problem:
        twin.refused(socket.caller, "subscribe", args, problem)
        socket.send([codec.encode({"type": "problem", "id": wish.id, "problem": problem.to_json()})])
        return
    socket.ids.add(wish.id)
    since = twin.noted(socket.caller, "subscribe", args) if socket.caller.is_twin else twin.log.seq
    twin.hub.subscribe(Subscription(wish.id, wish.slice, socket, since))


def _note_end(twin: Twin, socket: Socket, ended: list[Subscription]) -> None:
    if socket.caller.is_twin:
        for subscription in ended:
            twin.noted(socket.caller, "unsubscribe", {"slice": subscription.slice})


async def close_all(app: web.Application) -> None:
    """Tell every connection that the twin goes to sleep."""
    sockets = app[SOCKETS]
    for socket in tuple(sockets):
        socket.close(GOING_AWAY, "The twin goes to sleep; come back.")
