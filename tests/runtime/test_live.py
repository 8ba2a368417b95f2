"""Live: rows, then every commit in order, and an end at the instant the right ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.runtime.conftest import Make
from tests.runtime.machine import Machine, entry, grant_args, person
from twins.runtime import clock
from twins.runtime.client import (
    KeySigner,
    LiveClosed,
    TwinError,
    follow,
    generate_key,
    public_x,
)
from twins.runtime.log.epoch import fence
from twins.runtime.tokens import sign

pytestmark = pytest.mark.asyncio
Socket = aiohttp.ClientWebSocketResponse


@asynccontextmanager
async def connected(machine: Machine, token: str) -> AsyncIterator[Socket]:
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(machine.socket))) as session:
        headers = {"Authorization": f"Bearer {token}"}
        async with session.ws_connect("http://twin/v1/live", headers=headers) as ws:
            assert (await ws.receive_json())["type"] == "hello"
            yield ws


async def put(machine: Machine, id_: str, **body: Any) -> int:
    args = {"slice": "catalogue", "id": id_, "body": body}
    return (await asyncio.to_thread(machine.mine.call, "put", args)).seq


async def granted(machine: Machine, reader: KeySigner, **changes: Any) -> str:
    done = await asyncio.to_thread(machine.mine.call, "grant", grant_args(reader, **changes))
    grant_id: str = done.result["grant_id"]
    return grant_id


async def until(ws: Socket, type_: str) -> list[dict[str, Any]]:
    """Messages up to and with the first of the type."""
    messages: list[dict[str, Any]] = []
    while not messages or messages[-1]["type"] != type_:
        messages.append(json.loads(await ws.receive_str(timeout=30)))
    return messages


async def rest(ws: Socket) -> tuple[list[dict[str, Any]], int | None]:
    """Messages until the twin closes, and its close code."""
    async with asyncio.timeout(30):
        messages = [json.loads(message.data) async for message in ws]
    return messages, ws.close_code


async def test_rows_come_first_and_then_each_commit_once_and_in_order(twin: Machine) -> None:
    many = [{"id": f"o{n:04}", "body": {}} for n in range(1250)]
    await asyncio.to_thread(twin.mine.call, "put_many", {"slice": "catalogue", "objects": many})
    async with connected(twin, twin.owner.token(twin.id)) as ws:
        await ws.send_json({"type": "subscribe", "id": "x", "slice": "catalogue"})
        first = await until(ws, "applied")
        assert [len(message["rows"]) for message in first[:-1]] == [500, 500, 250]
        assert [row["id"] for message in first[:-1] for row in message["rows"]] == [one["id"] for one in many]
        assert (first[-1]["id"], first[-1]["seq"], first[-1]["grant"]) == ("x", 3, None)
        seqs = [await put(twin, "new"), await put(twin, "new", n=1)]
        await asyncio.to_thread(twin.mine.call, "delete", {"slice": "catalogue", "id": "new"})
        messages = [(await until(ws, "tx"))[-1] for _ in range(3)]
    assert [message["seq"] for message in messages] == [*seqs, seqs[-1] + 1]
    assert [row["id"] for row in messages[0]["insert"]] == ["new"]
    assert [row["body"] for row in messages[1]["update"]] == [{"n": 1}]
    assert messages[2]["delete"] == ["new"]


async def test_a_twin_that_moved_ends_its_streams_answers_nothing_else_and_leaves_its_files(
    twin: Machine,
) -> None:
    await put(twin, "old")
    async with connected(twin, twin.owner.token(twin.id)) as ws:
        await ws.send_json({"type": "subscribe", "id": "x", "slice": "catalogue"})
        await until(ws, "applied")
        fence(twin.directory)
        assert await rest(ws) == ([], 4410)
    for path in ("/v1/slices/catalogue/objects", "/.well-known/mycelium.json"):
        with pytest.raises(TwinError) as moved:
            await asyncio.to_thread(twin.mine.get, path)
        assert (moved.value.status, moved.value.type) == (410, "/problems/moved")
    with pytest.raises(aiohttp.WSServerHandshakeError, match="410"):
        async with connected(twin, twin.owner.token(twin.id)):
            raise AssertionError
    assert (await asyncio.to_thread(twin.mine.get, "/healthz"))["status"] == "moved"
    before = {file: file.read_bytes() for file in twin.directory.rglob("*") if file.is_file()}
    assert await asyncio.to_thread(twin.stop) == 0
    assert {file: file.read_bytes() for file in twin.directory.rglob("*") if file.is_file()} == before


async def test_a_revoke_closes_the_stream_before_any_later_commit(twin: Machine) -> None:
    reader = person("twin")
    grant_id = await granted(twin, reader)
    async with connected(twin, reader.token(twin.id)) as ws:
        await ws.send_json({"type": "subscribe", "id": "x", "slice": "catalogue"})
        applied = (await until(ws, "applied"))[-1]
        assert applied["grant"]["grant_id"] == grant_id
        writing = [asyncio.create_task(put(twin, f"o{n}")) for n in range(20)]
        await asyncio.wait(writing, return_when=asyncio.FIRST_COMPLETED)
        revoked = await asyncio.to_thread(twin.mine.call, "revoke", {"grant_id": grant_id, "reason": "done"})
        await asyncio.gather(*writing, put(twin, "after"))
        messages, code = await rest(ws)
    assert code == 4403
    assert [message["seq"] for message in messages if message["seq"] > revoked.seq] == []


async def test_a_claim_closes_the_stream_of_a_curator_that_made_itself_a_reader(make: Make) -> None:
    curator = person("agent")
    machine = make(custody=entry(curator)).start()
    keeper = machine.client(curator)
    own = {"user": curator.subject, "relation": "reader", "object": "slice:catalogue"}
    write = {"writes": {"tuple_keys": [own]}}
    await asyncio.to_thread(keeper.post, f"/stores/{machine.id}/write", write)
    async with connected(machine, curator.token(machine.id)) as ws:
        await ws.send_json({"type": "subscribe", "id": "x", "slice": "catalogue"})
        await until(ws, "applied")
        me, key = machine.owner.subject, public_x(machine.owner.key)
        claim = {"owner": me, "owner_name": "Anna", "owner_key": key}
        await asyncio.to_thread(keeper.call, "claim", claim)
        await put(machine, "after")
        assert await rest(ws) == ([], 4403)
    left = machine.mine.post(f"/stores/{machine.id}/read", {})["tuples"]
    assert curator.subject not in {one["key"]["user"] for one in left}


async def test_a_new_signing_key_closes_what_the_old_one_vouched_for(twin: Machine) -> None:
    token = twin.run("token", "--as", "user:ops", "--role", "owner").stdout.strip()
    async with connected(twin, token) as ws:
        await ws.send_json({"type": "subscribe", "id": "x", "slice": "catalogue"})
        await until(ws, "applied")
        await asyncio.to_thread(twin.mine.call, "rotate_key", {})
        await put(twin, "after")
        assert await rest(ws) == ([], 4403)


async def test_another_key_for_a_person_closes_the_streams_of_the_old_one(make: Make) -> None:
    admin = person()
    machine = make(admins=entry(admin)).start()
    other = {"user": admin.subject, "name": "Ben", "role": "admin", "key": public_x(generate_key())}
    async with connected(machine, admin.token(machine.id)) as ws:
        await ws.send_json({"type": "subscribe", "id": "x", "slice": "catalogue"})
        await until(ws, "applied")
        await asyncio.to_thread(machine.mine.call, "add_person", other)
        await put(machine, "after")
        assert await rest(ws) == ([], 4403)


async def test_a_removed_person_keeps_no_tuple_and_no_stream(make: Make) -> None:
    admin = person()
    machine = make(admins=entry(admin)).start()
    own = {"user": admin.subject, "relation": "reader", "object": "slice:catalogue"}
    write = {"writes": {"tuple_keys": [own]}}
    await asyncio.to_thread(machine.mine.post, f"/stores/{machine.id}/write", write)
    async with connected(machine, admin.token(machine.id)) as ws:
        await ws.send_json({"type": "subscribe", "id": "x", "slice": "catalogue"})
        await until(ws, "applied")
        role = {"user": admin.subject, "role": "admin"}
        await asyncio.to_thread(machine.mine.call, "remove_person", role)
        await put(machine, "after")
        assert await rest(ws) == ([], 4403)


async def test_a_connection_whose_key_was_replaced_subscribes_to_nothing_more(twin: Machine) -> None:
    token = twin.run("token", "--as", "user:ops", "--role", "owner").stdout.strip()
    async with connected(twin, token) as ws:
        await asyncio.to_thread(twin.mine.call, "rotate_key", {})
        await ws.send_json({"type": "subscribe", "id": "x", "slice": "catalogue"})
        assert [message["type"] for message in await until(ws, "problem")] == ["problem"]


async def test_the_end_of_a_window_closes_the_stream(twin: Machine) -> None:
    reader = person("twin")
    end = clock.after(1.0)
    await granted(twin, reader, expires_at=end)
    async with connected(twin, reader.token(twin.id)) as ws:
        await ws.send_json({"type": "subscribe", "id": "x", "slice": "catalogue"})
        await until(ws, "applied")
        messages, code = await rest(ws)
    assert (messages, code) == ([], 4408)
    assert clock.now() >= end


async def test_the_end_of_a_token_closes_the_stream_with_its_own_code(standing: Machine) -> None:
    me = standing.owner.subject
    async with connected(
        standing, sign(standing.owner.key, iss=me, sub=me, aud=standing.id, seconds=2)
    ) as ws:
        await ws.send_json({"type": "subscribe", "id": "x", "slice": "catalogue"})
        await until(ws, "applied")
        assert (await rest(ws))[1] == 4401


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"type":"subscribe"}', '{"type":"x","id":"y"}', "\ud83d"])
async def test_a_message_that_is_not_of_the_protocol_closes_with_4400(standing: Machine, text: str) -> None:
    async with connected(standing, standing.owner.token(standing.id)) as ws:
        await ws.send_str(text.encode("utf-8", "replace").decode())
        assert (await rest(ws))[1] == 4400


async def test_too_many_subscriptions_close_with_4429(standing: Machine) -> None:
    async with connected(standing, standing.owner.token(standing.id)) as ws:
        for number in range(51):
            await ws.send_json({"type": "subscribe", "id": str(number), "slice": "catalogue"})
        assert (await rest(ws))[1] == 4429


async def test_a_subscription_without_the_right_is_a_problem_and_a_record(twin: Machine) -> None:
    reader = person("twin")
    await granted(twin, reader)
    answers = []
    async with connected(twin, reader.token(twin.id)) as ws:
        for slice_ in ("margins", "nothing"):
            await ws.send_json({"type": "subscribe", "id": "x", "slice": slice_})
            answers.append((await until(ws, "problem"))[-1])
    assert answers[0] == answers[1]
    assert answers[0]["problem"]["type"] == "/problems/grant-required"
    records = twin.mine.get("/v1/log", {"caller": reader.subject})["records"]
    assert [(record["kind"], record["reducer"]) for record in records] == [("denied", "subscribe")] * 2


async def test_a_subscription_that_was_ended_gets_nothing_more(twin: Machine) -> None:
    async with connected(twin, twin.owner.token(twin.id)) as ws:
        await ws.send_json({"type": "subscribe", "id": "x", "slice": "catalogue"})
        await until(ws, "applied")
        await ws.send_json({"type": "unsubscribe", "id": "x"})
        await ws.send_json({"type": "subscribe", "id": "y", "slice": "margins"})
        await until(ws, "applied")
        await put(twin, "a")
        await asyncio.to_thread(twin.mine.call, "put", {"slice": "margins", "id": "b", "body": {}})
        assert (await until(ws, "tx"))[-1]["id"] == "y"


async def test_starts_and_ends_of_another_twins_subscription_are_recorded(twin: Machine) -> None:
    reader = person("twin")
    await granted(twin, reader)
    async with connected(twin, reader.token(twin.id)) as ws:
        await ws.send_json({"type": "subscribe", "id": "x", "slice": "catalogue"})
        await until(ws, "applied")
    await asyncio.to_thread(twin.stop)
    reads = [record["reducer"] for record in twin.records() if record["caller"] == reader.subject]
    assert reads == ["subscribe", "unsubscribe"]


async def test_the_client_follows_a_slice_and_is_told_how_it_ended(twin: Machine) -> None:
    reader = person("twin")
    grant_id = await granted(twin, reader)
    seen: list[str] = []

    async def watch() -> None:
        async for message in follow(twin.socket, reader.token(twin.id), "catalogue"):
            seen.append(message["type"])
            if message["type"] == "applied":
                await put(twin, "a")
            if message["type"] == "tx":
                await asyncio.to_thread(twin.mine.call, "revoke", {"grant_id": grant_id, "reason": ""})

    with pytest.raises(LiveClosed) as closed:
        await watch()
    assert (seen, closed.value.code) == (["applied", "tx"], 4403)
    with pytest.raises(TwinError) as refused:
        await anext(follow(twin.socket, "garbage", "catalogue"))
    assert refused.value.status == 401


async def test_a_twin_that_ends_tells_its_streams_so(twin: Machine) -> None:
    async with connected(twin, twin.owner.token(twin.id)) as ws:
        await ws.send_json({"type": "subscribe", "id": "x", "slice": "catalogue"})
        await until(ws, "applied")
        stopping = asyncio.to_thread(twin.stop)
        (_, code), exit_code = await asyncio.gather(rest(ws), stopping)
    assert (code, exit_code) == (1001, 0)
