"""Rights: what a caller may do now, decided by the twin's own store."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from twins.runtime import clock
from twins.runtime.authz.engine import Engine
from twins.runtime.authz.errors import Refused
from twins.runtime.authz.tuples import Given
from twins.runtime.callers import Caller, is_current
from twins.runtime.problems import Problem, forbidden, grant_required, not_found
from twins.runtime.state import State

SLICES = "slice"
GRANTS = "grant"


class Rights:
    """Answers for one twin; every refusal to the same kind of caller looks the same."""

    def __init__(self, engine: Engine, state: State, twin_id: str) -> None:
        self._engine = engine
        self._state = state
        self.instance = f"instance:{twin_id}"

    def may(self, caller: Caller, relation: str, object_: str) -> bool:
        """Whether the caller has the relation to the object at this instant; no answer counts as no, and so
        does a key that was replaced or taken away since the caller showed its token.
        """
        if caller.former or not is_current(caller, self._state):
            return False
        given = (Given(self.instance, caller.role, caller.id),) if caller.role else ()
        return self.decide(object_, relation, caller.id, time.time(), given)

    def decide(self, object_: str, relation: str, user: str, now: float, given: Sequence[Given]) -> bool:
        """What the store says at `now`; a check without an answer counts as no."""
        try:
            return self._engine.check(object_, relation, user, now, given)
        except Refused:
            return False

    def may_read(self, caller: Caller, slice_: str) -> bool:
        """Whether the caller may read the slice: twins through a grant, everybody else through a tuple."""
        relation = "can_read_federated" if caller.is_twin else "can_read"
        return self.may(caller, relation, f"slice:{slice_}")

    def require(self, caller: Caller, relation: str, object_: str) -> None:
        """Return when the caller has the right.

        Raises:
            Problem: the refusal.
        """
        if not self.may(caller, relation, object_):
            raise self.refusal(caller, object_)

    def require_read(self, caller: Caller, slice_: str) -> None:
        """As `require`, for reading a slice."""
        if not self.may_read(caller, slice_):
            raise self.refusal(caller, f"slice:{slice_}")

    def admits(self, object_: str, relation: str, user: str, condition: str) -> bool:
        """Whether the model has room for a tuple of this shape; `condition` is "" for none."""
        return self._engine.model.admits(object_, relation, user, condition)

    def is_unknown(self, object_: str) -> bool:
        """Whether this names a slice that was never declared."""
        type_, _, name = object_.partition(":")
        return type_ == "slice" and self._state.raw(SLICES, name) is None

    def refusal(self, caller: Caller, object_: str) -> Problem:
        """What a caller without the right is told: no more than it knows already."""
        type_, _, name = object_.partition(":")
        if caller.is_twin:
            ended = self.ended_grant(caller.id, name) if type_ == "slice" else None
            return _ended(ended) if ended else grant_required()
        if self.is_unknown(object_) and self.may(caller, "can_configure", self.instance):
            return not_found(f"slice {name[:60]!r}")
        return forbidden()

    def ended_grant(self, reader: str, slice_: str) -> dict[str, Any] | None:
        """The reader's grant on the slice that ended last, if there was one."""
        now = clock.now()
        grants = [grant for _, grant in self._state.scan(GRANTS) if grant["reader"] == reader]
        ended = [_as_of(grant, now) for grant in grants if grant["slice"] == slice_]
        return max(
            (grant for grant in ended if grant["status"] != "active"),
            key=lambda g: g["ended_at"],
            default=None,
        )

    def active_grant(self, reader: str, slice_: str) -> dict[str, Any] | None:
        """The grant by which the reader reads the slice."""
        for _, grant in self._state.scan(GRANTS):
            if (grant["reader"], grant["slice"], grant["status"]) == (reader, slice_, "active"):
                found: dict[str, Any] = grant
                return found
        return None


def _as_of(grant: dict[str, Any], now: str) -> dict[str, Any]:
    """The grant with its window taken into account, which ends it before any record says so."""
    if grant["status"] == "active" and grant["expires_at"] <= now:
        return {**grant, "status": "expired", "ended_at": grant["expires_at"]}
    return grant


def _ended(grant: dict[str, Any]) -> Problem:
    at = grant["ended_at"]
    if grant["status"] == "expired":
        return Problem(403, "grant-expired", f"The grant on this slice ended at {at}.", at=at)
    return Problem(403, "grant-revoked", f"The grant on this slice was revoked at {at}.", at=at)
