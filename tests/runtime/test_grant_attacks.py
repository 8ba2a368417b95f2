"""Ways around a grant that somebody tried, each of which is closed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.runtime.desk import Desk
from tests.runtime.machine import Machine, grant_args, person, raw
from tests.runtime.served import on_uvloop, served
from twins.runtime.client import KeySigner, public_x
from twins.runtime.modules.twin.grants import requests


@pytest.fixture
def desk() -> Iterator[Desk]:
    with Desk() as desk:
        yield desk


def test_an_older_and_wider_offer_does_not_outlive_a_narrower_renewal(desk: Desk) -> None:
    reader = person("twin")
    grant_id = desk.call(desk.owner, "grant", **desk.told(reader, grant_id="first"))["grant_id"]
    wide = desk.offer(reader)
    desk.call(desk.owner, "renew_grant", grant_id=grant_id, fields=["n"])
    assert desk.row(wide)["status"] == "withdrawn"


def test_taking_the_tuple_away_withdraws_what_was_offered_too(desk: Desk) -> None:
    reader = person("twin")
    desk.call(desk.owner, "grant", **desk.told(reader, grant_id="first"))
    offered = desk.offer(reader)
    gone = {"user": reader.subject, "relation": "federation_reader", "object": "slice:catalogue"}
    desk.call(desk.owner, "authz_write", writes=[], deletes=[gone])
    assert not desk.reads(reader)
    assert desk.row(offered)["status"] == "withdrawn"


def test_whoever_takes_a_readers_name_does_not_learn_what_the_reader_reads(desk: Desk) -> None:
    reader = person("twin")
    impostor = KeySigner(reader.subject, person("twin").key)
    said = {"reader_name": "R", "reader_key": public_x(impostor.key), "slice": "margins", "purpose": "p"}
    before = desk.refused(impostor, "request_grant", **said)
    desk.call(desk.owner, "grant", **desk.told(reader, "margins", grant_id="first", fields=["n"]))
    after = desk.refused(impostor, "request_grant", **said)
    assert after.to_json() == before.to_json()


def test_strangers_do_not_shut_out_a_reader_who_is_known(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "MOST", 3)
    known = person("twin")
    desk.call(desk.owner, "grant", **desk.told(known, grant_id="first"))
    for _ in range(3):
        desk.ask(person("twin"))
    assert desk.row(desk.ask(known, purpose="more"))["status"] == "requested"


def test_a_time_beyond_all_calendars_is_a_problem(desk: Desk) -> None:
    for bounds in ({"not_before": "9999-12-31T00:00:00Z"}, {"expires_at": "9999-12-31T00:00:00Z"}):
        asked = {"reader_name": "R", "slice": "catalogue", "purpose": "p", **bounds}
        reader = person("twin")
        refused = desk.refused(reader, "request_grant", reader_key=public_x(reader.key), **asked)
        assert refused.status == 422


def test_a_reader_of_some_members_is_shown_the_slice_without_indexes_too(twin: Machine) -> None:
    reader = person("twin")
    twin.mine.call("grant", {**grant_args(reader), "fields": ["n"]})
    status, body = raw(twin, "/v1/slices", reader.token(twin.id))
    assert status == 200
    assert [one["name"] for one in json.loads(body)["slices"]] == ["catalogue"]


@on_uvloop
async def test_events_end_when_the_grant_no_longer_shows_what_they_ask_by() -> None:
    async with served("fast") as twin:
        reader = person("twin")
        grant = (await twin.call("grant", **grant_args(reader)))["result"]["grant_id"]
        token = f"Bearer {reader.token(twin.machine.id)}"
        headers = {"Accept": "text/event-stream", "Authorization": token}
        url = 'http://twin/v1/live?slice=catalogue&where={"z":"s"}'
        async with twin.session.get(url, headers=headers) as answer:
            while b"applied" not in await answer.content.readline():
                pass
            await twin.call("renew_grant", grant_id=grant, fields=["n"])
            left = await answer.content.read()
        assert b"event: problem" in left
        assert b"event: closed" in left


@on_uvloop
async def test_many_who_wait_for_the_same_rows_share_one_copy_of_them() -> None:
    async with served("fast") as twin, twin.live() as ws:
        many: list[dict[str, Any]] = [{"id": f"o{n}", "body": {}} for n in range(1000)]
        await twin.call("put_many", slice="catalogue", objects=many)
        for number in range(20):
            wish = {"type": "subscribe", "id": str(number), "slice": "catalogue", "credits": 0}
            await ws.send_str(json.dumps(wish))
        await ws.send_str(json.dumps({"type": "call", "id": "c", "reducer": "nothing", "args": {}}))
        await ws.receive_str(timeout=20)
        state = twin.twin.state
        first = state.frozen("object/catalogue")
        assert state.frozen("object/catalogue") is first
        await twin.put("new")
        assert "new" not in first.rows
        assert "new" in state.frozen("object/catalogue").rows
        assert list(first.keys) == sorted(one["id"] for one in many)
