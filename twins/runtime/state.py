"""State: a twin's memory, tables of canonical JSON that only effects change."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from twins.runtime import codec
from twins.runtime.table import Frozen, Table

OBJECTS = "object/"
MOST_TOMBSTONES = 10_000
MOST_VIEWS = 4096


class Effect(NamedTuple):
    """One row change; `value` is canonical JSON, or None when the row goes."""

    table: str
    key: str
    value: bytes | None


class Change(NamedTuple):
    """One row change as it happened: what was there and what is there now."""

    table: str
    key: str
    before: bytes | None
    after: bytes | None


class Size(NamedTuple):
    """How many rows, and how many bytes their keys and values have together."""

    rows: int
    bytes: int


Observer = Callable[[Sequence[Change]], None]


class State:
    """Tables of rows. Values are kept encoded, so nobody can hold or change a row behind the log's back."""

    def __init__(self) -> None:
        self._tables: dict[str, Table] = {}
        self._watching: dict[str, list[Observer]] = {}
        self._object_rows = 0
        self._object_bytes = 0

    @property
    def objects(self) -> Size:
        """The size of all tables whose name begins with `object/`."""
        return Size(self._object_rows, self._object_bytes)

    def raw(self, table: str, key: str) -> bytes | None:
        """A row's canonical JSON."""
        found = self._tables.get(table)
        return None if found is None else found.rows.get(key)

    def get(self, table: str, key: str) -> Any:
        """A fresh copy of a row, or None."""
        value = self.raw(table, key)
        return None if value is None else codec.decode(value)

    def view(self, table: str, key: str) -> Any:
        """A row that nobody can change (mappings and tuples), or None; cheap when it is read often."""
        value = self.raw(table, key)
        return None if value is None else _view(value)

    def count(self, table: str) -> int:
        return len(self.rows(table))

    def size(self, table: str) -> Size:
        """The size of one table."""
        found = self._tables.get(table)
        return Size(0, 0) if found is None else Size(len(found.rows), found.bytes)

    def rows(self, table: str) -> Mapping[str, bytes]:
        """The rows by key; those that were written last come last."""
        found = self._tables.get(table)
        return {} if found is None else found.rows

    def keys(self, table: str) -> Sequence[str]:
        """The table's keys in order; not to be changed by the caller."""
        found = self._tables.get(table)
        return () if found is None else found.ordered

    def frozen(self, table: str) -> Frozen:
        """The rows as they are now, whatever becomes of them."""
        found = self._tables.get(table)
        return Frozen([], {}) if found is None else found.frozen()

    def between(self, table: str, after: str | None, *, reverse: bool = False) -> Iterator[str]:
        """The keys that follow `after` in order, or in reversed order; all of them without it."""
        found = self._tables.get(table)
        if found is None:
            return iter(())
        low, high = (None, after) if reverse else (after, None)
        return iter(found.ordered.irange(low, high, inclusive=(False, False), reverse=reverse))

    def oldest(self, table: str, count: int) -> list[str]:
        """The keys that were written first."""
        return list(islice(self.rows(table), count))

    def newest(self, table: str) -> Iterator[tuple[str, bytes]]:
        """The rows, those first that were written last."""
        found = self._tables.get(table)
        return iter(()) if found is None else reversed(found.rows.items())

    def deleted_since(self, table: str, seq: int) -> list[str] | None:
        """The keys that went after record `seq`; None when that was too long ago to be known."""
        found = self._tables.get(table)
        return [] if found is None else found.deleted_since(seq)

    def scan(self, table: str) -> Iterator[tuple[str, Any]]:
        """Every row of the table, ordered by key."""
        rows = self.rows(table)
        for key in self.keys(table):
            yield key, codec.decode(rows[key])

    def copy(self) -> dict[str, dict[str, bytes]]:
        """Every table as it is now, in the order of its rows."""
        return {name: dict(table.rows) for name, table in self._tables.items()}

    def watch(self, observer: Observer, *tables: str) -> None:
        """Tell the observer of every commit that changed one of the tables, with all that it changed;
        `object/` stands for the tables of all slices.
        """
        for table in tables:
            self._watching.setdefault(table, []).append(observer)

    def apply(self, effects: Sequence[Effect], seq: int) -> list[Change]:
        """Make the changes of record `seq`, tell the observers and return what changed."""
        changes = [self._set(table, key, value, seq) for table, key, value in effects]
        if len(changes) == 1:
            observers: Iterable[Observer] = self._watching.get(_watched(changes[0].table), ())
        else:
            watched = {_watched(change.table): None for change in changes}
            observers = {one: None for name in watched for one in self._watching.get(name, ())}
        for observe in observers:
            observe(changes)
        return changes

    def restore(self, tables: Mapping[str, dict[str, bytes]], seq: int) -> None:
        """Take over whole tables as they were after record `seq`, into an empty state.

        What was deleted before is not known. Observers are told of every row that is no object.
        """
        for name, rows in tables.items():
            table = self._tables[name] = _table(name, rows, seq)
            if name.startswith(OBJECTS):
                self._object_rows += len(rows)
                self._object_bytes += table.bytes
        for name, rows in tables.items():
            if not name.startswith(OBJECTS):
                changes = [Change(name, key, None, value) for key, value in rows.items()]
                for observe in self._watching.get(name, ()):
                    observe(changes)

    def _set(self, name: str, key: str, value: bytes | None, seq: int) -> Change:
        table = self._tables.get(name)
        if table is None:
            table = self._tables[name] = _table(name, {}, 0)
        rows, bytes_ = len(table.rows), table.bytes
        before = table.delete(key, seq) if value is None else table.put(key, value)
        if name.startswith(OBJECTS):
            self._object_rows += len(table.rows) - rows
            self._object_bytes += table.bytes - bytes_
        return Change(name, key, before, value)

    def digest(self) -> str:
        """SHA-256 over every row, in order; equal states have equal digests."""
        total = hashlib.sha256()
        for name in sorted(self._tables):
            table = self._tables[name]
            for key in table.ordered:
                total.update(codec.encode([name, key, msgspec.Raw(table.rows[key])]))
        return total.hexdigest()


class Transaction:
    """What one reducer sees and changes; nothing reaches the state before the record is made."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._overlay: dict[tuple[str, str], bytes | None] = {}
        self.written = 0

    def raw(self, table: str, key: str) -> bytes | None:
        where = (table, key)
        return self._overlay[where] if where in self._overlay else self._state.raw(table, key)

    def get(self, table: str, key: str) -> Any:
        """A fresh copy of a row, or None."""
        value = self.raw(table, key)
        return None if value is None else codec.decode(value)

    def put(self, table: str, key: str, value: object) -> int:
        """Set a row and return how many bytes it has."""
        encoded = self._overlay[table, key] = codec.encode(value)
        self.written += len(key) + len(encoded)
        return len(encoded)

    def delete(self, table: str, key: str) -> None:
        """Remove a row, if it is there."""
        if self._state.raw(table, key) is None:
            self._overlay.pop((table, key), None)
        else:
            self._overlay[table, key] = None

    def keys(self, table: str) -> list[str]:
        """The table's keys in order, with this transaction's changes."""
        mine = {key: value for (name, key), value in self._overlay.items() if name == table}
        if not mine:
            return list(self._state.keys(table))
        kept = (key for key in self._state.keys(table) if key not in mine)
        return sorted([*kept, *(key for key, value in mine.items() if value is not None)])

    def scan(self, table: str) -> Iterator[tuple[str, Any]]:
        """Every row of the table, ordered by key, with this transaction's changes."""
        for key in self.keys(table):
            yield key, self.get(table, key)

    def oldest(self, table: str, count: int) -> list[str]:
        """The keys that were written first, before this transaction."""
        return self._state.oldest(table, count)

    def objects(self) -> tuple[Size, Size]:
        """The size of all objects before this transaction, and with its changes."""
        before = self._state.objects
        rows, bytes_ = before
        for (table, key), value in self._overlay.items():
            if table.startswith(OBJECTS):
                old = self._state.raw(table, key)
                rows += (value is not None) - (old is not None)
                bytes_ += _length(key, value) - _length(key, old)
        return before, Size(rows, bytes_)

    def surely_within(self, rows: int, bytes_: int) -> bool:
        """Whether all objects would fit even if this transaction replaced none; cheap, unlike `objects`."""
        used = self._state.objects
        return used.rows + len(self._overlay) <= rows and used.bytes + self.written <= bytes_

    def effects(self) -> list[Effect]:
        """The changes, in the order of the first touch."""
        return [Effect(table, key, value) for (table, key), value in self._overlay.items()]


def _table(name: str, rows: dict[str, bytes], floor: int) -> Table:
    return Table(rows, floor, MOST_TOMBSTONES if name.startswith(OBJECTS) else 0)


def _watched(table: str) -> str:
    return OBJECTS if table.startswith(OBJECTS) else table


def _length(key: str, value: bytes | None) -> int:
    return 0 if value is None else len(key) + len(value)


@lru_cache(maxsize=MOST_VIEWS)
def _view(value: bytes) -> Any:
    """The row; equal bytes are equal rows, so what is kept is never out of date."""
    return _frozen(codec.decode(value))


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return MappingProxyType({name: _frozen(member) for name, member in value.items()})
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
