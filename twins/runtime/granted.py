"""Granted: which grant opens which slice to which reader, and the posture, followed from the state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from twins.runtime.state import Change, State

GRANTS, POSTURE, EPOCHS, HISTORY, HELD = "grant", "posture", "grant_epoch", "grant_move", "held"
# Who of the owners agreed is not for the reader.
OWNERS_ONLY = frozenset({"approvals"})
REQUESTED, OFFERED, SCHEDULED, ACTIVE, SUSPENDED = "requested", "offered", "scheduled", "active", "suspended"
DENIED, WITHDRAWN, LAPSED, EXPIRED = "denied", "withdrawn", "lapsed", "expired"
REVOKED, SURRENDERED, SUPERSEDED = "revoked", "surrendered", "superseded"
WAITING = frozenset({REQUESTED, OFFERED})
LIVE = frozenset({SCHEDULED, ACTIVE, SUSPENDED})
TOLD = frozenset({EXPIRED, REVOKED, SURRENDERED})
READ, SUBSCRIBE, AGGREGATE = "read", "subscribe", "aggregate"
VERBS = (READ, SUBSCRIBE, AGGREGATE)
OPEN, APPROVALS, LOCKED = "open", "approvals", "locked"
TWIN = "twin"


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What of a grant's row decides; times as the log has them.

    Attributes:
        fields: top-level members of a body that are shown, or None for all.
        where: conditions on the rows that are shown.
        confirm_by: until when a new owner must have confirmed it, if a curator wrote it.
        lapses_at: until when a request or an offer waits for its answer.
        terms_seq: the record since which the reader sees just this.
    """

    grant_id: str
    reader: str
    slice: str
    status: str
    not_before: str
    expires_at: str
    verbs: tuple[str, ...] = VERBS
    fields: tuple[str, ...] | None = None
    where: dict[str, Any] = {}
    ended_at: str | None = None
    reason_code: str | None = None
    confirm_by: str | None = None
    lapses_at: str | None = None
    terms_seq: int = 0

    @property
    def end(self) -> str:
        """When it opens nothing any more."""
        return self.expires_at if self.confirm_by is None else min(self.expires_at, self.confirm_by)

    @property
    def due(self) -> str | None:
        """When time changes its status next."""
        if self.status in WAITING:
            return self.lapses_at
        if self.status == SCHEDULED:
            return min(self.not_before, self.end)
        return self.end if self.status in LIVE else None

    def at(self, now: str) -> str:
        """The status at an instant: time ends a grant before any record says so."""
        if self.status in LIVE and self.end <= now:
            return EXPIRED
        if self.status in WAITING and self.lapses_at is not None and self.lapses_at <= now:
            return LAPSED
        return ACTIVE if self.status == SCHEDULED and self.not_before <= now else self.status

    def ended(self, now: str) -> str | None:
        """When it ended, if it has at `now`."""
        if self.ended_at is None and self.at(now) in (EXPIRED, LAPSED):
            return self.lapses_at if self.status in WAITING else self.end
        return self.ended_at


def grant_of(row: dict[str, Any]) -> Grant:
    """What of a row of the table `grant` decides."""
    return msgspec.convert(row, Grant)


def for_reader(row: dict[str, Any]) -> dict[str, Any]:
    """A grant's row as its reader sees it."""
    return {name: value for name, value in row.items() if name not in OWNERS_ONLY}


_decode = msgspec.json.Decoder(Grant).decode
Pair = tuple[str, str]


class Granted:
    """The grants of a twin by reader and slice; there is at most one live grant for each pair.

    Attributes:
        posture: `open`, `approvals` or `locked`.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._live: dict[Pair, Grant] = {}
        self._ended: dict[Pair, Grant] = {}
        self._due: dict[str, str] = {}
        self._ids: dict[str, set[str]] = {}
        self.posture = OPEN
        state.watch(self._observe, GRANTS, POSTURE)

    @property
    def locked(self) -> bool:
        return self.posture == LOCKED

    @property
    def due(self) -> str | None:
        """When time changes the status of some grant next."""
        return min(self._due.values(), default=None)

    def live(self, reader: str, slice_: str) -> Grant | None:
        """The scheduled, active or suspended grant of a reader on a slice."""
        return self._live.get((reader, slice_))

    def lives(self) -> list[Grant]:
        """Every scheduled, active or suspended grant."""
        return list(self._live.values())

    def ended(self, reader: str, slice_: str) -> Grant | None:
        """The grant of the reader on the slice that was ended last."""
        return self._ended.get((reader, slice_))

    def ids(self, reader: str) -> list[str]:
        """The ids of every grant, request and offer of a reader, in order."""
        return sorted(self._ids.get(reader, ()))

    def epoch(self, reader: str) -> int:
        """How often the grants of a reader have changed."""
        row = self._state.view(EPOCHS, reader)
        epoch: int = 0 if row is None else row["epoch"]
        return epoch

    def _observe(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.table == GRANTS and change.after is not None:
                self._follow(_decode(change.after))
            elif change.table == POSTURE:
                row = self._state.view(POSTURE, TWIN)
                self.posture = OPEN if row is None else row["posture"]

    def _follow(self, grant: Grant) -> None:
        pair = (grant.reader, grant.slice)
        self._ids.setdefault(grant.reader, set()).add(grant.grant_id)
        if grant.status in LIVE:
            self._live[pair] = grant
        elif pair in self._live and self._live[pair].grant_id == grant.grant_id:
            del self._live[pair]
        if grant.status in TOLD:
            before = self._ended.get(pair)
            if before is None or (before.ended_at or "") <= (grant.ended_at or ""):
                self._ended[pair] = grant
        if grant.due is None:
            self._due.pop(grant.grant_id, None)
        else:
            self._due[grant.grant_id] = grant.due
