"""Claiming: one commit, after which nobody of the platform can."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.runtime.conftest import Make
from tests.runtime.machine import Machine, entry, grant_args, person, raw
from twins.runtime.client import TwinError, public_x


def claim_args(machine: Machine) -> dict[str, str]:
    return {"owner": machine.owner.subject, "owner_name": "Anna", "owner_key": public_x(machine.owner.key)}


def test_a_claim_hands_the_twin_over_in_one_record(make: Make) -> None:
    curator, reader = person("agent"), person("twin")
    machine = make(custody=entry(curator, "the platform")).start()
    keeper = machine.client(curator)
    before = keeper.about()
    assert before["state"] == "virtual"
    keeper.call("put", {"slice": "catalogue", "id": "a", "body": {}})
    granted = keeper.call("grant", grant_args(reader)).result["grant_id"]
    done = keeper.call("claim", claim_args(machine), idempotency_key="claim:1")

    after = machine.mine.about()
    assert after["state"] == "claimed"
    assert after["kid"] != before["kid"]
    record = machine.mine.get("/v1/log", {"from": done.seq, "limit": 1})["records"][0]
    touched = {(effect[0], effect[1]) for effect in record["effects"]}
    assert {("del", "tuple"), ("put", "tuple"), ("del", "key"), ("put", "key"), ("put", "meta")} <= touched
    assert record["by_custody"] is True
    left = machine.mine.post(f"/stores/{machine.id}/read", {})["tuples"]
    assert {one["key"]["relation"] for one in left} == {"owner", "instance", "federation_reader"}
    people = machine.mine.get("/v1/people")["people"]
    assert [(one["user"], one["role"]) for one in people] == [(machine.owner.subject, "owner")]
    grants = machine.mine.get("/v1/grants")["grants"]
    assert [(one["grant_id"], one["review"], one["by_custody"]) for one in grants] == [
        (granted, "pending", True)
    ]


def test_after_a_claim_the_curator_is_refused_everywhere_and_each_try_is_recorded(make: Make) -> None:
    curator = person("agent")
    machine = make(custody=entry(curator)).start()
    keeper = machine.client(curator)
    keeper.call("claim", claim_args(machine))
    tries: list[Callable[[], object]] = [
        lambda: keeper.get("/v1/log", {"limit": 1}),
        lambda: keeper.get("/v1/slices"),
        lambda: keeper.objects("catalogue"),
        lambda: keeper.get("/v1/grants"),
        lambda: keeper.call("put", {"slice": "catalogue", "id": "a", "body": {}}),
        lambda: keeper.call("claim", claim_args(machine)),
        lambda: keeper.get(f"/stores/{machine.id}"),
    ]
    for attempt in tries:
        with pytest.raises(TwinError) as refused:
            attempt()
        assert (refused.value.status, refused.value.type) == (403, "/problems/forbidden")
    records = machine.mine.get("/v1/log", {"caller": curator.subject, "order": "desc"})["records"]
    assert [record["kind"] for record in records[: len(tries)]] == ["denied"] * len(tries)


def test_a_claim_that_is_tried_again_gets_its_first_answer(make: Make) -> None:
    curator = person("agent")
    machine = make(custody=entry(curator)).start()
    first = machine.client(curator).call("claim", claim_args(machine), idempotency_key="claim:1")
    machine.kill()
    assert (
        machine.start().client(curator).call("claim", claim_args(machine), idempotency_key="claim:1") == first
    )


def test_a_claim_leaves_no_old_signing_key_and_no_token_of_it_opens_anything(make: Make) -> None:
    curator = person("agent")
    machine = make(custody=entry(curator)).start()
    old = machine.run("token", "--as", "user:root", "--role", "owner").stdout.strip()
    kid = machine.client(None).about()["kid"]
    machine.client(curator).call("claim", claim_args(machine))
    assert not (machine.directory / "keys" / f"{kid}.signing").exists()
    assert len(list((machine.directory / "keys").glob("*.signing"))) == 1
    assert raw(machine, "/v1/slices", old)[0] == 401


def test_the_owner_keeps_or_ends_what_the_curator_granted(make: Make) -> None:
    curator, reader, other = person("agent"), person("twin"), person("twin")
    machine = make(custody=entry(curator)).start()
    kept = machine.client(curator).call("grant", grant_args(reader)).result["grant_id"]
    ended = machine.client(curator).call("grant", grant_args(other)).result["grant_id"]
    machine.client(curator).call("claim", claim_args(machine))
    machine.mine.call("confirm_grant", {"grant_id": kept})
    machine.mine.call("revoke", {"grant_id": ended, "reason": "not ours"})
    rows = {row["grant_id"]: row for row in machine.mine.get("/v1/grants")["grants"]}
    assert (rows[kept]["review"], rows[kept]["status"]) == ("kept", "active")
    assert (rows[ended]["status"], rows[ended]["reason"]) == ("revoked", "not ours")
    assert machine.client(reader).objects("catalogue")["objects"] == []


def test_an_owner_cannot_be_claimed_away(twin: Machine) -> None:
    with pytest.raises(TwinError) as refused:
        twin.mine.call("claim", claim_args(twin))
    assert refused.value.status == 403
