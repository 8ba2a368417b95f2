"""Streams: filters, resuming, slow readers, calls over a socket and server-sent events, on both wires."""

from __future__ import annotations

import asyncio
import json
import os
import random
from typing import Any

import pytest

from tests.runtime.served import Live, Served, applied, on_uvloop, served, until
from twins.runtime.log.epoch import FIRST as EPOCH
from twins.runtime.subscriptions import LOOKED_AT_ONCE

both = pytest.mark.parametrize("wire", ["fast", "aiohttp"])


ROUNDS = int(os.environ.get("MYCELIUM_ROUNDS", "8"))


async def subscribe(ws: Live, id_: str = "x", **wish: Any) -> list[dict[str, Any]]:
    """Subscribe to the catalogue; the messages up to `applied`."""
    await ws.send_json({"type": "subscribe", "id": id_, "slice": "catalogue", **wish})
    return await until(ws, "applied")


async def following(ws: Live, copy: dict[str, Any], seq: int) -> dict[str, Any]:
    """The copy when the stream has come to a record."""
    while True:
        (message,) = [json.loads(await ws.receive_str(timeout=30))]
        copy = applied(copy, [message])
        if message.get("seq", 0) >= seq:
            return copy


@both
@on_uvloop
async def test_a_filter_shows_what_enters_and_what_leaves(wire: str) -> None:
    async with served(wire) as twin, twin.live() as ws:
        await twin.put("a", status="open", n=1)
        await twin.put("b", status="closed", n=1)
        first = await subscribe(ws, where={"status": "open"})
        assert [row["id"] for row in first[0]["rows"]] == ["a"]
        await twin.put("b", status="open", n=1)
        await twin.put("a", status="open", n=2)
        await twin.put("a", status="closed", n=2)
        await twin.put("a", status="closed", n=3)
        await twin.call("delete", slice="catalogue", id="b")
        seen = [(await until(ws, "tx"))[-1] for _ in range(4)]
    assert [row["id"] for row in seen[0]["insert"]] == ["b"]
    assert [row["body"]["n"] for row in seen[1]["update"]] == [2]
    assert [seen[2]["delete"], seen[3]["delete"]] == [["a"], ["b"]]


@both
@on_uvloop
async def test_of_many_filters_each_gets_its_own_and_the_fields_it_wants(wire: str) -> None:
    async with served(wire) as twin, twin.live() as ws:
        for value in (*range(20), "7", True, None):
            await subscribe(ws, json.dumps(value), where={"at.line": value}, fields=["name"])
        for value in (7, "7", True, 1, None, "nobody"):
            await twin.put("o", at={"line": value}, name="x", secret="y")
        moves = [(await until(ws, "tx"))[-1] for _ in range(9)]
    shown = [(move["id"], [row["body"] for row in move["insert"]], move["delete"]) for move in moves]
    body = [{"name": "x"}]
    by_commit = [shown[0:1], shown[1:3], shown[3:5], shown[5:7], shown[7:9]]
    assert [sorted(step) for step in by_commit] == [
        [("7", body, [])],
        sorted([("7", [], ["o"]), ('"7"', body, [])]),
        sorted([('"7"', [], ["o"]), ("true", body, [])]),
        sorted([("true", [], ["o"]), ("1", body, [])]),
        sorted([("1", [], ["o"]), ("null", body, [])]),
    ]


@both
@on_uvloop
async def test_a_filter_that_does_not_fit_is_a_problem_and_the_connection_stays(wire: str) -> None:
    async with served(wire) as twin, twin.live() as ws:
        await ws.send_json({"type": "subscribe", "id": "x", "slice": "catalogue", "where": {"n": [1]}})
        refused = (await until(ws, "problem"))[-1]
        assert (refused["id"], refused["problem"]["status"]) == ("x", 422)
        assert "n" in refused["problem"]["detail"]
        assert (await subscribe(ws))[-1]["type"] == "applied"


async def churn(twin: Served, chance: random.Random, commits: int) -> int:
    """Write and delete a few objects; the last record's seq."""
    seq = 0
    for _ in range(commits):
        id_ = f"o{chance.randrange(12)}"
        if chance.random() < 0.3 and id_ in await twin.objects():
            seq = (await twin.call("delete", slice="catalogue", id=id_))["seq"]
        else:
            seq = (await twin.put(id_, n=chance.randrange(3)))["seq"]
    return seq


@both
@on_uvloop
async def test_a_reader_that_comes_back_ends_with_what_a_new_one_sees(wire: str) -> None:
    chance = random.Random(7)
    wishes: list[dict[str, Any]] = [{}, {"where": {"n": 1}}]
    async with served(wire) as twin:
        copies: list[dict[str, Any]] = [{}, {}]
        seq = (await twin.put("o1", n=1))["seq"]
        async with twin.live() as ws:
            for number, wish in enumerate(wishes):
                copies[number] = applied({}, await subscribe(ws, str(number), **wish))
        for _ in range(ROUNDS):
            now = await churn(twin, chance, chance.randrange(1, 8))
            async with twin.live() as ws, twin.live() as fresh:
                for number, wish in enumerate(wishes):
                    back = await subscribe(ws, str(number), **wish, **{"from": seq, "epoch": EPOCH})
                    assert [message["type"] for message in back] == ["resumed", "applied"]
                    assert back[-1]["seq"] == now
                    copies[number] = applied(copies[number], back)
                    assert copies[number] == applied({}, await subscribe(fresh, str(number), **wish))
            seq = now


@both
@pytest.mark.parametrize("where_from", [{"from": 10**6}, {"from": 1, "epoch": EPOCH + 1}])
@on_uvloop
async def test_a_reader_of_another_log_starts_anew(wire: str, where_from: dict[str, Any]) -> None:
    async with served(wire) as twin, twin.live() as ws:
        await twin.put("a", n=1)
        back = await subscribe(ws, **where_from)
        assert [message["type"] for message in back] == ["reset", "rows", "applied"]
        assert applied({"gone": {}}, back) == await twin.objects()


@both
@on_uvloop
async def test_without_credit_changes_are_merged_until_there_is_some(wire: str) -> None:
    async with served(wire) as twin, twin.live() as ws:
        await twin.put("kept", n=0)
        await subscribe(ws, credits=2)
        for n in range(5):
            await twin.put("kept", n=n)
        await twin.put("brief", n=1)
        await twin.call("delete", slice="catalogue", id="brief")
        last = (await twin.put("new", n=1))["seq"]
        await ws.send_json({"type": "credit", "id": "x", "n": 5})
        merged = (await until(ws, "tx"))[-1]
        assert (merged["seq"], merged["coalesced"], merged["delete"]) == (last, True, [])
        assert [row["id"] for row in merged["insert"]] == ["new"]
        assert [row["body"]["n"] for row in merged["update"]] == [4]
        await twin.put("new", n=2)
        assert "coalesced" not in (await until(ws, "tx"))[-1]


@both
@on_uvloop
async def test_a_slow_reader_delays_nobody_and_catches_up(wire: str) -> None:
    async with served(wire, waiting_bytes=20_000) as twin, twin.live() as slow, twin.live() as quick:
        slow_transport: Any = slow._conn.transport  # type: ignore[union-attr]
        await subscribe(slow)
        await subscribe(quick)
        slow_transport.pause_reading()
        seqs, got = [], []
        for n in range(120):
            seqs.append((await twin.put(f"o{n % 20}", text="x" * 20_000, n=n))["seq"])
            got.append((await until(quick, "tx"))[-1])
        assert [message["seq"] for message in got] == seqs
        slow_transport.resume_reading()
        messages: list[dict[str, Any]] = []
        while not messages or messages[-1]["seq"] < seqs[-1]:
            messages.append(json.loads(await slow.receive_str(timeout=30)))
        assert len(messages) < len(seqs)
        assert any(message.get("coalesced") for message in messages)
        assert applied({}, messages) == applied({}, got) == await twin.objects()


@both
@on_uvloop
async def test_a_reader_too_slow_for_what_is_held_starts_anew(wire: str) -> None:
    async with served(wire) as twin, twin.live() as ws:
        await twin.put("old", n=1)
        await subscribe(ws, credits=2)
        for part in range(6):
            many = [{"id": f"p{part}-{n}", "body": {}} for n in range(2000)]
            await twin.call("put_many", slice="catalogue", objects=many, replace=True)
        await ws.send_json({"type": "credit", "id": "x", "n": 1000})
        back = await until(ws, "applied")
        assert back[0]["type"] == "reset"
        assert len(applied({"old": {}}, back)) == 2000


@both
@on_uvloop
async def test_a_search_through_a_large_slice_lets_others_go_first(wire: str) -> None:
    async with served(wire) as twin, twin.live() as ws:
        many = [{"id": f"o{n:05}", "body": {"n": n}} for n in range(7 * LOOKED_AT_ONCE // 2)]
        await twin.call("put_many", slice="catalogue", objects=many)
        last = many[-1]["body"]
        for id_, wish in (("wide", {"where": last, "credits": 1}), ("small", {"slice": "margins"})):
            await ws.send_json({"type": "subscribe", "id": id_, "slice": "catalogue", **wish})
        for _ in range(3):
            await ws.send_json({"type": "credit", "id": "wide", "n": 1})
        assert [message["id"] for message in await until(ws, "applied")] == ["small"]
        found = await until(ws, "applied")
        assert [message["type"] for message in found] == ["rows", "applied"]
        assert [row["body"] for row in found[0]["rows"]] == [last]


@both
@on_uvloop
async def test_a_reader_that_reads_nothing_for_long_is_sent_away(wire: str) -> None:
    limits = {"stall_seconds": 0.3, "idle_seconds": 0.5, "waiting_bytes": 1000}
    async with served(wire, **limits) as twin, twin.live() as ws:
        await subscribe(ws)
        ws._conn.transport.pause_reading()  # type: ignore[union-attr]
        for n in range(60):
            await twin.put(f"o{n}", text="x" * 20_000)
        async with asyncio.timeout(20):
            while twin.twin.hub.subscriptions:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        ws._conn.transport.resume_reading()  # type: ignore[union-attr]


@both
@on_uvloop
async def test_calls_over_a_socket_are_acknowledged_together_when_they_are_on_disk(wire: str) -> None:
    async with served(wire) as twin, twin.live() as ws:
        for n in range(50):
            args: dict[str, Any] = {"slice": "catalogue", "id": f"o{n}", "body": {"n": n}}
            if n == 7:
                args["body"] = {"n": 1.5}
            await ws.send_json({"type": "call", "id": str(n), "reducer": "put", "args": args, "key": f"k{n}"})
        await ws.send_json({"type": "call", "id": "no", "reducer": "nothing", "args": {}})
        done: list[dict[str, Any]] = []
        while len([call for message in done for call in message["calls"]]) < 51:
            done.append((await until(ws, "done"))[-1])
        calls = {call["id"]: call for message in done for call in message["calls"]}
        assert len(done) < 51
        assert all(
            call["seq"] <= message["durable"]
            for message in done
            for call in message["calls"]
            if "seq" in call
        )
        assert {id_ for id_, call in calls.items() if "problem" in call} == {"7", "no"}
        assert calls["7"]["problem"]["status"] == 400
        assert len(await twin.objects()) == 49
