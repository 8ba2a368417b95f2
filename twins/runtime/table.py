"""Table: the rows of one name, in the order in which they were last written."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import takewhile
from weakref import ReferenceType, ref

from sortedcontainers import SortedList


class Frozen:
    """The rows of a table at a moment, with their keys in order; all who look at that moment share it."""

    __slots__ = ("__weakref__", "keys", "rows")

    def __init__(self, keys: list[str], rows: dict[str, bytes]) -> None:
        self.keys, self.rows = keys, rows


class Table:
    """Rows by key, with their size, their order by key once somebody asks, and the newest deletions.

    Attributes:
        rows: canonical JSON by key; a row that is written again moves to the end.
        bytes: the length of every key and row together.
        floor: deletions up to this seq may be forgotten.
    """

    __slots__ = ("_frozen", "_most_tombstones", "_ordered", "_tombstones", "bytes", "floor", "rows")

    def __init__(self, rows: dict[str, bytes], floor: int, most_tombstones: int) -> None:
        self.rows = rows
        self.bytes = sum(map(len, rows)) + sum(map(len, rows.values()))
        self.floor = floor
        self._most_tombstones = most_tombstones
        self._frozen: ReferenceType[Frozen] | None = None
        self._ordered: SortedList[str] | None = None
        self._tombstones: deque[tuple[int, str]] = deque()

    def put(self, key: str, value: bytes) -> bytes | None:
        """Set a row and return the one that it replaces."""
        self._frozen = None
        before = self.rows.pop(key, None)
        # A copy has just the room that it needs, where the encoder's own bytes keep half as much again.
        self.rows[key] = bytes(memoryview(value))
        if before is not None:
            self.bytes += len(value) - len(before)
            return before
        self.bytes += len(key) + len(value)
        if self._ordered is not None:
            self._ordered.add(key)
        return None

    def delete(self, key: str, seq: int) -> bytes | None:
        """Remove a row, if it is there, and return it."""
        before = self.rows.pop(key, None)
        if before is None:
            return None
        self._frozen = None
        self.bytes -= len(key) + len(before)
        if self._ordered is not None:
            self._ordered.remove(key)
        self._tombstones.append((seq, key))
        if len(self._tombstones) > self._most_tombstones:
            self.floor = self._tombstones.popleft()[0]
        return before

    def frozen(self) -> Frozen:
        """The rows as they are now; one copy for all who hold it until a row changes."""
        there = self._frozen() if self._frozen is not None else None
        if there is None:
            there = Frozen(list(self.ordered), dict(self.rows))
            self._frozen = ref(there)
        return there

    @property
    def ordered(self) -> SortedList[str]:
        """The keys in order; not to be changed by the caller."""
        if self._ordered is None:
            self._ordered = SortedList(self.rows)
        return self._ordered

    def deleted_since(self, seq: int) -> list[str] | None:
        """The keys that went after record `seq` and are not there now; None when that is forgotten."""
        if seq < self.floor:
            return None
        newest: Iterator[tuple[int, str]] = takewhile(lambda one: one[0] > seq, reversed(self._tombstones))
        return [key for key in dict.fromkeys(key for _, key in newest) if key not in self.rows]
