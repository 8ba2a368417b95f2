"""Server-sent events: what a reader that comes back after a cut gets, and what is told before a stream."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.runtime.served import Served, on_uvloop, served

pytestmark = pytest.mark.parametrize("wire", ["fast", "aiohttp"])
Event = dict[str, str]


async def listen(
    twin: Served, last: str = "", *, query: str = "", until: tuple[str, int]
) -> tuple[list[Event], str]:
    """Events up to the n-th of a kind, then the line is cut; and the id with which a browser comes back."""
    headers = {**twin.headers, "Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
    events: list[Event] = []
    url = f"http://twin/v1/live?slice=catalogue{query}"
    async with twin.session.get(url, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        event: Event = {}
        while [one["event"] for one in events].count(until[0]) < until[1]:
            line = (await asyncio.wait_for(answer.content.readline(), 20)).decode().rstrip("\n")
            if line:
                name, _, value = line.partition(":")
                event[name] = value.removeprefix(" ")
                last = event[name] if name == "id" else last
            elif event:
                events, event = [*events, event], {}
    return events, last


def copied(copy: dict[str, Any], events: list[Event]) -> dict[str, Any]:
    """A reader's copy after some events; rows that no `resumed` came before are a new copy."""
    begins = False
    for event in events:
        told = json.loads(event["data"])
        kind = told["type"]
        if kind == "reset" or (begins and kind in ("rows", "applied")):
            copy = {}
        begins = kind == "hello" or (begins and kind not in ("resumed", "rows", "applied"))
        for part in ("rows", "insert", "update"):
            for row in told.get(part, []):
                copy[row["id"]] = row["seq"]
        copy = {id_: seq for id_, seq in copy.items() if id_ not in told.get("delete", [])}
    return copy


async def fill(twin: Served) -> dict[str, int]:
    """1,200 objects, which come in three parts."""
    many: list[dict[str, Any]] = [{"id": f"o{n}", "body": {"n": n}} for n in range(1200)]
    seq = (await twin.call("put_many", slice="catalogue", objects=many))["seq"]
    return {one["id"]: seq for one in many}


@pytest.mark.parametrize("cut", [("hello", 1), ("rows", 1), ("rows", 2), ("applied", 1)])
@on_uvloop
async def test_a_reader_that_was_cut_off_anywhere_has_everything_after_it_came_back(
    wire: str, cut: tuple[str, int]
) -> None:
    async with served(wire) as twin:
        there = await fill(twin)
        events, last = await listen(twin, until=cut)
        copy = copied({}, events)
        there["new"] = (await twin.put("new", n=1))["seq"]
        await twin.call("delete", slice="catalogue", id="o7")
        del there["o7"]
        events, _ = await listen(twin, last, until=("applied", 1))
        assert copied(copy, events) == there


@on_uvloop
async def test_a_reader_that_was_cut_off_in_a_reset_begins_anew(wire: str) -> None:
    async with served(wire) as twin:
        there = await fill(twin)
        events, last = await listen(twin, "1", query="&epoch=77", until=("rows", 1))
        assert "reset" in [event["event"] for event in events]
        assert last == ""
        events, last = await listen(twin, last, until=("applied", 1))
        assert copied({}, events) == there
        assert int(last) >= max(there.values())


@on_uvloop
async def test_a_filter_that_does_not_fit_is_a_problem_and_no_stream(wire: str) -> None:
    async with served(wire) as twin:
        headers = {**twin.headers, "Accept": "text/event-stream"}
        url = 'http://twin/v1/live?slice=catalogue&where={"a":{"wild":1}}'
        async with twin.session.get(url, headers=headers) as answer:
            assert answer.status == 422
            assert (await answer.json())["type"] == "/problems/invalid-query"
