"""Recent: which objects changed since a record, so that who was away for a while gets only that."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from twins.runtime.slices import TABLE_PREFIX, table_of
from twins.runtime.state import Change, State

MOST_CHANGES = 10_000


class Recent:
    """The last changes of every slice, since this process began."""

    def __init__(self, state: State, seq: Callable[[], int]) -> None:
        self._state = state
        self._seq = seq
        self._floor = 0
        self._changes: deque[tuple[int, str, str]] = deque()

    def begin(self) -> None:
        """Follow the state from the last record on."""
        self._floor = self._seq()
        self._state.observers.append(self._observe)

    def _observe(self, changes: Sequence[Change]) -> None:
        seq = self._seq()
        for change in changes:
            if change.table.startswith(TABLE_PREFIX):
                self._changes.append((seq, change.table, change.key))
        while len(self._changes) > MOST_CHANGES:
            self._floor = self._changes.popleft()[0]

    def changes_since(self, slice_: str, seq: int) -> tuple[list[str], list[str]] | None:
        """The ids of objects that were put and of those that are gone since record `seq`.

        None when that is too long ago.
        """
        if seq < self._floor:
            return None
        table = table_of(slice_)
        touched: dict[str, None] = {}
        for when, where, id_ in reversed(self._changes):
            if when <= seq:
                break
            if where == table:
                touched[id_] = None
        updated = [id_ for id_ in touched if self._state.raw(table, id_) is not None]
        return updated, [id_ for id_ in touched if self._state.raw(table, id_) is None]
