"""Queries: answers which objects of a slice fulfil a filter, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from twins.runtime.problems import Problem
from twins.runtime.query import plan
from twins.runtime.query.declaration import declaration_of
from twins.runtime.query.filter import Filter, parse, required
from twins.runtime.query.indexes import SliceIndexes
from twins.runtime.query.ways import ID, ById, ByIndex, Way
from twins.runtime.query.where import Between
from twins.runtime.rights import SLICES
from twins.runtime.slices import Row, Sees, object_of, table_of
from twins.runtime.state import OBJECTS, Change, State

# An index is worth its sorting when it leaves so much less than there is to go through.
WORTH = 4


class Page(NamedTuple):
    """Some rows, and the cursor of the next page or None."""

    rows: list[Row]
    next: str | None


class Queries:
    """All queries of one twin, and the indexes that they need: built at first need, then kept up to date."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._indexes: dict[str, SliceIndexes] = {}
        state.watch(self._observe, SLICES, OBJECTS)

    def filter(self, slice_: str, where: str) -> Filter:
        """The filter of `where=…` for a slice; "" wants every object.

        Raises:
            Problem: 422, naming the member that does not fit.
        """
        return parse(where, declaration_of(self._state, slice_))

    def run(
        self,
        slice_: str,
        filter_: Filter,
        order: str = "",
        after: str = "",
        limit: int = 100,
        sees: Sees | None = None,
    ) -> Page:
        """At most `limit` rows after the cursor that are wanted and seen; the last page may be empty.

        Args:
            order: `id` (or ""), or a path with a range index; with `-` before it reversed.

        Raises:
            Problem: 400 a bad cursor; 422 no such order, or too many objects to look at.
        """
        way = self._way(slice_, filter_, order)
        rows: list[Row] = []
        held = self._state.rows(table_of(slice_))
        ids, matches = self._source(slice_, filter_, way, after)
        budget = filter_.declaration.budget
        for looked, id_ in enumerate(ids):
            # A caller who sees only some objects is not told of a next page that holds none of them.
            if len(rows) == limit and sees is None:
                return Page(rows, way.cursor(rows[-1][0]))
            if looked >= budget and matches is not None:
                raise self._too_wide(slice_, filter_)
            value = held[id_]
            if matches is not None and not matches(value):
                continue
            if sees is None or sees(object_of(id_, value)):
                if len(rows) == limit:
                    return Page(rows, way.cursor(rows[-1][0]))
                rows.append((id_, value))
        return Page(rows, None)

    def _source(
        self, slice_: str, filter_: Filter, way: Way, after: str
    ) -> tuple[Iterable[str], Callable[[bytes], bool] | None]:
        """The ids to look at, in order, and what to look at their rows with."""
        if not filter_.conditions.nodes:
            return way.walk(after), None
        if filter_.declaration.indexes:
            found = plan.candidates(filter_.conditions, self._indexes_of(slice_))
            if found is not None and found.most * WORTH < way.count():
                if found.most > filter_.declaration.budget:
                    raise self._too_wide(slice_, filter_)
                return way.sort(found.ids(), after), filter_.holds
        return way.walk(after), filter_.matches_row

    def _way(self, slice_: str, filter_: Filter, order: str) -> Way:
        reverse, path = order.startswith("-"), order.removeprefix("-")
        if path in ("", ID):
            return ById(self._state, table_of(slice_), reverse=reverse)
        if filter_.declaration.order_of(path) is None:
            raise Problem(
                422, "invalid-query", f"`order`: the slice declares no range index of `{path[:100]}`."
            )
        indexes = self._indexes_of(slice_)
        index = indexes.range(path)
        assert index is not None
        spans = [
            plan.span(leaf)
            for leaf in required(filter_.conditions)
            if isinstance(leaf, Between) and leaf.path == path
        ]
        reach = spans[0] if spans else (None, None)
        return ByIndex(self._state.rows(table_of(slice_)), indexes, index, reach, reverse=reverse)

    def _indexes_of(self, slice_: str) -> SliceIndexes:
        table = table_of(slice_)
        known = self._indexes.get(table)
        if known is None:
            declaration = declaration_of(self._state, slice_)
            known = self._indexes[table] = SliceIndexes(declaration, self._state.rows(table))
        return known

    def _too_wide(self, slice_: str, filter_: Filter) -> Problem:
        missing = plan.missing_index(filter_.conditions, self._indexes_of(slice_))
        remedy = f"declare {missing}" if missing else "ask for less"
        most = f"{filter_.declaration.budget:,} objects of {slice_!r}"
        return Problem(422, "query-too-wide", f"The query has to look at more than {most}: {remedy}.")

    def _observe(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.table in self._indexes:
                self._indexes[change.table].observe(change)
            elif change.table == SLICES:
                self._indexes.pop(table_of(change.key), None)
