"""Rights: what a caller may do now, decided by the twin's own store."""

from __future__ import annotations

import time
from collections.abc import Sequence

from twins.runtime import clock
from twins.runtime.authz.engine import Engine
from twins.runtime.authz.errors import Refused
from twins.runtime.authz.tuples import Given
from twins.runtime.callers import Caller, is_current
from twins.runtime.granted import ACTIVE, EXPIRED, READ, REVOKED, SCHEDULED, SUSPENDED, Grant, Granted
from twins.runtime.problems import Problem, forbidden, grant_required, not_found
from twins.runtime.state import State

SLICES = "slice"


class Rights:
    """Answers for one twin; every refusal to the same kind of caller looks the same."""

    def __init__(self, engine: Engine, state: State, twin_id: str, granted: Granted) -> None:
        self._engine = engine
        self._state = state
        self.granted = granted
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

    def is_curator(self, caller: Caller) -> bool:
        """Whether the caller keeps the twin on the platform's behalf; nobody does once it is claimed."""
        kept = self._engine.tuples.users(self.instance, "custody")
        return bool(kept) and self.may(caller, "curator", self.instance)

    def may_read(self, caller: Caller, slice_: str, verb: str = "") -> bool:
        """Whether the caller may read the slice: twins through a grant that has the verb (or any, for ""),
        unless the twin is locked; everybody else through a tuple.
        """
        if not caller.is_twin:
            return self.may(caller, "can_read", f"slice:{slice_}")
        if self.granted.locked:
            return False
        grant = self.granted.live(caller.id, slice_)
        if grant is not None and verb and verb not in grant.verbs:
            return False
        return self.may(caller, "can_read_federated", f"slice:{slice_}")

    def require(self, caller: Caller, relation: str, object_: str) -> None:
        """Return when the caller has the right.

        Raises:
            Problem: the refusal.
        """
        if not self.may(caller, relation, object_):
            raise self.refusal(caller, object_)

    def require_read(self, caller: Caller, slice_: str, verb: str = READ) -> None:
        """As `require`, for reading a slice."""
        if not self.may_read(caller, slice_, verb):
            raise self.refusal(caller, f"slice:{slice_}", verb)

    def admits(self, object_: str, relation: str, user: str, condition: str) -> bool:
        """Whether the model has room for a tuple of this shape; `condition` is "" for none."""
        return self._engine.model.admits(object_, relation, user, condition)

    def is_unknown(self, object_: str) -> bool:
        """Whether this names a slice that was never declared."""
        type_, _, name = object_.partition(":")
        return type_ == "slice" and self._state.raw(SLICES, name) is None

    def refusal(self, caller: Caller, object_: str, verb: str = "") -> Problem:
        """What a caller without the right is told: no more than it knows already."""
        type_, _, name = object_.partition(":")
        if caller.is_twin:
            return self._told(caller, name, verb) if type_ == "slice" else grant_required()
        if self.is_unknown(object_) and self.may(caller, "can_configure", self.instance):
            return not_found(f"slice {name[:60]!r}")
        return forbidden()

    def _told(self, caller: Caller, slice_: str, verb: str) -> Problem:
        """What a reader is told: how its own grant stands, and nothing if it never had one."""
        granted = self.granted
        grant = granted.live(caller.id, slice_) or granted.ended(caller.id, slice_)
        if grant is None or not is_current(caller, self._state):
            return grant_required()
        return _refused(grant, clock.now(), granted.locked, verb)


def _refused(grant: Grant, now: str, locked: bool, verb: str) -> Problem:
    status = grant.at(now)
    at = grant.ended(now) or grant.not_before
    if locked and status in (ACTIVE, SCHEDULED, SUSPENDED):
        text = "The twin is locked: nothing is read across twins until its owner opens it again."
        return Problem(403, "twin-locked", text)
    if status == ACTIVE and verb in ("", *grant.verbs):
        return grant_required()
    if status == ACTIVE:
        return Problem(403, "verb-not-granted", f"The grant on this slice allows {', '.join(grant.verbs)}.")
    if status == SCHEDULED:
        text = f"The grant on this slice begins at {at}."
        return Problem(403, "grant-not-yet-active", text, at=at)
    code = grant.reason_code or ""
    if status == SUSPENDED:
        text = f"The grant on this slice is suspended: {code}."
        return Problem(403, "grant-suspended", text, reason_code=code)
    if status == EXPIRED:
        return Problem(403, "grant-expired", f"The grant on this slice ended at {at}.", at=at)
    done = "revoked" if status == REVOKED else "surrendered"
    text = f"The grant on this slice was {done} at {at}: {code}."
    return Problem(403, f"grant-{done}", text, at=at, reason_code=code)
