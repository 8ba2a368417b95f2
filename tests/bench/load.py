"""Load: a client in a process of its own that keeps so many calls in flight; prints one line of JSON.

`python -m tests.bench.load PORT CALLERS SECONDS [live]`; the token and the bodies come on standard input,
so that no argument list holds a secret. With `live` the calls share one WebSocket.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from typing import cast

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect


class Tally:
    """Latencies in seconds, of what was answered before the end."""

    def __init__(self, seconds: float) -> None:
        self.end = time.perf_counter() + seconds
        self.taken: list[float] = []
        self.refused = 0

    def over(self) -> bool:
        return time.perf_counter() >= self.end


class Caller(asyncio.Protocol):
    """One connection with one call in flight."""

    def __init__(self, request: bytes, tally: Tally, done: asyncio.Future[None]) -> None:
        self._request = request
        self._tally = tally
        self._done = done
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._call()

    def _call(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        # An answer to `put` is far below one segment, so it arrives whole.
        self._tally.taken.append(time.perf_counter() - self._sent)
        self._tally.refused += not data.startswith(b"HTTP/1.1 200")
        if self._tally.over():
            self._transport.close()
            if not self._done.done():
                self._done.set_result(None)
        else:
            self._call()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("the twin closed the connection"))


class LiveCaller(WSListener):
    """One WebSocket with so many calls in flight."""

    def __init__(self, arguments: str, in_flight: int, tally: Tally, done: asyncio.Future[None]) -> None:
        self._arguments = arguments
        self._in_flight = in_flight
        self._tally = tally
        self._done = done
        self._sent: deque[float] = deque()

    def on_ws_connected(self, transport: WSTransport) -> None:
        for _ in range(self._in_flight):
            self._call(transport)

    def _call(self, transport: WSTransport) -> None:
        self._sent.append(time.perf_counter())
        message = f'{{"type":"call","id":"c","reducer":"put","args":{self._arguments}}}'
        transport.send(WSMsgType.TEXT, message.encode())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        message = json.loads(frame.get_payload_as_bytes())
        for one in message.get("calls", ()):
            self._tally.taken.append(time.perf_counter() - self._sent.popleft())
            self._tally.refused += "problem" in one
            if not self._tally.over():
                self._call(transport)
        if self._tally.over() and not self._sent and not self._done.done():
            self._done.set_result(None)
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self._done.done():
            self._done.set_exception(ConnectionError("the twin closed the connection"))


def request(token: str, arguments: str) -> bytes:
    """A `put` as one HTTP request."""
    body = arguments.encode()
    lines = [
        "POST /v1/call/put HTTP/1.1",
        "Host: twin",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def http(port: int, callers: int, token: str, arguments: list[str], tally: Tally) -> None:
    """Run the callers until the time is over."""
    loop = asyncio.get_running_loop()
    waiting = []
    for number in range(callers):
        done: asyncio.Future[None] = loop.create_future()
        sent = request(token, arguments[number % len(arguments)])
        await loop.create_connection(lambda s=sent, d=done: Caller(s, tally, d), "127.0.0.1", port)  # type: ignore[misc]
        waiting.append(done)
    await asyncio.gather(*waiting)


async def live(port: int, callers: int, token: str, arguments: list[str], tally: Tally) -> None:
    """The same over one WebSocket."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    caller = LiveCaller(arguments[0], callers, tally, done)
    headers = {"Authorization": f"Bearer {token}"}
    await ws_connect(lambda: caller, f"ws://127.0.0.1:{port}/v1/live", extra_headers=headers)
    await done


def main(port: int, callers: int, seconds: float, kind: str) -> None:
    """Measure and print `{"rate", "p50_ms", "p99_ms", "refused"}`."""
    given = json.loads(sys.stdin.read())
    tally = Tally(seconds)
    started = time.perf_counter()
    run = live if kind == "live" else http
    uvloop.run(run(port, callers, given["token"], given["arguments"], tally))
    taken, passed = sorted(tally.taken), time.perf_counter() - started
    report = {
        "rate": len(taken) / passed,
        "p50_ms": 1000 * taken[len(taken) // 2],
        "p99_ms": 1000 * taken[len(taken) * 99 // 100],
        "refused": tally.refused,
    }
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), (sys.argv[4:] or ["http"])[0])
