"""Several owners, emergencies, claims and postures: who may open what, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.runtime.desk import DAY, Desk
from tests.runtime.machine import person
from twins.runtime.client import KeySigner, public_x
from twins.runtime.granted import grant_of
from twins.runtime.usage import describe

DIRECT: list[tuple[str, dict[str, Any]]] = [("grant", {"grant_id": "x"}), ("offer_grant", {})]


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A twin with three owners, of whom two must approve."""
    with Desk(owners=3) as desk:
        desk.call(desk.owner, "set_approval_policy", needed=2)
        yield desk


@pytest.fixture
def virtual() -> Iterator[Desk]:
    """A twin that a curator keeps."""
    with Desk(virtual=True) as desk:
        yield desk


def claim(desk: Desk) -> None:
    owner, key = desk.owner.subject, public_x(desk.owner.key)
    desk.call(desk.curator, "claim", owner=owner, owner_name="Anna", owner_key=key)


def glass(desk: Desk, reader: KeySigner, **changes: Any) -> dict[str, Any]:
    told = {name: value for name, value in desk.told(reader).items() if name != "purpose"}
    return {**told, "reason": "a recall", **changes}


def test_as_many_different_owners_as_are_needed_must_approve_the_same(desk: Desk) -> None:
    reader, (first, second, third) = person("twin"), desk.owners
    grant_id = desk.ask(reader)
    assert desk.call(first, "approve_grant", grant_id=grant_id)["status"] == "requested"
    assert desk.refused(first, "approve_grant", grant_id=grant_id).status == 409
    assert not desk.reads(reader)
    narrow = {"verbs": ["read"]}
    assert desk.call(second, "approve_grant", grant_id=grant_id, **narrow)["status"] == "requested"
    assert desk.call(third, "approve_grant", grant_id=grant_id)["status"] == "active"
    assert desk.row(grant_id)["verbs"] == ["read"]


def test_where_two_must_approve_one_alone_makes_and_unmakes_no_owner(desk: Desk) -> None:
    puppet, (first, second, _) = person(), desk.owners
    stolen = {"user": second.subject, "name": "Ben", "role": "owner", "key": public_x(puppet.key)}
    for refused in (
        desk.refused(first, "add_person", **{**stolen, "user": puppet.subject}),
        desk.refused(first, "add_person", **stolen),
        desk.refused(first, "remove_person", user=second.subject, role="owner"),
    ):
        assert (refused.status, "approval policy" in refused.detail) == (409, True)
    desk.call(first, "set_approval_policy", needed=1)
    desk.call(second, "set_approval_policy", needed=1)
    desk.call(first, "remove_person", user=second.subject, role="owner")


def test_where_two_must_approve_one_alone_gives_a_reader_no_other_key(desk: Desk) -> None:
    reader, (first, second, _) = person("twin"), desk.owners
    grant_id = desk.ask(reader)
    desk.call(first, "approve_grant", grant_id=grant_id)
    desk.call(second, "approve_grant", grant_id=grant_id)
    evil = KeySigner(reader.subject, person("twin").key)
    told = desk.told(evil)
    assert desk.refused(first, "offer_grant", **told).status == 409
    assert desk.reads(reader)


def test_where_two_must_approve_one_alone_opens_nothing(desk: Desk) -> None:
    reader = person("twin")
    refused = desk.refused(desk.owner, "grant", **desk.told(reader, grant_id="x"))
    assert refused.kind == "approval-required"
    grant_id = desk.offer(reader)
    hash_ = desk.row(grant_id)["terms_hash"]
    early = desk.refused(reader, "accept_grant", grant_id=grant_id, terms_hash=hash_)
    assert early.kind == "approval-required"
    desk.call(desk.owners[1], "approve_grant", grant_id=grant_id)
    desk.accept(reader, grant_id)
    assert desk.reads(reader)
    assert desk.refused(desk.owner, "renew_grant", grant_id=grant_id).kind == "approval-required"


def test_one_alone_cannot_soften_the_policy(desk: Desk) -> None:
    assert desk.call(desk.owner, "set_approval_policy", needed=1) == {"in_force": False}
    assert desk.call(desk.owner, "set_approval_policy", needed=1) == {"in_force": False}
    assert desk.call(desk.owners[1], "set_approval_policy", needed=2, slices=["margins"]) == {
        "in_force": False
    }
    assert desk.call(desk.owners[1], "set_approval_policy", needed=1) == {"in_force": False}
    assert desk.call(desk.owners[2], "set_approval_policy", needed=1) == {"in_force": True}
    desk.grant(person("twin"))


def test_a_policy_may_be_about_some_slices_only(desk: Desk) -> None:
    for one in desk.owners[:2]:
        desk.call(one, "set_approval_policy", needed=2, slices=["margins"])
    desk.grant(person("twin"))
    reader = person("twin")
    args = desk.told(reader, "margins", grant_id="x", fields=["n"])
    assert desk.refused(desk.owner, "grant", **args).kind == "approval-required"
    assert desk.refused(desk.owner, "set_approval_policy", needed=4).status == 422


def test_broken_glass_opens_for_a_day_and_must_be_answered_for(desk: Desk) -> None:
    reader = person("twin")
    assert desk.refused(desk.owner, "break_glass", **glass(desk, reader, reason="")).status == 422
    late = glass(desk, reader, expires_at=desk.after(DAY + 60))
    assert "24 hours" in desk.refused(desk.owner, "break_glass", **late).detail
    grant_id = desk.call(desk.owner, "break_glass", **glass(desk, reader))["grant_id"]
    assert desk.reads(reader)
    desk.wall.ahead += DAY
    assert not desk.reads(reader)
    assert desk.refused(desk.owner, "break_glass", **glass(desk, reader)).status == 409
    mine = desk.refused(desk.owner, "review_grant", grant_id=grant_id, finding="it was right")
    assert "Another owner" in mine.detail
    desk.call(desk.owners[1], "review_grant", grant_id=grant_id, finding="it was right")
    assert desk.row(grant_id)["review"] == "reviewed"
    desk.call(desk.owner, "break_glass", **glass(desk, reader))


def test_a_twin_that_only_answers_requests_opens_nothing_else() -> None:
    with Desk() as desk:
        desk.call(desk.owner, "set_posture", posture="approvals")
        reader = person("twin")
        for reducer, more in DIRECT:
            assert desk.refused(desk.owner, reducer, **desk.told(reader, **more)).kind == "approval-required"
        assert desk.refused(desk.owner, "break_glass", **glass(desk, reader)).kind == "approval-required"
        grant_id = desk.ask(reader)
        desk.call(desk.owner, "counter_grant", grant_id=grant_id, fields=["n"])
        desk.accept(reader, grant_id)
        assert desk.reads(reader)
        assert desk.refused(desk.owner, "renew_grant", grant_id=grant_id).kind == "approval-required"


def test_what_a_curator_granted_ends_by_itself_unless_it_is_confirmed(virtual: Desk) -> None:
    first, second, third = (person("twin") for _ in range(3))
    args = [virtual.told(one, grant_id=f"g{n}") for n, one in enumerate((first, second, third))]
    for one in args:
        virtual.call(virtual.curator, "grant", **one)
    claim(virtual)
    virtual.call(virtual.owner, "confirm_grant", grant_id="g0")
    virtual.call(virtual.owner, "suspend_grant", grant_id="g2", reason_code="claim_review")
    virtual.call(virtual.owner, "resume_grant", grant_id="g2")
    virtual.wall.ahead += 30 * DAY + 1
    # Nobody has swept: the window of the tuple itself has ended.
    assert [virtual.reads(one) for one in (first, second, third)] == [True, False, True]
    assert virtual.refused(virtual.owner, "confirm_grant", grant_id="g1").status == 409
    virtual.sweep()
    assert (virtual.row("g1")["status"], virtual.row("g1")["reason_code"]) == ("expired", "unconfirmed")


@pytest.mark.parametrize(
    ("decision", "status"), [("keep", "active"), ("suspend", "suspended"), ("revoke", "revoked")]
)
def test_a_new_owner_decides_on_all_that_a_curator_granted(virtual: Desk, decision: str, status: str) -> None:
    readers = [person("twin") for _ in range(2)]
    for number, reader in enumerate(readers):
        virtual.call(virtual.curator, "grant", **virtual.told(reader, grant_id=f"g{number}"))
    claim(virtual)
    own = virtual.grant(person("twin"))
    assert virtual.call(virtual.owner, "review_inherited", decision=decision) == {"grants": 2}
    assert [virtual.row(f"g{n}")["status"] for n in range(2)] == [status, status]
    assert virtual.row(own)["status"] == "active"


def test_an_offer_of_a_curator_ends_with_the_claim_and_a_request_goes_on(virtual: Desk) -> None:
    first, second = person("twin"), person("twin")
    offered = virtual.call(virtual.curator, "offer_grant", **virtual.told(first))["grant_id"]
    asked = virtual.ask(second)
    claim(virtual)
    assert (virtual.row(offered)["status"], virtual.row(asked)["status"]) == ("withdrawn", "requested")
    assert virtual.call(virtual.owner, "approve_grant", grant_id=asked)["status"] == "active"


def test_what_nobody_answers_lapses_after_thirty_days() -> None:
    with Desk() as desk:
        reader = person("twin")
        asked, offered = desk.ask(reader), desk.offer(person("twin"))
        desk.wall.ahead += 30 * DAY + 1
        assert desk.refused(desk.owner, "approve_grant", grant_id=asked).status == 409
        desk.sweep()
        assert [desk.row(one)["status"] for one in (asked, offered)] == ["lapsed", "lapsed"]


def test_a_grant_lasts_ninety_days_unless_it_is_said() -> None:
    with Desk() as desk:
        reader = person("twin")
        desk.grant(reader)
        desk.wall.ahead += 90 * DAY - 60
        assert desk.reads(reader)
        desk.wall.ahead += 61
        assert not desk.reads(reader)


def test_an_owner_is_told_what_is_not_used_and_what_ends_soon() -> None:
    with Desk() as desk:
        grant_id = desk.grant(person("twin"), expires_at=desk.after(100 * DAY))
        seen = []
        for days in (0, 79, 2, 10, 10):
            desk.wall.ahead += days * DAY
            row = desk.row(grant_id)
            told = describe(desk.twin.state, grant_of(row), row["granted_at"], desk.after(0))
            seen.append((told["renewal_due"], told["unused"]))
        assert seen == [(False, False), (False, False), (True, False), (True, True), (False, False)]
