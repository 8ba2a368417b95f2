"""Server-sent events: the same stream as over a WebSocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.runtime.machine import grant_args, person
from tests.runtime.served import Served, on_uvloop, served, until
from tests.runtime.test_streams import subscribe

both = pytest.mark.parametrize("wire", ["fast", "aiohttp"])


async def events(twin: Served, query: str, **headers: str) -> AsyncIterator[tuple[str, str, dict[str, Any]]]:
    """Name, id and data of each event."""
    url = f"http://twin/v1/live?{query}"
    wanted = {"Accept": "text/event-stream", **twin.headers, **headers}
    async with twin.session.get(url, headers=wanted) as answer:
        assert answer.status == 200, await answer.text()
        name = id_ = ""
        async for raw in answer.content:
            key, _, value = raw.decode().rstrip("\n").partition(": ")
            if key == "event":
                name = value
            elif key == "id":
                id_ = value
            elif key == "data":
                yield name, id_, json.loads(value)


@both
@on_uvloop
async def test_events_are_the_same_stream_as_a_socket(wire: str) -> None:
    async with served(wire) as twin, twin.live() as ws:
        await twin.put("a", status="open")
        wish = 'slice=catalogue&where={"status":"open"}'
        stream = events(twin, wish)
        got = [await anext(stream) for _ in range(3)]
        assert [name for name, _, _ in got] == ["hello", "rows", "applied"]
        told = await subscribe(ws, "events", where={"status": "open"})
        await twin.put("b", status="open")
        await twin.put("a", status="closed")
        got += [await anext(stream) for _ in range(2)]
        told += [(await until(ws, "tx"))[-1] for _ in range(2)]
        assert [data for _, _, data in got[1:]] == told
        assert [int(id_) for _, id_, _ in got[2:]] == [message["seq"] for message in told[1:]]
        await stream.aclose()  # type: ignore[attr-defined]
        await twin.put("c", status="open")
        again = events(twin, wish, **{"Last-Event-ID": got[-1][1]})
        back = [await anext(again) for _ in range(3)]
        assert [name for name, _, _ in back] == ["hello", "resumed", "applied"]
        assert [row["id"] for row in back[1][2]["update"]] == ["c"]
        await again.aclose()  # type: ignore[attr-defined]


@both
@on_uvloop
async def test_a_revoke_ends_the_events_with_its_code(wire: str) -> None:
    async with served(wire) as twin:
        reader = person("twin")
        grant = (await twin.call("grant", **grant_args(reader)))["result"]["grant_id"]
        stream = events(twin, "slice=catalogue", Authorization=f"Bearer {reader.token(twin.machine.id)}")
        while (await anext(stream))[0] != "applied":
            pass
        await twin.call("revoke", grant_id=grant, reason="done")
        await twin.put("after")
        name, _, told = await anext(stream)
        assert (name, told["code"]) == ("closed", 4403)
        assert [event async for event in stream] == []


@both
@on_uvloop
async def test_a_silent_stream_is_kept_alive(wire: str) -> None:
    async with served(wire, ping_seconds=0.2, idle_seconds=0.5) as twin:
        wanted = {"Accept": "text/event-stream", **twin.headers}
        async with twin.session.get("http://twin/v1/live?slice=catalogue", headers=wanted) as answer:
            while await asyncio.wait_for(answer.content.readline(), 20) != b":\n":
                pass
