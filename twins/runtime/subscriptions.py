"""Subscriptions: rows of a slice as they are, then every commit that touches them, in commit order.

The right is asked again for every delivery, so nothing of a commit after a revoke can leave. A reader that
is slow, or gave few credits, gets fewer messages with the latest value of each object; it delays nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import msgspec

from twins.runtime import codec
from twins.runtime.authz import tuples
from twins.runtime.callers import DECIDING as DECIDING_KEYS
from twins.runtime.feeds import Feed, Feeds, View, chunks, tx_tail
from twins.runtime.granted import GRANTS, POSTURE, SUBSCRIBE, for_reader
from twins.runtime.metrics import Metrics
from twins.runtime.outbox import PAUSE, Connection, Message, Subscription, Wish
from twins.runtime.problems import Problem
from twins.runtime.rights import Rights
from twins.runtime.sight import Sights
from twins.runtime.slices import TABLE_PREFIX, changes_since, table_of
from twins.runtime.state import Change, State
from twins.runtime.waiting import Waiting
from twins.runtime.windows import Windows

REVOKED = 4403
EXPIRED = 4408
# About 3 ms of other callers' time.
LOOKED_AT_ONCE = 2000
DECIDING = DECIDING_KEYS | {tuples.TABLE, GRANTS, POSTURE}
Checked = dict[tuple[int, str], bool]


class Log(Protocol):
    """What the hub asks of the commitlog."""

    @property
    def seq(self) -> int: ...

    @property
    def durable(self) -> int: ...

    @property
    def epoch(self) -> int: ...


class Hub:
    """All subscriptions of a twin."""

    def __init__(
        self,
        state: State,
        rights: Rights,
        sights: Sights,
        log: Log,
        metrics: Metrics,
    ) -> None:
        self._state = state
        self._rights = rights
        self._sights = sights
        self._log = log
        self._metrics = metrics
        self._waiting = Waiting(log, metrics)
        self._feeds = Feeds()
        self._windows = Windows(rights.granted, self._still_holds)
        self.subscriptions: dict[Subscription, None] = {}
        self.at = self._waiting.at
        self.advance = self._waiting.advance
        self.abandon = self._waiting.abandon
        self.afterwards = self._waiting.afterwards

    def subscribe(self, wish: Wish, connection: Connection) -> None:
        """Send the rows, or what changed since `wish.since`, then go on with the commits after that.

        Raises:
            Problem: 422, the conditions do not fit; nothing has begun.
        """
        subscription = Subscription(wish, connection)
        self._join(subscription)
        self.subscriptions[subscription] = None
        connection.subscriptions[wish.id] = subscription
        self._windows.watch(subscription)
        reason = None if wish.since is None else self._resume(subscription, wish.since)
        if wish.since is None or reason:
            self._start(subscription, reason)

    def _join(self, subscription: Subscription) -> None:
        """Follow the slice as the caller sees it now."""
        wish, caller = subscription.wish, subscription.connection.caller
        sight = self._sights.of(caller, wish.slice)
        where = sight.filter(wish.where)
        names = sight.names(wish.fields)
        fields = None if names is None else tuple(sorted(names))
        view = View(where if where.conditions.nodes else None, sight.sees, fields)
        key = (wish.slice, where.text, fields, caller.id if sight.sees else "")
        subscription.feed = self._feeds.join(subscription, key, Feed(wish.slice, view, where.equality))
        subscription.sight, subscription.grant_id = sight.key, sight.grant_id

    def _start(self, subscription: Subscription, reason: str | None) -> None:
        """Send everything as of now; with a reason, in place of what the reader has."""
        subscription.restart(self._log.seq)
        table, wish = table_of(subscription.wish.slice), subscription.wish
        # A copy costs a tenth of what a list of pairs does, and is everybody's who begins at this moment.
        held = self._state.frozen(table)
        rows = ((id_, held.rows[id_]) for id_ in held.keys)
        seq = subscription.since

        def messages() -> Iterator[Message]:
            if reason:
                yield _message("reset", seq, {"id": wish.id, "reason": reason})
            yield from _rows(wish.id, seq, self._seen(subscription, rows))
            yield self._applied(subscription)

        self._begin(subscription, messages())

    def _resume(self, subscription: Subscription, since: int) -> str | None:
        """Send what changed since a record; a reason when that is not known any more."""
        wish, seq = subscription.wish, self._log.seq
        if wish.epoch not in (None, self._log.epoch) or since > seq:
            return "The twin's log is another one now."
        sight = self._sights.of(subscription.connection.caller, wish.slice)
        if sight.grant is not None and sight.grant.terms_seq > since:
            return "The grant's terms are others now."
        # Which objects are gone is not for everybody where some are not shown.
        hides = sight.sees or sight.rows
        found = None if hides else changes_since(self._state, wish.slice, since)
        if found is None:
            return "Too much has changed since."
        subscription.restart(seq)
        table = table_of(wish.slice)
        rows = [(id_, self._state.raw(table, id_)) for id_ in found.updated]
        self._begin(subscription, self._missed(subscription, rows, found.deleted))
        return None

    def _missed(
        self, subscription: Subscription, rows: list[tuple[str, bytes | None]], gone: list[str]
    ) -> Iterator[Message]:
        assert subscription.feed is not None
        id_, seq, view = subscription.wish.id, subscription.since, subscription.feed.view
        shown = [(one, view.row(one, value)) for one, value in rows]
        deleted = [*gone, *(one for one, row in shown if row is None)]
        for part in chunks((row for _, row in shown if row is not None), at_least_one=True):
            content = {"id": id_, "seq": seq, "update": list(map(msgspec.Raw, part)), "delete": deleted}
            yield _message("resumed", seq, content)
            deleted = []
        yield self._applied(subscription)

    def _begin(self, subscription: Subscription, messages: Iterator[Message]) -> None:
        subscription.first = messages
        self.at(subscription.since, lambda: self.pump(subscription))

    def _seen(
        self, subscription: Subscription, rows: Iterable[tuple[str, bytes | None]]
    ) -> Iterator[bytes | None]:
        """What is wanted and seen of the rows, and None again and again while they are looked through."""
        assert subscription.feed is not None
        view = subscription.feed.view
        for looked, (id_, value) in enumerate(rows, 1):
            row = view.row(id_, value)
            if row is not None:
                yield row
            if looked % LOOKED_AT_ONCE == 0:
                yield None

    def _applied(self, subscription: Subscription) -> Message:
        caller, wish = subscription.connection.caller, subscription.wish
        content = {"id": wish.id, "seq": subscription.since, "epoch": self._log.epoch, "grant": None}
        if caller.is_twin and subscription.grant_id is not None:
            content["grant"] = for_reader(self._state.get(GRANTS, subscription.grant_id))
            content["grant_epoch"] = self._rights.granted.epoch(caller.id)
        return _message("applied", subscription.since, content)

    def unsubscribe(self, connection: Connection, id_: str | None = None) -> list[Subscription]:
        """End one subscription of a connection, or all; the ended ones are returned."""
        mine = connection.subscriptions
        ended = [mine.pop(one) for one in (list(mine) if id_ is None else [id_]) if one in mine]
        for subscription in ended:
            self._feeds.leave(subscription)
            self.subscriptions.pop(subscription, None)
            self._windows.forget(subscription)
        return ended

    def credit(self, subscription: Subscription, more: int) -> None:
        """Let a subscription have more messages."""
        if subscription.credits >= 0:
            subscription.credits += more
            self.pump(subscription)

    def drained(self, connection: Connection) -> None:
        """The connection takes messages again."""
        for subscription in list(connection.subscriptions.values()):
            self.pump(subscription)

    def pump(self, subscription: Subscription) -> None:
        """Send what waits, as far as the reader takes it."""
        checked: Checked = {}
        while self._may_send(subscription):
            if not self._holds(subscription, checked):
                return
            message = subscription.take()
            if message is PAUSE:
                subscription.paused = True
                asyncio.get_running_loop().call_soon(self._go_on, subscription)
                return
            if message is None:
                if subscription.lost:
                    self._start(subscription, "You were too slow for all of it.")
                return
            self._metrics.sent += 1
            subscription.send(message)

    def _may_send(self, subscription: Subscription) -> bool:
        able = subscription.credits != 0 and not subscription.connection.full
        return able and not subscription.paused and subscription in self.subscriptions

    def _go_on(self, subscription: Subscription) -> None:
        subscription.paused = False
        self.pump(subscription)

    def publish(self, seq: int, changes: Sequence[Change]) -> None:
        """Send a commit that is on disk to everybody whom it concerns."""
        if any(change.table in DECIDING for change in changes):
            self.recheck()
        slices: dict[str, list[Change]] = {}
        for change in changes:
            if change.table.startswith(TABLE_PREFIX):
                slices.setdefault(change.table.removeprefix(TABLE_PREFIX), []).append(change)
        for slice_, some in slices.items():
            checked: Checked = {}
            for feed, mine in self._feeds.touched(slice_, some).items():
                self._deliver(seq, feed, mine, checked)

    def recheck(self) -> None:
        """Close every connection with a subscription whose right has ended; adapt those whose has changed."""
        checked: Checked = {}
        for subscription in list(self.subscriptions):
            if subscription in self.subscriptions and self._holds(subscription, checked):
                self._adapt(subscription)

    def _adapt(self, subscription: Subscription) -> None:
        """Go on by the grant as it is now."""
        connection, wish = subscription.connection, subscription.wish
        if not connection.caller.is_twin:
            return
        sight = self._sights.of(connection.caller, wish.slice)
        if sight.grant_id == subscription.grant_id and sight.key == subscription.sight:
            return
        subscription.grant_id = sight.grant_id
        self._windows.watch(subscription)
        if sight.key == subscription.sight:
            return
        try:
            sight.filter(wish.where)
        except Problem as problem:
            self.unsubscribe(connection, wish.id)
            told = {"id": wish.id, "problem": problem.to_json()}
            connection.send(_message("problem", 0, told))
            return
        self._feeds.leave(subscription)
        self._join(subscription)
        self._start(subscription, "The grant's terms are others now.")

    def _deliver(self, seq: int, feed: Feed, changes: list[Change], checked: Checked) -> None:
        entries = [entry for change in changes if (entry := feed.view.entry(change)) is not None]
        if not entries:
            return
        tail = tx_tail(seq, entries)
        messages: dict[bytes, Message] = {}
        for subscription in tuple(feed.members):
            if seq <= subscription.since or not self._holds(subscription, checked):
                continue
            if not subscription.is_ready:
                subscription.hold(seq, entries)
                self._metrics.held += 1
                continue
            prefix = subscription.prefix
            message = messages.get(prefix)
            if message is None:
                message = messages[prefix] = Message("tx", seq, prefix + tail)
            self._metrics.sent += 1
            subscription.send(message)

    def _holds(self, subscription: Subscription, checked: Checked) -> bool:
        """Whether the right holds at this moment; `checked` is what was found for others in it."""
        caller, slice_ = subscription.connection.caller, subscription.wish.slice
        key = (id(caller), slice_)
        allowed = checked.get(key)
        if allowed is None:
            allowed = checked[key] = self._rights.may_read(caller, slice_, SUBSCRIBE)
        if not allowed:
            self._cut(subscription.connection, slice_)
        return allowed

    def _still_holds(self, subscription: Subscription) -> bool:
        return subscription in self.subscriptions and self._holds(subscription, {})

    def _cut(self, connection: Connection, slice_: str) -> None:
        problem = self._rights.refusal(connection.caller, f"slice:{slice_}", SUBSCRIBE)
        if problem.kind == "grant-expired":
            connection.close(EXPIRED, "The grant's window ended.")
        elif problem.kind in ("forbidden", "grant-required", "not-found"):
            connection.close(REVOKED, "The right was revoked, or the key is no longer good.")
        else:
            connection.close(REVOKED, problem.detail)
        self.unsubscribe(connection)


def _message(kind: str, seq: int, content: dict[str, Any]) -> Message:
    return Message(kind, seq, codec.encode({"type": kind, **content}))


def _rows(id_: str, seq: int, rows: Iterable[bytes | None]) -> Iterator[Message]:
    start = b'{"type":"rows","id":%b,"rows":[' % codec.encode(id_)
    for part in chunks(rows):
        yield Message("rows", seq, b"%b%b]}" % (start, b",".join(part))) if part else PAUSE
