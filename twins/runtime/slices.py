"""Slices: the named portions of a twin, and the objects in them.

An object's row is `{"body", "seq"}` in the table `object/<slice>` under its id; `seq` is the record that
wrote it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from twins.runtime import codec
from twins.runtime.state import OBJECTS, State

TABLE_PREFIX = OBJECTS
Row = tuple[str, bytes]
Sees = Callable[[dict[str, Any]], bool]
_BODY = len(b'{"body":')
_SEQ = b',"seq":'


class _Stored(msgspec.Struct):
    body: msgspec.Raw
    seq: int


class Delta(NamedTuple):
    """The ids of the objects that were written, and of those that went; the latest first."""

    updated: list[str]
    deleted: list[str]


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


def seq_of(value: bytes) -> int:
    """The record that wrote this row; members are sorted, so it comes last."""
    return int(value[value.rindex(b":") + 1 : -1])


def body_of(value: bytes) -> bytes:
    """The canonical JSON of this row's body."""
    return value[_BODY : value.rindex(_SEQ)]


def rows_of(state: State, slice_: str, sees: Sees | None) -> Iterator[Row]:
    """The slice's rows in order of id, those that are seen."""
    table = table_of(slice_)
    rows = state.rows(table)
    for id_ in state.keys(table):
        if sees is None or sees(object_of(id_, rows[id_])):
            yield id_, rows[id_]


def count(state: State, slice_: str, sees: Sees | None) -> int:
    """How many objects are seen."""
    return state.count(table_of(slice_)) if sees is None else sum(1 for _ in rows_of(state, slice_, sees))


def changes_since(state: State, slice_: str, seq: int) -> Delta | None:
    """What happened to a slice after record `seq`; costs what changed, not what exists.

    An object that came and went since is among the deleted, too. None when deletions that may be newer than
    `seq` are forgotten: whoever asks must start anew.
    """
    table = table_of(slice_)
    deleted = state.deleted_since(table, seq)
    if deleted is None:
        return None
    updated = []
    for id_, value in state.newest(table):
        if seq_of(value) <= seq:
            break
        updated.append(id_)
    return Delta(updated, deleted)
