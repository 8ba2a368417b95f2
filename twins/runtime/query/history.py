"""History: an object as it was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from twins.runtime.slices import table_of
from twins.runtime.state import Effect


def as_of(records: Iterable[tuple[int, Sequence[Effect]]], slice_: str, id_: str, at: int) -> bytes | None:
    """The row that an object had after record `at`, or None when it was not there.

    Args:
        records: number and effects of each record, from the newest to the oldest.
    """
    where = (table_of(slice_), id_)
    for seq, effects in records:
        if seq <= at:
            for table, key, value in reversed(effects):
                if (table, key) == where:
                    return value
    return None
