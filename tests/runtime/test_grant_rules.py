"""Whatever happens to a twin's grants, in any order, with crashes and a sleeping clock: I1 to I7 hold."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.runtime.desk import DAY, Desk, caller_of
from tests.runtime.machine import person
from twins.runtime.authz import tuples
from twins.runtime.callers import Caller
from twins.runtime.client import KeySigner, public_x
from twins.runtime.granted import LIVE, LOCKED
from twins.runtime.modules.twin.grants.states import MOVES
from twins.runtime.outbox import Message, Subscription, Wish
from twins.runtime.problems import Problem

EXAMPLES = int(os.environ.get("MYCELIUM_GRANT_EXAMPLES", "12"))
STEPS = int(os.environ.get("MYCELIUM_GRANT_STEPS", "40"))
READERS = [person("twin") for _ in range(2)]
SLICES = ["catalogue", "prices"]
CODE = {"reason_code": "owner_choice"}
BY_ID: list[tuple[str, dict[str, Any]]] = [
    ("approve_grant", {}),
    ("approve_grant", {"verbs": ["read"]}),
    ("approve_grant", {"where": {"kind": "a"}}),
    ("counter_grant", {}),
    ("counter_grant", {"fields": ["kind"]}),
    ("deny_grant", CODE),
    ("withdraw_grant", {}),
    ("accept_grant", {}),
    ("decline_grant", {}),
    ("suspend_grant", CODE),
    ("resume_grant", {}),
    ("revoke", {}),
    ("surrender_grant", {}),
    ("renew_grant", {}),
    ("renew_grant", {"where": {"kind": "b"}}),
    ("confirm_grant", {}),
    ("review_grant", {"finding": "it was right"}),
]
TABLE = {(move.source, move.action, target) for move in MOVES for target in move.targets}
AS_IT_WAS = {"inherit", "confirm", "review"}


class Stream:
    """A reader's connection: every message must fit the grant at the moment at which it is sent."""

    full = False

    def __init__(self, desk: Desk, reader: KeySigner, slice_: str) -> None:
        self.caller: Caller = caller_of(reader)
        self.subscriptions: dict[str, Subscription] = {}
        self.closed: list[int] = []
        self.wrong: list[str] = []
        self._allowed = partial(desk.reads, reader, slice_, "subscribe")

    def send(self, message: Message) -> None:
        # What fails in here is caught, and only logged.
        if self.closed or not (message.kind == "problem" or self._allowed()):
            self.wrong.append(f"{message.kind} of {message.seq} left")

    def close(self, code: int, reason: str) -> None:
        self.closed.append(code)
        if self._allowed() or not reason:
            self.wrong.append(f"closed with {code} {reason!r}")


class Grants(RuleBasedStateMachine):
    """One twin, at first kept by a curator, with two readers and two slices."""

    @initialize(virtual=st.booleans())
    def begin(self, virtual: bool) -> None:
        self.desk = Desk(virtual=virtual, owners=2)
        self.keeper = self.desk.curator if virtual else self.desk.owner
        self.deciders = [self.keeper] if virtual else self.desk.owners
        self.virtual, self.claimed_at = virtual, ""
        prices = {"name": "prices", "title": "Prices", "kind": "prices"}
        self.desk.call(self.keeper, "declare_slice", **prices)
        self.streams: list[Stream] = []
        self.number = 0

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            self.desk.close()

    def tried(self, who: KeySigner, reducer: str, **args: Any) -> None:
        """A call that may be refused, and then changes nothing."""
        before = self.desk.twin.state.digest()
        status = 200
        try:
            self.desk.call(who, reducer, **args)
        except Problem as problem:
            status = problem.status
        assert status in (200, 403, 404, 409, 422, 429)
        assert status == 200 or self.desk.twin.state.digest() == before

    @rule(reader=st.sampled_from(READERS), slice_=st.sampled_from(SLICES), days=st.integers(1, 120))
    def ask(self, reader: KeySigner, slice_: str, days: int) -> None:
        end = self.desk.after(days * DAY)
        args = {"reader_name": "R", "reader_key": public_x(reader.key), "purpose": f"{days}"}
        self.tried(reader, "request_grant", slice=slice_, expires_at=end, **args)

    @rule(
        reader=st.sampled_from(READERS),
        slice_=st.sampled_from(SLICES),
        way=st.sampled_from(["grant", "offer_grant", "break_glass"]),
        begins=st.sampled_from([None, 3]),
        days=st.integers(4, 100),
    )
    def give(self, reader: KeySigner, slice_: str, way: str, begins: int | None, days: int) -> None:
        args = self.desk.told(reader, slice_)
        if way == "break_glass":
            args = {**{k: v for k, v in args.items() if k != "purpose"}, "reason": "a recall"}
        else:
            args["expires_at"] = self.desk.after(days * DAY)
            args["not_before"] = None if begins is None else self.desk.after(begins * DAY)
        if way == "grant":
            self.number += 1
            args["grant_id"] = f"g{self.number}"
        self.tried(self.keeper, way, **args)

    @rule(act=st.sampled_from(BY_ID), which=st.integers(0, 99), whose=st.integers(0, 99))
    def move(self, act: tuple[str, dict[str, Any]], which: int, whose: int) -> None:
        rows = sorted(self.desk.rows(), key=lambda row: self.desk.history(row["grant_id"])[0]["seq"])
        if not rows:
            return
        row = rows[which % len(rows)]
        people = [*self.deciders, *READERS]
        who = people[whose % len(people)]
        reducer, args = act
        if reducer == "accept_grant":
            args = {"terms_hash": row["terms_hash"]}
        self.tried(who, reducer, grant_id=row["grant_id"], **args)

    @rule(reader=st.sampled_from(READERS), slice_=st.sampled_from(SLICES))
    def follow(self, reader: KeySigner, slice_: str) -> None:
        if self.desk.reads(reader, slice_, "subscribe"):
            stream = Stream(self.desk, reader, slice_)
            self.streams.append(stream)
            self.desk.runner.run(self._subscribed(stream, slice_))

    async def _subscribed(self, stream: Stream, slice_: str) -> None:
        self.desk.twin.hub.subscribe(Wish("x", slice_), stream)

    @rule(slice_=st.sampled_from(SLICES), id_=st.sampled_from("ab"), kind=st.sampled_from("ab"))
    def write(self, slice_: str, id_: str, kind: str) -> None:
        self.tried(self.keeper, "put", slice=slice_, id=id_, body={"kind": kind})

    @rule(days=st.sampled_from([0.01, 1, 2, 10, 31, 60]))
    def wait(self, days: float) -> None:
        self.desk.wall.ahead += days * DAY

    @rule()
    def sweep(self) -> None:
        self.desk.sweep()

    @rule(posture=st.sampled_from(["open", "open", "approvals", "locked"]))
    def set_posture(self, posture: str) -> None:
        self.tried(self.keeper, "set_posture", posture=posture)

    @rule(needed=st.integers(1, 2))
    def set_policy(self, needed: int) -> None:
        for one in self.deciders:
            self.tried(one, "set_approval_policy", needed=needed)

    @rule()
    def claim(self) -> None:
        if self.virtual and not self.claimed_at:
            owner, key = self.desk.owner.subject, public_x(self.desk.owner.key)
            self.tried(self.keeper, "claim", owner=owner, owner_name="Anna", owner_key=key)
            self.keeper, self.claimed_at = self.desk.owner, self.desk.after(0)
            self.deciders = [self.keeper]

    @rule(decision=st.sampled_from(["keep", "suspend", "revoke"]))
    def review(self, decision: str) -> None:
        self.tried(self.keeper, "review_inherited", decision=decision)

    @rule()
    def crash(self) -> None:
        digest = self.desk.twin.state.digest()
        self.streams = []
        assert self.desk.reopen() == digest

    @invariant()
    def no_frame_leaves_that_its_grant_does_not_allow(self) -> None:
        assert [wrong for stream in self.streams for wrong in stream.wrong] == []

    @invariant()
    def each_grant_in_force_has_its_one_tuple(self) -> None:
        open_ = [row for row in self.desk.rows() if row["status"] in ("scheduled", "active")]
        keys = {tuples.key_of(f"slice:{one['slice']}", "federation_reader", one["reader"]) for one in open_}
        stored = {key for key in self.desk.twin.state.rows(tuples.TABLE) if "#federation_reader@" in key}
        assert stored == keys
        assert len(keys) == len(open_)

    @invariant()
    def a_reader_reads_exactly_by_a_grant_that_is_active_now(self) -> None:
        now, locked = self.desk.twin.log.now(), self.desk.twin.granted.posture == LOCKED
        for reader in READERS:
            for slice_ in SLICES:
                mine = (reader.subject, slice_)
                rows = [row for row in self.desk.rows() if (row["reader"], row["slice"]) == mine]
                in_force = [row for row in rows if _in_force(row, now) and "read" in row["verbs"]]
                assert self.desk.reads(reader, slice_) == (bool(in_force) and not locked)

    @invariant()
    def every_move_is_of_the_table_and_has_an_actor_a_reason_and_a_record(self) -> None:
        for row in self.desk.rows():
            before = None
            for move in self.desk.history(row["grant_id"]):
                assert move["actor"]
                assert move["by"]
                assert move["reason_code"]
                assert 0 < move["seq"] <= self.desk.twin.log.seq
                if move["action"] not in AS_IT_WAS:
                    assert (move["from"] or "", move["action"], move["to"]) in TABLE
                assert before in (None, move["from"]) or (before, move["from"]) == ("scheduled", "active")
                before = move["to"]
            assert before == row["status"]

    @invariant()
    def nothing_of_a_curator_outlives_the_time_to_confirm_it(self) -> None:
        if not self.claimed_at:
            return
        for row in self.desk.rows():
            if row["by_custody"] and row["status"] in LIVE and row["review"] != "kept":
                assert row["confirm_by"] is not None
            assert row["status"] != "offered" or not row["by_custody"]


def _in_force(row: dict[str, Any], now: str) -> bool:
    end = min(row["expires_at"], row["confirm_by"] or row["expires_at"])
    return row["status"] in ("scheduled", "active") and row["not_before"] <= now < end


TestGrants = Grants.TestCase
TestGrants.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
