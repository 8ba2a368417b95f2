"""Twins that ask: who may, what they are told, and what both sides keep."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.runtime.conftest import Make
from tests.runtime.machine import Machine, grant_args, person, raw
from twins.runtime import clock
from twins.runtime.client import KeySigner, TwinError, assert_as, generate_key, public_x
from twins.runtime.server.calls import PREFIX

ASKED = {"reader_name": "Reader", "slice": "catalogue", "purpose": "to compare"}
HASH = "sha256:" + "0" * 64


def stranger() -> KeySigner:
    """A twin that nobody here knows, and that shows its key."""
    one = person("twin")
    return KeySigner(one.subject, one.key, with_key=True)


def asked(who: KeySigner, **changes: Any) -> dict[str, Any]:
    return {**ASKED, "reader_key": public_x(who.key), **changes}


def posted(machine: Machine, who: KeySigner, reducer: str, args: dict[str, Any]) -> tuple[int, bytes]:
    return raw(machine, f"{PREFIX}{reducer}", who.token(machine.id), "POST", json.dumps(args))


def test_an_unknown_twin_asks_with_its_key_and_reads_once_it_was_approved(twin: Machine) -> None:
    reader = stranger()
    client = twin.client(reader)
    grant_id = client.call("request_grant", asked(reader)).result["grant_id"]
    assert client.get(f"/v1/grants/{grant_id}")["status"] == "requested"
    with pytest.raises(TwinError) as refused:
        client.objects("catalogue")
    assert refused.value.status == 401
    (row,) = twin.mine.get("/v1/grants", {"state": "requested"})["grants"]
    assert (row["reader"], row["reader_key"]) == (reader.subject, public_x(reader.key))
    twin.mine.call("approve_grant", {"grant_id": grant_id})
    plain = twin.client(KeySigner(reader.subject, reader.key))
    assert plain.objects("catalogue")["objects"] == []
    history = plain.get(f"/v1/grants/{grant_id}")["history"]
    assert [(one["actor"], one["action"]) for one in history] == [("reader", "request"), ("owner", "approve")]
    assert history == twin.mine.get(f"/v1/grants/{grant_id}")["history"]


def test_whoever_only_calls_itself_a_known_twin_gets_nothing_of_it(twin: Machine) -> None:
    reader = person("twin")
    twin.mine.call("grant", grant_args(reader))
    impostor = KeySigner(reader.subject, generate_key(), with_key=True)
    client = twin.client(impostor)
    for path in ("/v1/grants", "/v1/slices", "/v1/slices/catalogue/objects"):
        with pytest.raises(TwinError) as refused:
            client.get(path)
        assert refused.value.status == 401
    grant_id = client.call("request_grant", asked(impostor)).result["grant_id"]
    assert [one["grant_id"] for one in client.get("/v1/grants")["grants"]] == [grant_id]
    with pytest.raises(TwinError) as another:
        twin.mine.call("approve_grant", {"grant_id": grant_id})
    assert another.value.status == 409
    assert "another key" in another.value.detail
    assert twin.client(reader).objects("catalogue")["objects"] == []
    twin.mine.call("approve_grant", {"grant_id": grant_id, "reader_key": public_x(impostor.key)})
    with pytest.raises(TwinError) as replaced:
        twin.client(reader).objects("catalogue")
    assert replaced.value.status == 401


def test_nobody_answers_for_another_twin(standing: Machine) -> None:
    reader, other = stranger(), stranger()
    mine = standing.client(reader).call("request_grant", asked(reader)).result["grant_id"]
    theirs = standing.client(other).call("request_grant", asked(other)).result["grant_id"]
    refused = posted(standing, other, "withdraw_grant", {"grant_id": mine})
    assert refused == posted(standing, other, "withdraw_grant", {"grant_id": "none"})
    token = other.token(standing.id)
    seen = raw(standing, f"/v1/grants/{mine}", token)
    assert seen == raw(standing, "/v1/grants/none", token)
    impostor = KeySigner(reader.subject, generate_key(), with_key=True)
    assert refused == posted(standing, impostor, "withdraw_grant", {"grant_id": mine})
    assert seen == raw(standing, f"/v1/grants/{mine}", impostor.token(standing.id))
    standing.client(other).call("withdraw_grant", {"grant_id": theirs})


def test_what_is_not_listed_not_there_or_locked_is_refused_in_one_way(twin: Machine) -> None:
    for reader in (stranger(), person("twin")):
        if not reader.with_key:
            twin.mine.call("grant", grant_args(reader))
            twin.mine.call("revoke", {"grant_id": twin.mine.get("/v1/grants")["grants"][-1]["grant_id"]})
        hidden = posted(twin, reader, "request_grant", asked(reader, slice="margins", fields=["n"]))
        assert hidden[0] == 403
        assert hidden == posted(twin, reader, "request_grant", asked(reader, slice="nothing"))
        twin.mine.call("set_posture", {"posture": "locked"})
        assert hidden == posted(twin, reader, "request_grant", asked(reader))
        twin.mine.call("set_posture", {"posture": "open"})


def test_a_reader_has_few_open_requests_and_no_two_for_the_same(twin: Machine) -> None:
    reader = stranger()
    client = twin.client(reader)
    for number in range(10):
        client.call("request_grant", asked(reader, purpose=f"purpose {number}"))
    twice = posted(twin, reader, "request_grant", asked(reader, purpose="purpose 3"))
    assert twice[0] == 409
    more = posted(twin, reader, "request_grant", asked(reader))
    assert (more[0], json.loads(more[1])["type"]) == (429, "/problems/quota-exceeded")
    other = stranger()
    assert posted(twin, other, "request_grant", asked(other))[0] == 200


def test_strangers_leave_nothing_in_the_log_but_their_requests_and_not_too_many(twin: Machine) -> None:
    before = twin.mine.get("/v1/log", {"limit": 1000})["head"]["seq"]
    statuses = []
    for _ in range(70):
        one = stranger()
        statuses.append(posted(twin, one, "request_grant", asked(one, slice="nothing"))[0])
    assert set(statuses) == {403, 429}
    assert twin.mine.get("/v1/log", {"limit": 1})["head"]["seq"] == before


NEEDED: dict[str, dict[str, Any]] = {
    "accept_grant": {"terms_hash": HASH},
    "deny_grant": {"reason_code": "not_needed"},
    "suspend_grant": {"reason_code": "not_needed"},
    "review_grant": {"finding": "x"},
}
OF_GRANT = [
    *("approve_grant", "counter_grant", "deny_grant", "withdraw_grant", "accept_grant", "decline_grant"),
    *("revoke", "suspend_grant", "resume_grant", "surrender_grant", "renew_grant", "confirm_grant"),
    "review_grant",
]


def test_a_twin_that_never_held_a_grant_is_refused_everywhere_in_the_same_bytes(twin: Machine) -> None:
    never, reader = person("twin"), person("twin")
    other_id = twin.mine.call("grant", grant_args(reader)).result["grant_id"]
    offered = {**grant_args(never), "slice": "catalogue"}
    offered.pop("grant_id")
    offer_id = twin.mine.call("offer_grant", offered).result["grant_id"]
    twin.mine.call("withdraw_grant", {"grant_id": offer_id})
    seen = set()
    for grant_id in (other_id, "none"):
        seen |= {posted(twin, never, one, {"grant_id": grant_id, **NEEDED.get(one, {})}) for one in OF_GRANT}
        for path in (f"/v1/grants/{grant_id}", f"/v1/grants/{grant_id}/notice"):
            seen.add(raw(twin, path, never.token(twin.id)))
        seen.add(raw(twin, f"/v1/grants/{grant_id}/preview", never.token(twin.id), "POST", "{}"))
    seen.add(raw(twin, "/v1/preview", never.token(twin.id), "POST", '{"slice":"catalogue"}'))
    for slice_ in ("catalogue", "margins", "nothing"):
        for path in ("objects", "objects/a", "aggregate?by=n", "objects?where=x&order=y"):
            seen.add(raw(twin, f"/v1/slices/{slice_}/{path}", never.token(twin.id)))
        args = {**grant_args(never), "slice": slice_}
        seen.add(posted(twin, never, "grant", args))
    for reducer, args in (
        ("set_posture", {"posture": "locked"}),
        ("set_approval_policy", {"needed": 1}),
        ("review_inherited", {"decision": "keep"}),
        ("expire_grants", {}),
        ("pin_target", {"target": never.subject, "name": "x", "key": public_x(never.key)}),
        ("note_grant", {"target": never.subject, "notice": "x"}),
    ):
        seen.add(posted(twin, never, reducer, args))
    assert len(seen) == 1
    ((status, body),) = seen
    assert (status, json.loads(body)["type"]) == (403, "/problems/grant-required")


def test_the_reader_keeps_what_the_target_signed_and_nothing_else(make: Make, twin: Machine) -> None:
    target = make().start()
    own = twin.mine
    pinned = {"target": f"twin:{target.id}", "name": "Target", "key": target.mine.about()["key"]["x"]}
    own.call("pin_target", pinned)
    at_target = target.client(assert_as(own, target.id))
    key = own.about()["key"]["x"]
    grant_id = at_target.call("request_grant", {**ASKED, "reader_key": key}).result["grant_id"]
    target.mine.call("approve_grant", {"grant_id": grant_id})
    open_ = at_target.get(f"/v1/grants/{grant_id}/notice")["notice"]
    why = {"grant_id": grant_id, "reason_code": "contract_ended", "reason": "it is over"}
    target.mine.call("revoke", why)
    ended = at_target.get(f"/v1/grants/{grant_id}/notice")["notice"]

    def noted(notice: str) -> int:
        try:
            own.call("note_grant", {"target": f"twin:{target.id}", "notice": notice})
        except TwinError as refused:
            return refused.status
        return 200

    assert [noted(open_), noted(ended), noted(ended), noted(open_)] == [200, 200, 200, 409]
    (held,) = own.get("/v1/grants", {"role": "reader"})["grants"]
    assert (held["status"], held["reason_code"], held["reason"]) == (
        "revoked",
        "contract_ended",
        "it is over",
    )
    head, payload, signature = ended.split(".")
    forged = f"{head}.{payload[:-4]}AAAA.{signature}"
    token = assert_as(target.mine, twin.id).token(twin.id)
    assert [noted(forged), noted("x"), noted(token)] == [422, 422, 422]
    assert [row["status"] for row in own.get("/v1/grants", {"role": "reader", "state": "revoked"})["grants"]]


def test_a_reader_and_an_owner_find_their_grants_by_state(twin: Machine) -> None:
    reader = person("twin")
    ended = twin.mine.call("grant", grant_args(reader)).result["grant_id"]
    present = twin.mine.call("grant", grant_args(reader)).result["grant_id"]
    for client in (twin.mine, twin.client(reader)):
        rows = client.get("/v1/grants", {"state": "active"})["grants"]
        assert [row["grant_id"] for row in rows] == [present]
    with pytest.raises(TwinError) as surrendered:
        twin.client(reader).call("surrender_grant", {"grant_id": ended})
    assert surrendered.value.status == 409
    twin.client(reader).call("surrender_grant", {"grant_id": present})
    with pytest.raises(TwinError) as refused:
        twin.client(reader).objects("catalogue")
    assert refused.value.type == "/problems/grant-surrendered"


def test_a_replayed_log_explains_every_grant(twin: Machine) -> None:
    reader = stranger()
    grant_id = twin.client(reader).call("request_grant", asked(reader)).result["grant_id"]
    twin.mine.call("approve_grant", {"grant_id": grant_id, "expires_at": clock.after(86400)})
    plain = twin.client(KeySigner(reader.subject, reader.key))
    plain.objects("catalogue")
    offered = twin.mine.call("renew_grant", {"grant_id": grant_id}).result["grant_id"]
    plain.call("surrender_grant", {"grant_id": offered})
    digest = twin.mine.get("/v1/verify")["digest"]
    twin.kill()
    assert twin.start().mine.get("/v1/verify")["digest"] == digest
    assert twin.stop() == 0
    verified = twin.run("verify", "--replay")
    assert verified.returncode == 0, verified.stdout + verified.stderr
