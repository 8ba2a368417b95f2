"""A twin that either wire serves inside the test's own process, with limits that a test can wait for."""

from __future__ import annotations

import asyncio
import functools
import json
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from tests.runtime.machine import Machine
from twins.runtime.module import load
from twins.runtime.server.aiohttp_wire import AiohttpWire
from twins.runtime.server.app import App
from twins.runtime.server.fast import FastWire
from twins.runtime.server.wire import Limits, Wire
from twins.runtime.twin import Twin


def on_uvloop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on the loop on which a twin runs."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(test(*args, **kwargs))

    return run


WIRES: dict[str, Callable[[App, Limits], Wire]] = {"fast": FastWire, "aiohttp": AiohttpWire}
Live = aiohttp.ClientWebSocketResponse


@dataclass
class Served:
    """A twin, its wire and ways to talk to it."""

    machine: Machine
    twin: Twin
    wire: Wire
    session: aiohttp.ClientSession

    @property
    def token(self) -> str:
        return self.machine.owner.token(self.machine.id)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def call(self, reducer: str, **args: Any) -> dict[str, Any]:
        """Call a reducer as the owner."""
        url = f"http://twin/v1/call/{reducer}"
        async with self.session.post(url, json=args, headers=self.headers) as answer:
            told: dict[str, Any] = await answer.json()
            assert answer.status == 200, told
            return told

    async def put(self, id_: str, **body: Any) -> dict[str, Any]:
        return await self.call("put", slice="catalogue", id=id_, body=body)

    async def objects(self) -> dict[str, Any]:
        """What the slice holds, by id."""
        url = "http://twin/v1/slices/catalogue/objects?limit=1000"
        async with self.session.get(url, headers=self.headers) as answer:
            return {row["id"]: row for row in (await answer.json())["objects"]}

    @asynccontextmanager
    async def live(self) -> AsyncIterator[Live]:
        """A live connection of the owner, after its hello."""
        async with self.session.ws_connect("http://twin/v1/live", headers=self.headers, max_msg_size=0) as ws:
            assert (await ws.receive_json())["type"] == "hello"
            yield ws

    async def raw(self, sent: bytes, *, seconds: float = 10.0) -> bytes:
        """Everything that comes back for some bytes, until the twin closes."""
        reader, writer = await asyncio.open_unix_connection(str(self.machine.socket))
        try:
            writer.write(sent)
            async with asyncio.timeout(seconds):
                return await reader.read()
        finally:
            writer.close()


@asynccontextmanager
async def served(wire: str, **limits: Any) -> AsyncIterator[Served]:
    """Serve a new twin until the test has ended."""
    directory = Path(tempfile.mkdtemp(prefix="twin-"))
    machine = Machine.make(directory)
    twin = Twin(machine.directory, load("twin"))
    twin.start()
    app = App(twin)
    serving = WIRES[wire](app, Limits(**limits))
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(machine.socket))
    sock.listen(256)
    await serving.start(sock)
    try:
        connector = aiohttp.UnixConnector(str(machine.socket))
        async with aiohttp.ClientSession(connector=connector) as session:
            yield Served(machine, twin, serving, session)
    finally:
        async with asyncio.TaskGroup() as ending:
            ending.create_task(serving.stop(drain=True))
            ending.create_task(app.close())
        await twin.close()
        sock.close()
        shutil.rmtree(directory)


def request(method: str, path: str, body: bytes = b"", *, version: str = "1.1", **headers: str) -> bytes:
    """One request as bytes; header names are given with underscores."""
    lines = [f"{method} {path} HTTP/{version}", "Host: twin"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body and "Transfer_Encoding" not in headers and "Content_Length" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def answers(data: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Status, headers and body of each answer in a row of them."""
    found = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        size = int(headers.get("content-length", 0))
        found.append((int(first.split()[1]), headers, data[:size]))
        data = data[size:]
    return found


async def until(ws: Live, kind: str) -> list[dict[str, Any]]:
    """Messages up to and with the first of the kind."""
    messages: list[dict[str, Any]] = []
    while not messages or messages[-1]["type"] != kind:
        messages.append(json.loads(await ws.receive_str(timeout=30)))
    return messages


def applied(copy: dict[str, Any], messages: list[dict[str, Any]]) -> dict[str, Any]:
    """A subscriber's copy after some messages."""
    for message in messages:
        if message["type"] == "reset":
            copy = {}
        rows = [row for part in ("rows", "insert", "update") for row in message.get(part, [])]
        copy = {**copy, **{row["id"]: row for row in rows}}
        copy = {id_: row for id_, row in copy.items() if id_ not in message.get("delete", [])}
    return copy
