"""What a reader sees by a grant's terms: never a member or a row outside them, on any route."""

from __future__ import annotations

import asyncio
import json
import os
import random
from typing import Any

import pytest

from tests.runtime.machine import grant_args, person
from tests.runtime.served import Live, Served, applied, on_uvloop, served, until
from twins.runtime import clock
from twins.runtime.client import KeySigner

ROUNDS = int(os.environ.get("MYCELIUM_TERMS_ROUNDS", "40"))
MEMBERS = ["kind", "cost", "name", "deep"]
KINDS = ["a", "b", "c"]
ALL = ["read", "subscribe", "aggregate"]


class Reader:
    """Another twin, over HTTP."""

    def __init__(self, twin: Served) -> None:
        self.signer: KeySigner = person("twin")
        self.twin = twin
        self.headers = {"Authorization": f"Bearer {self.signer.token(twin.machine.id)}"}

    async def given(self, **terms: Any) -> str:
        args = grant_args(self.signer, **{"verbs": ALL, **terms})
        grant_id: str = (await self.twin.call("grant", **args))["result"]["grant_id"]
        return grant_id

    async def get(self, path: str, **query: str) -> tuple[int, Any, dict[str, str]]:
        url = f"http://twin/v1/{path}"
        async with self.twin.session.get(url, params=query, headers=self.headers) as answer:
            return answer.status, await answer.json(), dict(answer.headers)

    def live(self) -> Any:
        return self.twin.session.ws_connect("http://twin/v1/live", headers=self.headers)


def body_of(random_: random.Random) -> dict[str, Any]:
    values = {"kind": random_.choice(KINDS), "cost": "secret-1", "name": "n", "deep": {"kind": "a", "x": 1}}
    return {name: values[name] for name in MEMBERS if random_.random() < 0.8}


def shown(body: dict[str, Any], terms: dict[str, Any]) -> dict[str, Any] | None:
    """What is to be seen of a body under the terms; None if it is as if it were not there."""
    for path, wanted in terms["where"].items():
        value = body.get(path)
        if value not in (wanted["in"] if isinstance(wanted, dict) else [wanted]):
            return None
    return {name: body[name] for name in body if terms["fields"] is None or name in terms["fields"]}


async def subscribed(ws: Live, **wish: Any) -> list[dict[str, Any]]:
    """Subscribe to the catalogue; the messages after the hello, up to `applied`."""
    await ws.send_json({"type": "subscribe", "id": "x", "slice": "catalogue", **wish})
    return [message for message in await until(ws, "applied") if message["type"] != "hello"]


def bodies(rows: dict[str, Any]) -> dict[str, Any]:
    return {id_: row["body"] for id_, row in rows.items()}


@on_uvloop
async def test_no_route_shows_what_is_outside_the_terms() -> None:
    random_ = random.Random(7)
    async with served("fast") as twin:
        await twin.call(
            "declare_slice",
            name="catalogue",
            title="C",
            kind="c",
            schema={"properties": {"cost": {"type": "string"}}},
            indexes=[{"path": "kind", "type": "equality"}, {"path": "cost", "type": "range"}],
        )
        for number in range(12):
            await twin.put(f"o{number}", **body_of(random_))
        for _ in range(ROUNDS):
            where = random_.choice([{}, {"kind": "a"}, {"kind": {"in": ["a", "b"]}}, {"cost": "secret-1"}])
            fields = random_.choice([None, ["name"], ["kind", "name"], ["deep"], []])
            await one_reader_sees(twin, random_, {"where": where, "fields": fields})


async def one_reader_sees(twin: Served, random_: random.Random, terms: dict[str, Any]) -> None:
    reader = Reader(twin)
    await reader.given(**terms)
    everything = bodies(await twin.objects())
    expected = {id_: seen for id_, body in everything.items() if (seen := shown(body, terms)) is not None}
    _, page, headers = await reader.get("slices/catalogue/objects", limit="1000")
    assert bodies({row["id"]: row for row in page["objects"]}) == expected
    assert (headers["Mycelium-Grant-Epoch"], int(headers["Mycelium-As-Of"])) == ("1", page["seq"])
    (slice_,) = (await reader.get("slices"))[1]["slices"]
    assert slice_["objects"] == len(expected)
    absent = (await reader.get("slices/catalogue/objects/gone"))[1]
    for id_ in everything:
        status, row, _ = await reader.get(f"slices/catalogue/objects/{id_}")
        assert (status, row["body"] if status == 200 else None) == (
            200 if id_ in expected else 404,
            expected.get(id_),
        )
        assert status == 200 or row == {**absent, "detail": absent["detail"].replace("gone", id_)}
    await hidden_members_cannot_be_asked_for(reader, terms, json.dumps(slice_))
    await streams_show_the_same(twin, reader, random_, terms, expected)


async def hidden_members_cannot_be_asked_for(reader: Reader, terms: dict[str, Any], about: str) -> None:
    for name in [*MEMBERS, "none"]:
        is_shown = terms["fields"] is None or name in terms["fields"]
        assert is_shown or name in ("kind", "name") or name not in about
        expected = (200, None) if is_shown else (422, "/problems/invalid-query")
        for path, query in (
            ("objects", {"where": json.dumps({name: "secret-1"})}),
            ("objects", {"where": json.dumps({"any": [{"not": {f"{name}.x": {"exists": True}}}]})}),
            ("aggregate", {"by": name}),
        ):
            status, said, _ = await reader.get(f"slices/catalogue/{path}", **query)
            assert (status, said.get("type")) == expected
        if not is_shown:
            told = [(await reader.get("slices/catalogue/objects", order=name))[1] for name in (name, "none")]
            assert told[0] == {**told[1], "detail": told[1]["detail"].replace("none", name)}


async def streams_show_the_same(
    twin: Served, reader: Reader, random_: random.Random, terms: dict[str, Any], expected: dict[str, Any]
) -> None:
    async with reader.live() as ws:
        first = await subscribed(ws)
        copy = applied({}, first)
        assert bodies(copy) == expected
        for number in random_.sample(range(14), 5):
            await twin.put(f"o{number}", **body_of(random_))
        await twin.call("delete", slice="catalogue", id=f"o{number}")
        last = await twin.put("last", kind="a", cost="secret-1", name="n")
        copy = await until_seq(ws, copy, last["seq"])
        everything = bodies(await twin.objects())
        wanted = {id_: seen for id_, body in everything.items() if (seen := shown(body, terms)) is not None}
        assert bodies(copy) == wanted
    async with reader.live() as ws:
        messages = await subscribed(ws, **{"from": first[-1]["seq"], "epoch": first[-1]["epoch"]})
        told = json.dumps(messages)
        hidden = set(everything) - set(wanted) - set(expected)
        assert not [id_ for id_ in hidden if f'"{id_}"' in told]
    await twin.call("delete", slice="catalogue", id="last")


async def until_seq(ws: Live, copy: dict[str, Any], seq: int) -> dict[str, Any]:
    while True:
        message = json.loads(await ws.receive_str(timeout=30))
        copy = applied(copy, [message])
        if message["seq"] >= seq:
            return copy


@on_uvloop
async def test_wanting_a_member_does_not_show_it() -> None:
    async with served("fast") as twin:
        await twin.put("a", kind="a", cost="secret-1")
        reader = Reader(twin)
        await reader.given(fields=["kind"])
        _, page, _ = await reader.get("slices/catalogue/objects", fields="kind,cost")
        assert page["objects"][0]["body"] == {"kind": "a"}
        async with reader.live() as ws:
            first = await subscribed(ws, fields=["cost"])
            await twin.put("a", kind="a", cost="secret-2")
            (later,) = await until(ws, "tx")
        assert [first[0]["rows"][0]["body"], later["update"][0]["body"]] == [{}, {}]


@on_uvloop
async def test_a_stream_that_comes_back_to_other_terms_begins_anew() -> None:
    async with served("fast") as twin:
        await twin.put("a", kind="a", cost="1")
        reader = Reader(twin)
        grant_id = await reader.given()
        async with reader.live() as ws:
            seq = (await subscribed(ws))[-1]["seq"]
        same = await twin.call("renew_grant", grant_id=grant_id)
        async with reader.live() as ws:
            assert (await subscribed(ws, **{"from": seq}))[0]["type"] == "resumed"
        await twin.call("renew_grant", grant_id=same["result"]["grant_id"], fields=["kind"])
        async with reader.live() as ws:
            assert (await subscribed(ws, **{"from": seq}))[0]["type"] == "reset"


@on_uvloop
async def test_events_show_what_the_terms_show() -> None:
    async with served("fast") as twin:
        await twin.put("a", kind="a", cost="secret-1")
        await twin.put("b", kind="b", cost="secret-1")
        reader = Reader(twin)
        await reader.given(fields=["kind"], where={"kind": "a"})
        headers = {**reader.headers, "Accept": "text/event-stream"}
        async with twin.session.get("http://twin/v1/live?slice=catalogue", headers=headers) as answer:
            told = b""
            while b"event: applied" not in told:
                told += await answer.content.readany()
    assert b"secret" not in told
    assert b'"id":"b"' not in told


@on_uvloop
async def test_counts_are_all_that_a_grant_to_aggregate_shows() -> None:
    async with served("fast") as twin:
        for number, kind in enumerate(["a", "b", "a", 1, True]):
            await twin.put(f"o{number}", kind=kind)
        await twin.put("o9", name="n")
        reader = Reader(twin)
        await reader.given(verbs=["aggregate"])
        _, said, _ = await reader.get("slices/catalogue/aggregate", by="kind")
        assert said["counts"][0] == {"value": "a", "count": 2}
        assert sorted(str(one["value"]) for one in said["counts"] if one["count"] == 1) == ["1", "True", "b"]
        assert said["other"] == 1
        for path in ("objects", "objects/o1"):
            status, refused, _ = await reader.get(f"slices/catalogue/{path}")
            assert (status, refused["type"]) == (403, "/problems/verb-not-granted")
        async with reader.live() as ws:
            await ws.send_json({"type": "subscribe", "id": "x", "slice": "catalogue"})
            assert (await until(ws, "problem"))[-1]["problem"]["type"] == "/problems/verb-not-granted"
        mine = await twin.session.get(
            "http://twin/v1/slices/catalogue/aggregate?by=kind", headers=twin.headers
        )
        assert (await mine.json())["counts"] == said["counts"]


@on_uvloop
async def test_a_renewal_with_the_same_terms_keeps_a_stream_and_with_others_begins_it_anew() -> None:
    async with served("fast") as twin:
        await twin.put("a", kind="a", cost="1")
        reader = Reader(twin)
        grant_id = await reader.given()
        async with reader.live() as ws:
            await subscribed(ws)
            renewed = await twin.call("renew_grant", grant_id=grant_id, expires_at=clock.after(9e6))
            await twin.put("b", kind="b", cost="1")
            (kept,) = await until(ws, "tx")
            assert [row["id"] for row in kept["insert"]] == ["b"]
            narrow = {"fields": ["kind"], "where": {"kind": "b"}}
            await twin.call("renew_grant", grant_id=renewed["result"]["grant_id"], **narrow)
            last = await twin.put("b", kind="b", cost="2")
            messages = await until(ws, "tx")
        assert [message["type"] for message in messages] == ["reset", "rows", "applied", "tx"]
        assert "cost" not in json.dumps(messages[:2] + messages[3:])
        assert [row["id"] for row in messages[1]["rows"]] == ["b"]
        async with reader.live() as ws:
            again = await subscribed(ws, **{"from": kept["seq"]})
            assert again[0]["type"] == "reset"
            assert last["seq"] in [row["seq"] for row in again[1]["rows"]]


@on_uvloop
async def test_the_end_of_a_window_ends_a_stream_though_nobody_sweeps() -> None:
    async with served("fast") as twin:
        reader = Reader(twin)
        end = clock.after(0.4)
        await reader.given(expires_at=end)
        async with reader.live() as ws:
            await subscribed(ws)
            async with asyncio.timeout(20):
                assert [message async for message in ws] == []
        assert ws.close_code == 4408
        assert clock.now() >= end


@on_uvloop
async def test_a_locked_twin_ends_its_readers_streams_and_takes_them_up_again_unlocked() -> None:
    async with served("fast") as twin:
        reader = Reader(twin)
        await reader.given()
        async with reader.live() as ws, twin.live() as mine:
            seq = (await subscribed(ws))[-1]["seq"]
            await subscribed(mine)
            locked = await twin.call("set_posture", posture="locked", reason_code="breach_suspected")
            await twin.put("a", kind="a")
            async with asyncio.timeout(20):
                assert [
                    message async for message in ws if json.loads(message.data)["seq"] > locked["seq"]
                ] == []
            assert ws.close_code == 4403
            assert [row["id"] for row in (await until(mine, "tx"))[-1]["insert"]] == ["a"]
        assert (await reader.get("slices/catalogue/objects"))[1]["type"] == "/problems/twin-locked"
        async with twin.session.get("http://twin/.well-known/mycelium.json") as about:
            assert (await about.json())["posture"] == "locked"
        await twin.call("set_posture", posture="open")
        async with reader.live() as ws:
            missed = await subscribed(ws, **{"from": seq})
        assert [row["id"] for row in missed[0]["update"]] == ["a"]


@on_uvloop
async def test_the_owner_sees_beforehand_exactly_what_a_reader_would() -> None:
    async with served("fast") as twin:
        for number in range(30):
            await twin.put(f"o{number:02}", kind="ab"[number % 2], cost="1")
        reader = Reader(twin)
        terms = {"fields": ["kind"], "where": {"kind": "a"}}
        grant_id = await reader.given(**terms)
        seen = (await reader.get("slices/catalogue/objects"))[1]["objects"]
        for path, body in (("preview", {"slice": "catalogue", **terms}), (f"grants/{grant_id}/preview", {})):
            async with twin.session.post(f"http://twin/v1/{path}", json=body, headers=twin.headers) as answer:
                told = await answer.json()
            assert (told["count"], told["objects"]) == (15, seen)
        async with twin.session.post(f"http://twin/v1/{path}", json=body, headers=reader.headers) as answer:
            assert answer.status == 403


@on_uvloop
async def test_each_read_is_counted_for_its_grant_and_in_the_log() -> None:
    async with served("fast") as twin:
        await twin.put("a", kind="a")
        reader = Reader(twin)
        grant_id = await reader.given()
        for _ in range(3):
            await reader.get("slices/catalogue/objects")
        async with twin.session.get("http://twin/v1/grants", headers=twin.headers) as answer:
            (row,) = (await answer.json())["grants"]
        usage = row["usage"]
        assert (usage["reads"], usage["rows"], sum(usage["days"].values())) == (3, 3, 3)
        assert (row["unused"], row["renewal_due"]) == (False, False)
        query = {"caller": reader.signer.subject}
        async with twin.session.get("http://twin/v1/log", params=query, headers=twin.headers) as answer:
            reads = [record["args"] for record in (await answer.json())["records"]]
        assert [(one["grant_id"], one["rows"]) for one in reads] == [(grant_id, 1)] * 3
        assert sum(one["bytes"] for one in reads) == usage["bytes"]
        assert (await reader.get(f"grants/{grant_id}"))[1].get("usage") is None


@pytest.mark.parametrize("where", [{"cost": {"gte": "1"}}, {"not": {"kind": "a"}}, {"any": [{"kind": "a"}]}])
@on_uvloop
async def test_rows_are_chosen_by_equality_and_membership_only(where: dict[str, Any]) -> None:
    async with served("fast") as twin:
        args = grant_args(person("twin"), where=where)
        async with twin.session.post("http://twin/v1/call/grant", json=args, headers=twin.headers) as answer:
            assert answer.status == 422


@on_uvloop
async def test_a_confidential_slice_is_granted_by_named_fields_only() -> None:
    async with served("fast") as twin:
        args = grant_args(person("twin"), "margins")
        async with twin.session.post("http://twin/v1/call/grant", json=args, headers=twin.headers) as answer:
            assert "`fields`" in (await answer.json())["detail"]
        await twin.call("grant", **args, fields=["n"])
