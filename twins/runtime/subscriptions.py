"""Subscriptions: rows of a slice as they are, then every commit that touches them, in commit order.

The right is asked again for every delivery, so nothing of a commit after a revoke can leave.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from twins.runtime import codec
from twins.runtime.authz import tuples
from twins.runtime.callers import FORMER, KEYS, Caller
from twins.runtime.identity import TABLE as IDENTITY
from twins.runtime.module import Visible
from twins.runtime.rights import Rights
from twins.runtime.slices import TABLE_PREFIX, Row, Sees, object_of, row_json, rows_of
from twins.runtime.state import Change, State

REVOKED = 4403
EXPIRED = 4408
CHUNK = 200
DECIDING = frozenset({tuples.TABLE, KEYS, FORMER, IDENTITY})


class Connection(Protocol):
    """Where frames go; `close` ends it after nothing more of what waits has left."""

    caller: Caller

    def send(self, frames: Iterable[bytes]) -> None: ...

    def close(self, code: int, reason: str) -> None: ...


@dataclass(frozen=True)
class Subscription:
    """One connection's interest in one slice, from the record `since` on."""

    id: str
    slice: str
    connection: Connection
    since: int


class Hub:
    """All subscriptions of a twin and the commits that wait until they are on disk."""

    def __init__(
        self, state: State, rights: Rights, visible: Visible | None, durable: Callable[[], int]
    ) -> None:
        self._state = state
        self._rights = rights
        self._visible = visible
        self._durable = durable
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()
        self._subscriptions: list[Subscription] = []

    def at(self, seq: int, action: Callable[[], None]) -> None:
        """Run the action when record `seq` is on disk, after everything that was to run before."""
        self._waiting.append((seq, action))
        self.advance(self._durable())

    def advance(self, durable: int) -> None:
        """Run what waited for records up to `durable`."""
        while self._waiting and self._waiting[0][0] <= durable:
            self._waiting.popleft()[1]()

    def subscribe(self, subscription: Subscription) -> None:
        """Send the rows as of `since`, then go on with the commits after it."""
        caller, slice_ = subscription.connection.caller, subscription.slice
        rows = list(rows_of(self._state, slice_, self._sees(caller, slice_)))
        grant = self._rights.active_grant(caller.id, slice_) if caller.is_twin else None
        self._subscriptions.append(subscription)
        self.at(subscription.since, lambda: self._begin(subscription, rows, grant))

    def _begin(self, subscription: Subscription, rows: list[Row], grant: dict[str, Any] | None) -> None:
        if subscription in self._subscriptions and self._holds(subscription):
            subscription.connection.send(_first_frames(subscription, rows, grant))

    def unsubscribe(self, connection: Connection, id_: str | None = None) -> list[Subscription]:
        """End one subscription of a connection, or all; the ended ones are returned."""
        ended = [one for one in self._subscriptions if one.connection is connection and id_ in (None, one.id)]
        self._subscriptions = [one for one in self._subscriptions if one not in ended]
        return ended

    def publish(self, seq: int, changes: Sequence[Change]) -> None:
        """Send a commit that is on disk to everybody whom it concerns."""
        if any(change.table in DECIDING for change in changes):
            self.recheck()
        for slice_ in {c.table for c in changes if c.table.startswith(TABLE_PREFIX)}:
            self._deliver(seq, slice_.removeprefix(TABLE_PREFIX), [c for c in changes if c.table == slice_])

    def recheck(self) -> None:
        """Close every connection with a subscription whose right has ended."""
        for subscription in list(self._subscriptions):
            self._holds(subscription)

    def _deliver(self, seq: int, slice_: str, changes: list[Change]) -> None:
        for subscription in list(self._subscriptions):
            if subscription.slice == slice_ and seq > subscription.since and self._holds(subscription):
                sees = self._sees(subscription.connection.caller, slice_)
                message = _tx_frame(subscription.id, seq, changes, sees)
                if message is not None:
                    subscription.connection.send([message])

    def _holds(self, subscription: Subscription) -> bool:
        caller, slice_ = subscription.connection.caller, subscription.slice
        if self._rights.may_read(caller, slice_):
            return True
        ended = self._rights.ended_grant(caller.id, slice_) if caller.is_twin else None
        if ended is not None and ended["status"] == "expired":
            subscription.connection.close(EXPIRED, "The grant's window ended.")
        else:
            subscription.connection.close(REVOKED, "The right was revoked, or the key is no longer good.")
        self.unsubscribe(subscription.connection)
        return False

    def _sees(self, caller: Caller, slice_: str) -> Sees | None:
        visible = self._visible
        return None if visible is None else lambda object_: visible(caller.id, slice_, object_)


def _first_frames(
    subscription: Subscription, rows: list[Row], grant: dict[str, Any] | None
) -> Iterator[bytes]:
    left = iter(rows)
    while chunk := list(islice(left, CHUNK)):
        yield codec.encode(
            {"type": "rows", "id": subscription.id, "rows": [row_json(id_, value) for id_, value in chunk]}
        )
    yield codec.encode({"type": "applied", "id": subscription.id, "seq": subscription.since, "grant": grant})


def _tx_frame(id_: str, seq: int, changes: list[Change], sees: Sees | None) -> bytes | None:
    """The message about a commit, or None when nothing of it is visible."""
    parts: dict[str, list[Any]] = {"insert": [], "update": [], "delete": []}
    for change in changes:
        before = _seen(change.key, change.before, sees)
        after = _seen(change.key, change.after, sees)
        if after is not None:
            parts["insert" if before is None else "update"].append(row_json(change.key, after))
        elif before is not None:
            parts["delete"].append(change.key)
    if not any(parts.values()):
        return None
    return codec.encode({"type": "tx", "id": id_, "seq": seq, **parts})


def _seen(id_: str, value: bytes | None, sees: Sees | None) -> bytes | None:
    return value if value is not None and (sees is None or sees(object_of(id_, value))) else None
