"""Feeds: subscriptions that want the same of a slice, and which of them a change concerns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from twins.runtime import codec
from twins.runtime.query import Filter, Projection
from twins.runtime.query.paths import Fields, Getter
from twins.runtime.slices import Sees, body_of, object_of, seq_of
from twins.runtime.state import Change

if TYPE_CHECKING:
    from twins.runtime.outbox import Subscription

ROWS_AT_ONCE, BYTES_AT_ONCE = 500, 256 * 1024


class Entry(NamedTuple):
    """What a commit did to one object, as a feed sees it: rows as messages have them, None where not seen."""

    id: str
    before: bool
    after: bytes | None


class View:
    """How a feed sees a slice: through a filter, as the module lets this caller, some members only."""

    def __init__(self, where: Filter | None, sees: Sees | None, fields: tuple[str, ...] | None) -> None:
        self._where = where
        self._sees = sees
        self._projection = None if fields is None else Projection(frozenset(fields))

    def row(self, id_: str, value: bytes | None) -> bytes | None:
        """The object as a message has it, or None when it is not seen."""
        if value is None:
            return None
        if self._where is not None and not self._where.matches_row(value):
            return None
        if self._sees is not None and not self._sees(object_of(id_, value)):
            return None
        body = body_of(value)
        shown = body if self._projection is None else bytes(self._projection.of(body))
        return b'{"body":%b,"id":%b,"seq":%d}' % (shown, codec.encode(id_), seq_of(value))

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


class Keyed:
    """The feeds of a slice whose filter has an equality, by path and value."""

    def __init__(self) -> None:
        self._paths: dict[str, dict[Any, dict[Feed, None]]] = {}
        self._readers: list[tuple[Getter, dict[Any, dict[Feed, None]]]] = []
        self._of_row: Callable[[bytes], Any] = bytes

    def home(self, path: str, value: Any) -> dict[Feed, None]:
        """The feeds that want this value there."""
        if path not in self._paths:
            self._paths[path] = {}
            self._prepare()
        # 1 and true are equal and have one hash.
        return self._paths[path].setdefault((type(value), value), {})

    def tidy(self, path: str, value: Any) -> None:
        """Forget a value, and a path, that nobody wants any more."""
        values = self._paths[path]
        if not values[type(value), value]:
            del values[type(value), value]
        if not values:
            del self._paths[path]
            self._prepare()

    def _prepare(self) -> None:
        fields = Fields(self._paths)
        self._of_row = fields.of_row
        self._readers = [(fields.getter(path), values) for path, values in self._paths.items()]

    def meant(self, change: Change) -> dict[Feed, None]:
        """The feeds that want what the object has, or had."""
        meant: dict[Feed, None] = {}
        for row in (change.before, change.after):
            body = None if row is None or not self._readers else self._of_row(row)
            for get, values in self._readers if body is not None else ():
                value = get(body)
                if value.__hash__ is not None:
                    meant.update(values.get((type(value), value), {}))
        return meant


class Feeds:
    """The feeds of a twin; a commit costs what it touches.

    A feed whose filter has an equality is found by the value that a changed object has, or had, there.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Feed] = {}
        self._open: dict[str, dict[Feed, None]] = {}
        self._keyed: dict[str, Keyed] = {}

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
        return self._keyed.setdefault(feed.slice, Keyed()).home(*feed.equality)

    def _tidy(self, feed: Feed) -> None:
        if feed.equality is not None:
            self._keyed[feed.slice].tidy(*feed.equality)

    def touched(self, slice_: str, changes: Sequence[Change]) -> dict[Feed, list[Change]]:
        """The feeds that changes of a slice may concern, each with those changes."""
        found: dict[Feed, list[Change]] = {feed: list(changes) for feed in self._open.get(slice_, ())}
        keyed = self._keyed.get(slice_)
        if keyed is not None:
            for change in changes:
                for feed in keyed.meant(change):
                    found.setdefault(feed, []).append(change)
        return found


def chunks(rows: Iterable[bytes | None], *, at_least_one: bool = False) -> Iterator[list[bytes]]:
    """The rows in parts of at most 500 and about 256 KiB; if wanted, an empty part of none.

    An empty part also comes where None stands for many rows that are not wanted.
    """
    part: list[bytes] = []
    size = 0
    for row in rows:
        if row is None:
            yield []
            continue
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
