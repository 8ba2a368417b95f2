"""State: a twin's memory, tables of canonical JSON that only effects change."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from twins.runtime import codec


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


Observer = Callable[[Sequence[Change]], None]


def effects_to_json(effects: Sequence[Effect]) -> list[list[Any]]:
    """The effects as a record holds them."""
    return [
        ["del", table, key] if value is None else ["put", table, key, msgspec.Raw(value)]
        for table, key, value in effects
    ]


def effects_from_json(rows: Sequence[Sequence[Any]]) -> list[Effect]:
    """The effects of a record that was read."""
    return [Effect(row[1], row[2], codec.encode(row[3]) if row[0] == "put" else None) for row in rows]


class State:
    """Tables of rows. Values are kept encoded, so nobody can hold or change a row behind the log's back."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, bytes]] = {}
        self._sorted: dict[str, list[str]] = {}
        self.observers: list[Observer] = []

    def raw(self, table: str, key: str) -> bytes | None:
        """A row's canonical JSON."""
        return self._tables.get(table, {}).get(key)

    def get(self, table: str, key: str) -> Any:
        """A fresh copy of a row, or None."""
        value = self.raw(table, key)
        return None if value is None else codec.decode(value)

    def count(self, table: str) -> int:
        return len(self._tables.get(table, ()))

    def keys(self, table: str) -> list[str]:
        """The table's keys in order; not to be changed by the caller."""
        known = self._sorted.get(table)
        if known is None:
            known = self._sorted[table] = sorted(self._tables.get(table, ()))
        return known

    def page(self, table: str, after: str, limit: int) -> list[str]:
        """At most `limit` keys that follow `after` in order."""
        keys = self.keys(table)
        start = bisect_right(keys, after)
        return keys[start : start + limit]

    def oldest(self, table: str, count: int) -> list[str]:
        """The keys that were put first."""
        return list(islice(self._tables.get(table, ()), count))

    def scan(self, table: str) -> Iterator[tuple[str, Any]]:
        """Every row of the table, ordered by key."""
        rows = self._tables.get(table, {})
        for key in self.keys(table):
            yield key, codec.decode(rows[key])

    def copy(self) -> dict[str, dict[str, bytes]]:
        """Every table as it is now, in the order of its rows."""
        return {name: dict(rows) for name, rows in self._tables.items()}

    def restore(self, tables: Mapping[str, dict[str, bytes]], seq: int) -> None:
        """Take over whole tables as they were after record `seq`, into an empty state.

        Observers are told of every row that is no object.
        """
        self._tables.update(tables)
        for name, rows in tables.items():
            if not name.startswith("object/"):
                changes = [Change(name, key, None, value) for key, value in rows.items()]
                for observe in self.observers:
                    observe(changes)

    def apply(self, effects: Sequence[Effect]) -> list[Change]:
        """Make the changes, tell the observers and return what changed."""
        changes = [self._set(*effect) for effect in effects]
        if changes:
            for observe in self.observers:
                observe(changes)
        return changes

    def _set(self, table: str, key: str, value: bytes | None) -> Change:
        rows = self._tables.setdefault(table, {})
        before = rows.pop(key, None) if value is None else rows.get(key)
        if value is not None:
            rows[key] = value
        elif not rows:
            del self._tables[table]
        if (before is None) != (value is None):
            self._sorted.pop(table, None)
        return Change(table, key, before, value)

    def digest(self) -> str:
        """SHA-256 over every row, in order; equal states have equal digests."""
        total = hashlib.sha256()
        for table in sorted(self._tables):
            for key in self.keys(table):
                total.update(codec.encode([table, key, msgspec.Raw(self._tables[table][key])]))
        return total.hexdigest()


class Transaction:
    """What one reducer sees and changes; nothing reaches the state before the record is made."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._overlay: dict[tuple[str, str], bytes | None] = {}

    def raw(self, table: str, key: str) -> bytes | None:
        where = (table, key)
        return self._overlay[where] if where in self._overlay else self._state.raw(table, key)

    def get(self, table: str, key: str) -> Any:
        """A fresh copy of a row, or None."""
        value = self.raw(table, key)
        return None if value is None else codec.decode(value)

    def put(self, table: str, key: str, value: object) -> None:
        """Set a row."""
        self._overlay[table, key] = codec.encode(value)

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
        """The keys that were put first, before this transaction."""
        return self._state.oldest(table, count)

    def effects(self) -> list[Effect]:
        """The changes, in the order of the first touch."""
        return [Effect(table, key, value) for (table, key), value in self._overlay.items()]
