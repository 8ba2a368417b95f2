"""Aggregates: how many objects have which value, without any of the objects."""

from __future__ import annotations

from collections import Counter
from typing import Any

from twins.runtime.problems import Problem
from twins.runtime.query.filter import Filter
from twins.runtime.query.paths import MISSING, Fields
from twins.runtime.slices import Sees, object_of, table_of
from twins.runtime.state import State

MOST_VALUES = 1000


def aggregate(state: State, slice_: str, filter_: Filter, by: str, sees: Sees | None) -> dict[str, Any]:
    """`{"counts": [{"value", "count"}], "other"}` of what the filter wants, the most frequent first; `other`
    are the objects without text, whole number, boolean or null there.

    Raises:
        Problem: 422, more objects than one query may look at, or more than 1000 values.
    """
    rows = state.rows(table_of(slice_))
    if len(rows) > filter_.declaration.budget:
        most = f"{filter_.declaration.budget:,} objects of {slice_!r}"
        raise Problem(422, "query-too-wide", f"The count has to look at more than {most}.")
    fields = Fields([by])
    get, of_row = fields.getter(by), fields.of_row
    counts: Counter[tuple[type, Any]] = Counter()
    other = 0
    for id_, value in rows.items():
        if filter_.matches_row(value) and (sees is None or sees(object_of(id_, value))):
            found = get(of_row(value))
            if found is MISSING or isinstance(found, (dict, list)):
                other += 1
            else:
                counts[type(found), found] += 1
    if len(counts) > MOST_VALUES:
        raise Problem(422, "query-too-wide", f"`{by[:100]}` has more than {MOST_VALUES:,} values.")
    shown = [{"value": value, "count": count} for (_, value), count in sorted(counts.items(), key=_rank)]
    return {"counts": shown, "other": other}


def _rank(entry: tuple[tuple[type, Any], int]) -> tuple[int, str, str]:
    (type_, value), count = entry
    return -count, type_.__name__, str(value)
