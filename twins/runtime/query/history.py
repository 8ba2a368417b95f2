"""History: an object as it was."""

from __future__ import annotations

from collections.abc import Iterable

from twins.runtime.log.record import Opened
from twins.runtime.slices import table_of


def as_of(records: Iterable[Opened], slice_: str, id_: str) -> bytes | None:
    """The row that an object had after the first of the records, or None when it was not there or was erased.

    Args:
        records: from the newest to the oldest; only those that name the object are opened whole.
    """
    table = table_of(slice_)
    for record in records:
        if any(effect[1] == table and effect[2] == id_ for effect in record.head.effects):
            return next(
                effect.value
                for effect in reversed(record.effects(record.parts()))
                if (effect.table, effect.key) == (table, id_)
            )
    return None
