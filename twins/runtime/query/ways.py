"""Ways: the orders in which a slice's objects are gone through, and where a page takes up again.

A cursor names the last object that was given and its place, so that pages join without gap or overlap
whatever came or went meanwhile. In the order of ids it is the id itself.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Protocol

from twins.runtime import codec
from twins.runtime.problems import Problem
from twins.runtime.query.indexes import Entry, RangeIndex, SliceIndexes
from twins.runtime.query.orders import decimal
from twins.runtime.query.plan import Span
from twins.runtime.state import State

ID = "id"
KEY_TYPES: dict[str, type] = {"text": str, "number": int, "decimal": str, "time": str}


class Way(Protocol):
    """One order."""

    def count(self) -> int:
        """How many objects there are at most to go through."""

    def walk(self, after: str) -> Iterator[str]:
        """Their ids from the cursor on."""

    def sort(self, ids: Iterable[str], after: str) -> list[str]:
        """Those of the ids that follow the cursor, in order."""

    def cursor(self, id_: str) -> str:
        """The cursor after which the object's successors follow."""


class ById:
    """In the order of the ids."""

    def __init__(self, state: State, table: str, *, reverse: bool) -> None:
        self._state = state
        self._table = table
        self._reverse = reverse

    def count(self) -> int:
        return self._state.count(self._table)

    def walk(self, after: str) -> Iterator[str]:
        return self._state.between(self._table, after or None, reverse=self._reverse)

    def sort(self, ids: Iterable[str], after: str) -> list[str]:
        if after:
            ids = (id_ for id_ in ids if (id_ < after if self._reverse else id_ > after))
        return sorted(ids, reverse=self._reverse)

    def cursor(self, id_: str) -> str:
        return id_


class ByIndex:
    """In the order of a range index; objects without a value come last, reversed they come first."""

    def __init__(
        self,
        rows: Mapping[str, bytes],
        indexes: SliceIndexes,
        index: RangeIndex,
        reach: Span,
        *,
        reverse: bool,
    ) -> None:
        self._rows = rows
        self._indexes = indexes
        self._index = index
        self._low, self._high = reach
        self._reverse = reverse

    def count(self) -> int:
        return self._index.count(self._low, self._high)

    def walk(self, after: str) -> Iterator[str]:
        low, high = self._low, self._high
        if after and self._reverse:
            high = _lesser(high, self._read(after))
        elif after:
            low = _greater(low, self._read(after))
        for entry in self._index.between(low, high, reverse=self._reverse):
            yield entry[-1]

    def sort(self, ids: Iterable[str], after: str) -> list[str]:
        entries: Iterable[Entry] = (self._entry(id_) for id_ in ids)
        if after:
            last = self._read(after)
            entries = (entry for entry in entries if (entry < last if self._reverse else entry > last))
        return [entry[-1] for entry in sorted(entries, reverse=self._reverse)]

    def cursor(self, id_: str) -> str:
        entry = [str(part) if isinstance(part, Decimal) else part for part in self._entry(id_)]
        named = codec.encode([self._index.path, *entry])
        return base64.urlsafe_b64encode(named).decode().rstrip("=")

    def _entry(self, id_: str) -> Entry:
        return self._indexes.entry(self._index, id_, self._rows[id_])

    def _read(self, cursor: str) -> Entry:
        """The entry that a cursor names.

        Raises:
            Problem: 400, it is none of this order.
        """
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            named = codec.parse(base64.b64decode(padded, altchars=b"-_", validate=True))
            return self._checked(named)
        except (ValueError, Problem):
            raise Problem(400, "bad-request", "`after` is not the `next` of a page in this order.") from None

    def _checked(self, named: Any) -> Entry:
        match named:
            case [self._index.path, 0, key, str(id_)] if type(key) is KEY_TYPES[self._index.order]:
                place = decimal(key) if self._index.order == "decimal" else key
                if place is not None:
                    return (0, place, id_)
            case [self._index.path, 1, str(id_)]:
                return (1, id_)
        raise ValueError


def _greater(one: Entry | None, other: Entry) -> Entry:
    return other if one is None else max(one, other)


def _lesser(one: Entry | None, other: Entry) -> Entry:
    return other if one is None else min(one, other)
