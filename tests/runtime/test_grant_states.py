"""The life of a grant: what its table allows happens, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.runtime.desk import DAY, Desk
from tests.runtime.machine import person
from twins.runtime.client import KeySigner
from twins.runtime.granted import LIVE, WAITING
from twins.runtime.modules.twin.grants.states import MOVES

REASON = {"reason_code": "owner_choice"}
ACTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "approve": ("approve_grant", {}),
    "counter": ("counter_grant", {}),
    "deny": ("deny_grant", REASON),
    "withdraw": ("withdraw_grant", {}),
    "accept": ("accept_grant", {}),
    "decline": ("decline_grant", {}),
    "suspend": ("suspend_grant", REASON),
    "resume": ("resume_grant", {}),
    "revoke": ("revoke", {}),
    "surrender": ("surrender_grant", {}),
    "renew": ("renew_grant", {}),
}


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with Desk() as desk:
        yield desk


def denied(desk: Desk, reader: KeySigner) -> str:
    grant_id = desk.ask(reader)
    desk.call(desk.owner, "deny_grant", grant_id=grant_id, reason_code="not_needed")
    return grant_id


def withdrawn(desk: Desk, reader: KeySigner) -> str:
    grant_id = desk.ask(reader)
    desk.call(reader, "withdraw_grant", grant_id=grant_id)
    return grant_id


def lapsed(desk: Desk, reader: KeySigner) -> str:
    grant_id = desk.ask(reader, expires_at=desk.after(60 * DAY))
    desk.wall.ahead += 31 * DAY
    desk.sweep()
    return grant_id


def expired(desk: Desk, reader: KeySigner) -> str:
    grant_id = desk.grant(reader, expires_at=desk.after(60))
    desk.wall.ahead += 61
    desk.sweep()
    return grant_id


def suspended(desk: Desk, reader: KeySigner) -> str:
    grant_id = desk.grant(reader)
    desk.call(desk.owner, "suspend_grant", grant_id=grant_id, reason_code="breach_suspected")
    return grant_id


def revoked(desk: Desk, reader: KeySigner) -> str:
    grant_id = desk.grant(reader)
    desk.call(desk.owner, "revoke", grant_id=grant_id)
    return grant_id


def surrendered(desk: Desk, reader: KeySigner) -> str:
    grant_id = desk.grant(reader)
    desk.call(reader, "surrender_grant", grant_id=grant_id)
    return grant_id


def superseded(desk: Desk, reader: KeySigner) -> str:
    grant_id = desk.grant(reader)
    desk.call(desk.owner, "renew_grant", grant_id=grant_id)
    return grant_id


WAYS: dict[str, Callable[[Desk, KeySigner], str]] = {
    "requested": Desk.ask,
    "offered": Desk.offer,
    "scheduled": lambda desk, reader: desk.grant(reader, not_before=desk.after(DAY)),
    "active": Desk.grant,
    "suspended": suspended,
    "denied": denied,
    "withdrawn": withdrawn,
    "lapsed": lapsed,
    "expired": expired,
    "revoked": revoked,
    "surrendered": surrendered,
    "superseded": superseded,
}


def act(desk: Desk, reader: KeySigner, grant_id: str, action: str, actor: str) -> None:
    reducer, args = ACTIONS[action]
    if action == "accept":
        args = {"terms_hash": desk.row(grant_id)["terms_hash"]}
    desk.call(desk.owner if actor == "owner" else reader, reducer, grant_id=grant_id, **args)


@pytest.mark.parametrize("actor", ["owner", "reader"])
@pytest.mark.parametrize("state", list(WAYS))
def test_a_grant_moves_as_its_table_says_and_in_no_other_way(desk: Desk, state: str, actor: str) -> None:
    allowed = {move.action: move.targets for move in MOVES if (move.source, move.actor) == (state, actor)}
    for action in ACTIONS:
        reader = person("twin")
        grant_id = WAYS[state](desk, reader)
        assert desk.row(grant_id)["status"] == state
        if action in allowed:
            act(desk, reader, grant_id, action, actor)
            row = desk.row(grant_id)
            assert row["status"] in allowed[action]
            last = desk.history(grant_id)[-1]
            assert (last["from"], last["action"], last["to"]) == (state, action, row["status"])
            assert (last["actor"], last["seq"]) == (actor, desk.twin.log.seq)
            assert last["reason_code"]
        else:
            before = desk.twin.state.digest()
            with pytest.raises(Exception, match=r".+") as refused:
                act(desk, reader, grant_id, action, actor)
            assert refused.value.status in (403, 409)  # type: ignore[attr-defined]
            assert desk.twin.state.digest() == before
        assert desk.reads(reader) == (
            desk.row(grant_id)["status"] in ("active", "superseded") and _opens(desk, reader)
        )


def _opens(desk: Desk, reader: KeySigner) -> bool:
    return any(row["reader"] == reader.subject and row["status"] == "active" for row in desk.rows())


def test_what_has_ended_has_no_way_on() -> None:
    sources = {move.source for move in MOVES}
    assert sources - {""} == LIVE | WAITING


def test_the_reason_of_a_move_is_one_of_the_list(desk: Desk) -> None:
    grant_id = desk.grant(person("twin"))
    for reason in ({}, {"reason_code": "because"}):
        assert desk.refused(desk.owner, "suspend_grant", grant_id=grant_id, **reason).status == 422


def test_a_counter_offer_answers_a_request_at_most_five_times(desk: Desk) -> None:
    reader = person("twin")
    grant_id = desk.ask(reader, verbs=["read"])
    for side in (desk.owner, reader) * 2:
        desk.call(side, "counter_grant", grant_id=grant_id)
    desk.call(desk.owner, "counter_grant", grant_id=grant_id, verbs=["aggregate"])
    assert "rounds" in desk.refused(reader, "counter_grant", grant_id=grant_id).detail
    desk.accept(reader, grant_id)
    assert desk.reads(reader, verb="aggregate")
    assert not desk.reads(reader)


def test_an_offer_is_accepted_by_the_hash_of_its_present_terms_only(desk: Desk) -> None:
    reader = person("twin")
    grant_id = desk.ask(reader)
    first = desk.row(grant_id)["terms_hash"]
    desk.call(desk.owner, "counter_grant", grant_id=grant_id, fields=["name"])
    refused = desk.refused(reader, "accept_grant", grant_id=grant_id, terms_hash=first)
    assert desk.row(grant_id)["terms_hash"] in refused.detail
    desk.accept(reader, grant_id)
    assert desk.reads(reader)


def test_a_renewal_takes_the_place_of_a_grant_in_one_record(desk: Desk) -> None:
    reader = person("twin")
    old = desk.grant(reader, expires_at=desk.after(DAY))
    new = desk.call(desk.owner, "renew_grant", grant_id=old, expires_at=desk.after(9 * DAY))["grant_id"]
    assert (desk.row(new)["replaces"], desk.row(old)["status"]) == (old, "superseded")
    assert desk.history(old)[-1]["seq"] == desk.history(new)[-1]["seq"]
    desk.wall.ahead += 2 * DAY
    assert desk.reads(reader)


def test_a_suspended_window_goes_on(desk: Desk) -> None:
    reader = person("twin")
    grant_id = desk.grant(reader, expires_at=desk.after(60))
    desk.call(desk.owner, "suspend_grant", grant_id=grant_id, reason_code="key_compromise")
    desk.wall.ahead += 61
    assert "expired" in desk.refused(desk.owner, "resume_grant", grant_id=grant_id).detail


def test_what_was_offered_before_a_suspension_does_not_open_the_slice_again(desk: Desk) -> None:
    reader = person("twin")
    grant_id, offered = desk.grant(reader), desk.offer(reader)
    desk.call(desk.owner, "suspend_grant", grant_id=grant_id, reason_code="breach_suspected")
    assert desk.row(offered)["status"] == "withdrawn"
    assert not desk.reads(reader)


def test_approving_may_only_narrow(desk: Desk) -> None:
    reader = person("twin")
    end = desk.after(10 * DAY)
    grant_id = desk.ask(reader, verbs=["read"], fields=["name", "price"], expires_at=end)
    wider: list[dict[str, Any]] = [
        {"verbs": ["read", "subscribe"]},
        {"fields": ["cost"]},
        {"expires_at": desk.after(20 * DAY)},
        {"not_before": desk.after(-DAY)},
    ]
    for changes in wider:
        assert desk.refused(desk.owner, "approve_grant", grant_id=grant_id, **changes).status == 422
    narrow = {"fields": ["name"], "where": {"kind": "a"}, "expires_at": desk.after(5 * DAY)}
    assert desk.call(desk.owner, "approve_grant", grant_id=grant_id, **narrow)["status"] == "active"
    assert (desk.row(grant_id)["fields"], desk.row(grant_id)["where"]) == (["name"], {"kind": "a"})
