"""Feeds: subscriptions that want the same of a slice, and which of them a change concerns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from twins.runtime import codec
from twins.runtime.filters import Filter, member
from twins.runtime.slices import Sees, object_of
from twins.runtime.state import Change

if TYPE_CHECKING:
    from twins.runtime.outbox import Subscription

ROWS_AT_ONCE, BYTES_AT_ONCE = 500, 256 * 1024


class Stored(msgspec.Struct, gc=False):
    """An object's row."""

    body: msgspec.Raw
    seq: int


class Entry(NamedTuple):
    """What a commit did to one object, as a feed sees it: rows as messages have them, None where not seen."""

    id: str
    before: bool
    after: bytes | None


_decode = msgspec.json.Decoder(Stored).decode


class View:
    """How a feed sees a slice: through a filter, as the module lets this caller, some members only."""

    def __init__(self, where: Filter | None, sees: Sees | None, fields: tuple[str, ...] | None) -> None:
        self._where = where
        self._sees = sees
        self._fields = fields

    def row(self, id_: str, value: bytes | None) -> bytes | None:
        """The object as a message has it, or None when it is not seen."""
        if value is None:
            return None
        stored = _decode(value)
        if self._where is not None and not self._where.matches(bytes(stored.body)):
            return None
        if self._sees is not None and not self._sees(object_of(id_, value)):
            return None
        body = bytes(stored.body) if self._fields is None else self._picked(stored.body)
        return b'{"body":%b,"id":%b,"seq":%d}' % (body, codec.encode(id_), stored.seq)

    def _picked(self, body: msgspec.Raw) -> bytes:
        whole = codec.decode(body)
        return codec.encode({name: whole[name] for name in self._fields or () if name in whole})

    def entry(self, change: Change) -> Entry | None:
        """What a change is to the feed, or None when it is nothing."""
        before = change.before is not None and self.row(change.key, change.before) is not None
        after = self.row(change.key, change.after)
        return Entry(change.key, before, after) if before or after is not None else None


@dataclass(eq=False)
class Feed:
    """One view of one slice and everybody who follows it."""

    slice: str
    view: View
    equality: tuple[str, Any] | None
    members: dict[Subscription, None] = field(default_factory=dict)


class Feeds:
    """The feeds of a twin; a commit costs what it touches.

    A feed whose filter has an equality is found by the value that a changed object has, or had, there.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Feed] = {}
        self._open: dict[str, dict[Feed, None]] = {}
        self._keyed: dict[str, dict[str, dict[Any, dict[Feed, None]]]] = {}

    def join(self, subscription: Subscription, key: tuple[Any, ...], feed: Feed) -> Feed:
        """Add a subscription to the feed with this key, which is `feed` if it is new."""
        found = self._known.setdefault(key, feed)
        subscription.key = key
        if found is feed:
            self._home(feed)[feed] = None
        found.members[subscription] = None
        return found

    def leave(self, subscription: Subscription) -> None:
        """Take a subscription out, and its feed when it was the last."""
        feed = self._known[subscription.key]
        feed.members.pop(subscription, None)
        if not feed.members:
            del self._known[subscription.key]
            self._home(feed).pop(feed, None)
            self._tidy(feed)

    def _home(self, feed: Feed) -> dict[Feed, None]:
        if feed.equality is None:
            return self._open.setdefault(feed.slice, {})
        path, value = feed.equality
        return (
            self._keyed.setdefault(feed.slice, {}).setdefault(path, {}).setdefault((type(value), value), {})
        )

    def _tidy(self, feed: Feed) -> None:
        if feed.equality is not None:
            path, value = feed.equality
            values = self._keyed[feed.slice][path]
            if not values[type(value), value]:
                del values[type(value), value]
            if not values:
                del self._keyed[feed.slice][path]

    def touched(self, slice_: str, changes: Sequence[Change]) -> dict[Feed, list[Change]]:
        """The feeds that changes of a slice may concern, each with those changes."""
        found: dict[Feed, list[Change]] = {feed: list(changes) for feed in self._open.get(slice_, ())}
        keyed = self._keyed.get(slice_)
        if keyed:
            for change in changes:
                for feed in self._meant(keyed, change):
                    found.setdefault(feed, []).append(change)
        return found

    def _meant(self, keyed: dict[str, dict[Any, dict[Feed, None]]], change: Change) -> dict[Feed, None]:
        bodies = [bytes(_decode(value).body) for value in (change.before, change.after) if value is not None]
        meant: dict[Feed, None] = {}
        for path, values in keyed.items():
            read = member(path)
            for body in bodies:
                value = read(body)
                if value.__hash__ is not None:
                    meant.update(values.get((type(value), value), {}))
        return meant


def chunks(rows: Iterable[bytes], *, at_least_one: bool = False) -> Iterator[list[bytes]]:
    """The rows in parts of at most 500 and about 256 KiB; if wanted, an empty part of none."""
    part: list[bytes] = []
    size = 0
    for row in rows:
        if part and (len(part) == ROWS_AT_ONCE or size + len(row) > BYTES_AT_ONCE):
            yield part
            part, size = [], 0
        part.append(row)
        size += len(row)
    if part or at_least_one:
        yield part


def tx_tail(seq: int, entries: Iterable[Entry], *, coalesced: bool = False) -> bytes:
    """A `tx` message behind its id."""
    insert: list[bytes] = []
    update: list[bytes] = []
    delete: list[bytes] = []
    for entry in entries:
        if entry.after is None:
            delete.append(codec.encode(entry.id))
        else:
            (update if entry.before else insert).append(entry.after)
    return b',"seq":%d,"insert":[%b],"update":[%b],"delete":[%b]%b}' % (
        seq,
        b",".join(insert),
        b",".join(update),
        b",".join(delete),
        b',"coalesced":true' if coalesced else b"",
    )
