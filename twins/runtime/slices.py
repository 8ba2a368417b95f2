"""Slices: the named portions of a twin, and the objects in them.

An object's row is `{"body", "seq"}` in the table `object/<slice>` under its id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from twins.runtime import codec
from twins.runtime.state import State

TABLE_PREFIX = "object/"
Row = tuple[str, bytes]
Sees = Callable[[dict[str, Any]], bool]


class _Stored(msgspec.Struct):
    body: msgspec.Raw
    seq: int


_decoder = msgspec.json.Decoder(_Stored)


def table_of(slice_: str) -> str:
    """The table that holds a slice's objects."""
    return TABLE_PREFIX + slice_


def row_json(id_: str, value: bytes) -> dict[str, Any]:
    """`{"id", "body", "seq"}` for encoding; the body stays as it was written."""
    stored = _decoder.decode(value)
    return {"id": id_, "body": stored.body, "seq": stored.seq}


def object_of(id_: str, value: bytes) -> dict[str, Any]:
    """`{"id", "body", "seq"}` as values."""
    return {"id": id_, **codec.decode(value)}


def rows_of(state: State, slice_: str, sees: Sees | None) -> Iterator[Row]:
    """The slice's rows in order of id, those that are seen."""
    table = table_of(slice_)
    for id_ in state.keys(table):
        value = state.raw(table, id_)
        if value is not None and (sees is None or sees(object_of(id_, value))):
            yield id_, value


def page(
    state: State, slice_: str, after: str, limit: int, sees: Sees | None
) -> tuple[list[Row], str | None]:
    """At most `limit` rows that follow the id `after`, and the `after` of the next page or None."""
    table = table_of(slice_)
    found: list[Row] = []
    while keys := state.page(table, after, limit):
        for after in keys:
            value = state.raw(table, after) or b""
            if sees is None or sees(object_of(after, value)):
                if len(found) == limit:
                    return found, found[-1][0]
                found.append((after, value))
    return found, None


def one(state: State, slice_: str, id_: str, sees: Sees | None) -> bytes | None:
    """One object's row, or None when it is not there or not seen."""
    value = state.raw(table_of(slice_), id_)
    if value is None or (sees is not None and not sees(object_of(id_, value))):
        return None
    return value


def count(state: State, slice_: str, sees: Sees | None) -> int:
    """How many objects are seen."""
    return state.count(table_of(slice_)) if sees is None else sum(1 for _ in rows_of(state, slice_, sees))
