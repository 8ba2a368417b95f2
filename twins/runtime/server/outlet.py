"""Outlet: a queue of messages that one task writes, for a wire whose writes wait."""

from __future__ import annotations

import asyncio
from collections import deque

from aiohttp import WSMsgType, web

from twins.runtime.server.wire import Limits, Listener


class Outlet:
    """The `Socket` of a WebSocket or a stream on aiohttp."""

    def __init__(self, listener: Listener, limits: Limits) -> None:
        self.listener = listener
        self.limits = limits
        self.ending: tuple[int, str] | None = None
        self.full = False
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()

    def send(self, message: bytes) -> None:
        if self.ending is None:
            self._waiting.append(message)
            self._bytes += len(message)
            self.full = self._bytes > self.limits.waiting_bytes
            self._wake.set()

    def close(self, code: int, reason: str) -> None:
        self.ending = self.ending or (code, reason)
        self._wake.set()

    def drop(self) -> None:
        """Forget what waits: the peer does not read."""
        self._waiting.clear()

    async def take(self, seconds: float | None) -> bytes | None:
        """The next message; None when there is none for that long, or never again."""
        while not self._waiting and self.ending is None:
            self._wake.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
            except TimeoutError:
                return None
        if not self._waiting:
            return None
        message = self._waiting.popleft()
        self._bytes -= len(message)
        if self.full and self._bytes <= self.limits.waiting_bytes // 2:
            self.full = False
            self.listener.drained()
        return message


async def pump_frames(ws: web.WebSocketResponse, outlet: Outlet) -> None:
    """Write a WebSocket's messages until it is to end."""
    while outlet.ending is None:
        message = await outlet.take(None)
        if message is not None:
            await _written(outlet, ws.send_frame(message, WSMsgType.TEXT))
    while (message := await outlet.take(0)) is not None:
        await _written(outlet, ws.send_frame(message, WSMsgType.TEXT))


async def pump_events(response: web.StreamResponse, outlet: Outlet, beat: bytes) -> None:
    """Write a stream's messages until it is to end, and something now and then when there is nothing."""
    while True:
        message = await outlet.take(outlet.limits.ping_seconds)
        if message is None and outlet.ending is not None:
            return
        if not await _written(outlet, response.write(beat if message is None else message)):
            return


async def _written(outlet: Outlet, writing: object) -> bool:
    try:
        async with asyncio.timeout(outlet.limits.stall_seconds):
            await writing  # type: ignore[misc]
    except TimeoutError:
        outlet.drop()
        outlet.listener.stalled()
    except ConnectionError:
        outlet.close(1001, "")
    else:
        return True
    return False
