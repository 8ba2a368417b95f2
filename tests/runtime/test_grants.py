"""Grants: one slice, one reader, one window."""

from __future__ import annotations

import time

import pytest

from tests.runtime.conftest import Make
from tests.runtime.machine import Machine, grant_args, person, raw
from twins.runtime import clock
from twins.runtime.client import TwinError, assert_as
from twins.runtime.tokens import sign


@pytest.fixture
def stocked(twin: Machine) -> Machine:
    """A twin with one object in each of two slices."""
    for slice_ in ("catalogue", "margins"):
        twin.mine.call("put", {"slice": slice_, "id": "a", "body": {"n": 1}})
    return twin


def test_a_reader_reads_the_granted_slice_and_nothing_else(stocked: Machine) -> None:
    reader = person("twin")
    stocked.mine.call("grant", grant_args(reader))
    client = stocked.client(reader)
    assert client.objects("catalogue")["objects"][0]["body"] == {"n": 1}
    assert [one["name"] for one in client.get("/v1/slices")["slices"]] == ["catalogue"]
    with pytest.raises(TwinError) as refused:
        client.call("put", {"slice": "catalogue", "id": "b", "body": {}})
    assert refused.value.status == 403
    with pytest.raises(TwinError) as audit:
        client.get("/v1/log")
    assert audit.value.status == 403


def test_a_slice_without_a_grant_looks_exactly_like_one_that_does_not_exist(stocked: Machine) -> None:
    reader = person("twin")
    stocked.mine.call("grant", grant_args(reader))
    token = reader.token(stocked.id)
    hidden = raw(stocked, "/v1/slices/margins/objects", token)
    assert hidden == raw(stocked, "/v1/slices/nothing/objects", token)
    assert hidden == raw(stocked, "/v1/slices/margins/objects/a", token)
    assert hidden == raw(stocked, "/v1/slices/nothing/objects/a", token)
    assert (hidden[0], b"margins" in hidden[1]) == (403, False)
    assert "margins" not in str(stocked.client(None).about())
    assert "margins" not in str(stocked.client(reader).get("/v1/grants"))


def test_a_reader_that_was_revoked_is_told_so_and_when(stocked: Machine) -> None:
    reader = person("twin")
    grant_id = stocked.mine.call("grant", grant_args(reader)).result["grant_id"]
    stocked.mine.call("revoke", {"grant_id": grant_id, "reason": "done"})
    with pytest.raises(TwinError) as refused:
        stocked.client(reader).objects("catalogue")
    ended = stocked.mine.get("/v1/grants")["grants"][0]["ended_at"]
    assert refused.value.type == "/problems/grant-revoked"
    assert ended in refused.value.detail
    with pytest.raises(TwinError) as again:
        stocked.mine.call("revoke", {"grant_id": grant_id, "reason": "done"})
    assert again.value.status == 409


def test_a_window_that_has_not_begun_opens_nothing(stocked: Machine) -> None:
    reader = person("twin")
    stocked.mine.call("grant", grant_args(reader, not_before=clock.after(3600)))
    with pytest.raises(TwinError) as refused:
        stocked.client(reader).objects("catalogue")
    assert refused.value.type == "/problems/grant-not-yet-active"


def test_a_window_that_ended_says_so_and_the_log_has_the_expiry(stocked: Machine) -> None:
    reader = person("twin")
    stocked.mine.call("grant", grant_args(reader, expires_at=clock.after(0.7)))
    client = stocked.client(reader)
    assert client.objects("catalogue")["objects"]
    time.sleep(0.7)
    with pytest.raises(TwinError) as refused:
        client.objects("catalogue")
    assert refused.value.type == "/problems/grant-expired"
    while not stocked.mine.get("/v1/log", {"caller": "agent:clock"})["records"]:
        pass
    assert stocked.mine.get("/v1/grants")["grants"][0]["status"] == "expired"


def test_a_window_that_ends_while_the_twin_sleeps_is_over_when_it_wakes(stocked: Machine) -> None:
    reader = person("twin")
    end = clock.after(0.5)
    stocked.mine.call("grant", grant_args(reader, expires_at=end))
    stocked.stop()
    time.sleep(max(clock.seconds_until(end), 0))
    with pytest.raises(TwinError) as refused:
        stocked.start().client(reader).objects("catalogue")
    assert refused.value.type == "/problems/grant-expired"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"expires_at": clock.after(400 * 86400)}, "366 days"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "tomorrow"}, "`expires_at`"),
        ({"not_before": "2030-01-01T00:00:00"}, "`not_before`"),
        ({"reader": "twin:*"}, "`reader`"),
        ({"reader_key": "A" * 42}, "`reader_key`"),
    ],
)
def test_a_grant_that_cannot_be_is_told_why(standing: Machine, changes: dict[str, str], words: str) -> None:
    with pytest.raises(TwinError) as refused:
        standing.mine.call("grant", grant_args(person("twin"), **changes))
    assert refused.value.status == 422
    assert words in refused.value.detail


def test_a_new_grant_on_the_same_slice_takes_the_place_of_the_old_one(stocked: Machine) -> None:
    reader = person("twin")
    first = stocked.mine.call("grant", grant_args(reader)).result["grant_id"]
    second = stocked.mine.call("grant", grant_args(reader)).result["grant_id"]
    rows = {row["grant_id"]: row["status"] for row in stocked.mine.get("/v1/grants")["grants"]}
    assert rows == {first: "superseded", second: "active"}
    assert stocked.client(reader).objects("catalogue")["objects"]


def test_each_read_of_another_twin_is_in_the_log_with_the_person_behind_it(stocked: Machine) -> None:
    reader = person("twin")
    stocked.mine.call("grant", grant_args(reader))
    token = sign(
        reader.key, iss=reader.subject, sub=reader.subject, aud=stocked.id, seconds=60, act="user:eve"
    )
    assert raw(stocked, "/v1/slices/catalogue/objects", token)[0] == 200
    assert raw(stocked, "/v1/slices/margins/objects", token)[0] == 403
    records = stocked.mine.get("/v1/log", {"caller": reader.subject})["records"]
    assert [(one["kind"], one["act"], one["args"]["slice"]) for one in records] == [
        ("read", "user:eve", "catalogue"),
        ("denied", "user:eve", "margins"),
    ]


def test_two_twins_exchange_by_their_own_keys_and_the_person_who_acts(make: Make, twin: Machine) -> None:
    target = make().start()
    target.mine.call("put", {"slice": "catalogue", "id": "a", "body": {}})
    key = twin.mine.about()["key"]["x"]
    args = grant_args(person("twin"), reader=f"twin:{twin.id}", reader_key=key)
    target.mine.call("grant", args)
    signer = assert_as(twin.mine, target.id)
    assert [row["id"] for row in target.client(signer).objects("catalogue")["objects"]] == ["a"]
    read = target.mine.get("/v1/log", {"caller": f"twin:{twin.id}"})["records"]
    assert [record["act"] for record in read] == [twin.owner.subject]
    twin.mine.call("rotate_key", {})
    with pytest.raises(TwinError) as refused:
        target.client(assert_as(twin.mine, target.id)).objects("catalogue")
    assert refused.value.status == 401
