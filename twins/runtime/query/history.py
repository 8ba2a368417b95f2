"""History: an object as it was."""

from __future__ import annotations

from collections.abc import Iterable

from twins.runtime.log.record import Opened
from twins.runtime.problems import Problem
from twins.runtime.slices import table_of

# What is looked into shares the processor with every other caller.
FARTHEST = 50_000


def as_of(records: Iterable[Opened], slice_: str, id_: str) -> bytes | None:
    """The row that an object had after the first of the records, or None when it was not there or was erased.

    Args:
        records: from the newest to the oldest; only those that name the object are opened whole.

    Raises:
        Problem: 422, none of the first 50,000 names the object.
    """
    table = table_of(slice_)
    for looked, record in enumerate(records):
        if looked >= FARTHEST:
            raise _too_far(id_, record.head.seq)
        if any(effect[1] == table and effect[2] == id_ for effect in record.head.effects):
            return next(
                effect.value
                for effect in reversed(record.effects(record.parts()))
                if (effect.table, effect.key) == (table, id_)
            )
    return None


def _too_far(id_: str, seq: int) -> Problem:
    detail = f"None of the {FARTHEST:,} records before names object {id_[:200]!r}: go on with `at={seq}`."
    return Problem(422, "query-too-wide", detail)
