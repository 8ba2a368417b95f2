"""Indexes: the ids of a slice's objects by what their bodies hold; derived, never stored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from typing import Any

from sortedcontainers import SortedList

from twins.runtime.query.declaration import Declaration, Index
from twins.runtime.query.orders import ORDERS
from twins.runtime.query.paths import MISSING, Fields, Getter
from twins.runtime.query.words import words
from twins.runtime.state import Change

# (0, key, id), or (1, id) for an object without a place in the order: these come last.
Entry = tuple[Any, ...]
Keys = Collection[Any]


class InvertedIndex:
    """Ids by value, or by word; a key with one id, which is common, costs no set.

    1 and true share a key: whoever looks here looks at the objects, too.
    """

    def __init__(self, keys: Callable[[Any], Keys]) -> None:
        self.keys = keys
        self._ids: dict[Hashable, str | set[str]] = {}

    def add(self, key: Any, id_: str) -> None:
        held = self._ids.setdefault(key, id_)
        if isinstance(held, set):
            held.add(id_)
        elif held != id_:
            self._ids[key] = {held, id_}

    def remove(self, key: Any, id_: str) -> None:
        held = self._ids[key]
        if isinstance(held, set):
            held.remove(id_)
        if not held or held == id_:
            del self._ids[key]

    def ids(self, key: Hashable) -> Collection[str]:
        """The objects with this key."""
        held = self._ids.get(key, ())
        return (held,) if isinstance(held, str) else held


class RangeIndex:
    """Every id in the order of the values of a path."""

    def __init__(self, path: str, order: str, keys: Callable[[Any], Keys]) -> None:
        self.path = path
        self.order = order
        self.keys = keys
        self._entries: SortedList[Entry] = SortedList()

    def add(self, key: Any, id_: str) -> None:
        self._entries.add((*key, id_))

    def remove(self, key: Any, id_: str) -> None:
        self._entries.remove((*key, id_))

    def fill(self, entries: Iterable[Entry]) -> None:
        """Add many entries at once."""
        self._entries.update(entries)

    def entry(self, body: Any, id_: str) -> Entry:
        """Where an object stands."""
        (key,) = self.keys(body)
        return (*key, id_)

    def count(self, low: Entry | None, high: Entry | None) -> int:
        """How many entries lie between."""
        first = 0 if low is None else self._entries.bisect_left(low)
        last = len(self._entries) if high is None else self._entries.bisect_right(high)
        return max(last - first, 0)

    def between(self, low: Entry | None, high: Entry | None, *, reverse: bool = False) -> Iterator[Entry]:
        """The entries between these two, which are left out, in order."""
        return iter(self._entries.irange(low, high, (False, False), reverse))


def _make(index: Index, get: Getter) -> InvertedIndex | RangeIndex:
    if index.type == "text":
        return InvertedIndex(lambda body: words(get(body)))
    if index.type == "equality":
        return InvertedIndex(lambda body: _values(get(body)))
    key_of = ORDERS[index.order]

    def place(body: Any) -> Keys:
        key = key_of(get(body))
        return ((1,),) if key is None else ((0, key),)

    return RangeIndex(index.path, index.order, place)


def _values(value: Any) -> Keys:
    return () if value is MISSING or isinstance(value, (dict, list)) else (value,)


class SliceIndexes:
    """All declared indexes of one slice, filled from its rows."""

    def __init__(self, declaration: Declaration, rows: Mapping[str, bytes]) -> None:
        fields = Fields(one.path for one in declaration.indexes)
        self._of_row = fields.of_row
        self._by = {(one.type, one.path): _make(one, fields.getter(one.path)) for one in declaration.indexes}
        if self._by:
            self._fill(rows)

    def range(self, path: str) -> RangeIndex | None:
        """The range index of a path."""
        found = self._by.get(("range", path))
        return found if isinstance(found, RangeIndex) else None

    def equality(self, path: str) -> InvertedIndex | None:
        """The equality index of a path."""
        found = self._by.get(("equality", path))
        return found if isinstance(found, InvertedIndex) else None

    def text(self, path: str) -> InvertedIndex | None:
        """The text index of a path."""
        found = self._by.get(("text", path))
        return found if isinstance(found, InvertedIndex) else None

    def entry(self, index: RangeIndex, id_: str, value: bytes) -> Entry:
        """Where an object's row stands in an index of this slice."""
        return index.entry(self._of_row(value), id_)

    def observe(self, change: Change) -> None:
        """Follow one change of the slice."""
        before = None if change.before is None else self._of_row(change.before)
        after = None if change.after is None else self._of_row(change.after)
        for index in self._by.values():
            old = () if before is None else index.keys(before)
            new = () if after is None else index.keys(after)
            if old != new:
                for key in old:
                    index.remove(key, change.key)
                for key in new:
                    index.add(key, change.key)

    def _fill(self, rows: Mapping[str, bytes]) -> None:
        inverted = [index for index in self._by.values() if isinstance(index, InvertedIndex)]
        ranges = [(index, list[Entry]()) for index in self._by.values() if isinstance(index, RangeIndex)]
        for id_, value in rows.items():
            body = self._of_row(value)
            for index in inverted:
                for key in index.keys(body):
                    index.add(key, id_)
            for ordered, entries in ranges:
                entries.append(ordered.entry(body, id_))
        for ordered, entries in ranges:
            ordered.fill(entries)
