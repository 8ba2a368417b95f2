"""Listeners: a client process with many subscribers that counts what reaches them; prints one line of JSON.

`python -m tests.bench.listeners KIND PORT COUNT SECONDS`, with JSON on standard input: `token`, what each
subscriber sends first (`subscribe`), what makes one message (`trigger`), how many subscribers it reaches
(`reach`) and by what it is known (`marker`). Closed loop: the next message is made when the last one has
reached everybody.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any, cast

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from tests.bench.load import request


class Round:
    """One message on its way: done when it has reached so many."""

    def __init__(self, reach: int) -> None:
        self._reach = reach
        self.latencies: list[float] = []
        self.delivered = 0
        self._left = 0
        self._began = 0.0
        self._done: asyncio.Future[None] | None = None

    def begin(self) -> asyncio.Future[None]:
        self._left, self._began = self._reach, time.perf_counter()
        self._done = asyncio.get_running_loop().create_future()
        return self._done

    def arrived(self, count: int = 1) -> None:
        self.latencies.append(time.perf_counter() - self._began)
        self.delivered += count
        self._left -= count
        if self._left <= 0 and self._done is not None and not self._done.done():
            self._done.set_result(None)


class Subscriber(WSListener):
    """A WebSocket that is `ready` once it has the rows that were there before."""

    def __init__(self, first: str, marker: bytes, round_: Round) -> None:
        self._first = first
        self._marker = marker
        self._round = round_
        self.ready = asyncio.get_running_loop().create_future()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        transport.send(WSMsgType.TEXT, self._first.encode())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        if self.ready.done():
            if self._marker in payload:
                self._round.arrived()
        elif b"applied" in payload:
            self.ready.set_result(None)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("closed before it was subscribed"))


class RedisSubscriber(asyncio.Protocol):
    """A connection that Redis publishes to."""

    def __init__(self, marker: bytes, round_: Round) -> None:
        self._marker = marker
        self._round = round_
        self.ready = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(b"SUBSCRIBE bench\r\n")

    def data_received(self, data: bytes) -> None:
        if not self.ready.done():
            self.ready.set_result(None)
        count = data.count(self._marker)
        if count:
            self._round.arrived(count)


class Quiet(asyncio.Protocol):
    """A connection whose answers do not matter."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)


async def websockets(port: int, count: int, given: dict[str, Any], round_: Round) -> list[Subscriber]:
    """So many subscribers on the server's WebSocket."""
    made: list[Subscriber] = []
    headers = {"Authorization": f"Bearer {given['token']}"} if given["token"] else {}
    for number in range(count):
        first = given["subscribe"].replace("%d", str(number % 100))
        one = Subscriber(first, given["marker"].encode(), round_)
        await ws_connect(lambda o=one: o, f"ws://127.0.0.1:{port}/v1/live", extra_headers=headers)
        made.append(one)
    for one in made:
        await one.ready
    return made


async def measure(
    kind: str, port: int, count: int, seconds: float, given: dict[str, Any]
) -> dict[str, float]:
    """Connect, then make messages until the time is over."""
    loop, round_ = asyncio.get_running_loop(), Round(given["reach"])
    if kind == "redis":
        for _ in range(count):
            _, listener = await loop.create_connection(
                lambda: RedisSubscriber(given["marker"].encode(), round_), "127.0.0.1", port
            )
            await listener.ready
    else:
        made = await websockets(port, count, given, round_)
    _, trigger = await loop.create_connection(Quiet, "127.0.0.1", port)
    sends = 0
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        arrived = round_.begin()
        message = given["trigger"].replace("%d", str(sends % max(given["keys"], 1)))
        if kind == "twin":
            trigger.transport.write(request(given["token"], message))
        elif kind == "redis":
            trigger.transport.write(message.encode())
        else:
            made[0].transport.send(WSMsgType.TEXT, message.encode())
        await asyncio.wait_for(arrived, 30)
        sends += 1
    passed = time.perf_counter() - started
    taken = sorted(round_.latencies)
    return {
        "rate": round_.delivered / passed,
        "messages": sends / passed,
        "p50_ms": 1000 * taken[len(taken) // 2],
        "p99_ms": 1000 * taken[len(taken) * 99 // 100],
    }


if __name__ == "__main__":
    _kind, _port, _count, _seconds = sys.argv[1:]
    _given = json.loads(sys.stdin.read())
    _found = uvloop.run(measure(_kind, int(_port), int(_count), float(_seconds), _given))
    sys.stdout.write(json.dumps(_found) + "\n")
