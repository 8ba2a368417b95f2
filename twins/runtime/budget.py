"""Budget: how much a twin holds at most, the row `budget/twin`."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from twins.runtime.problems import Problem
from twins.runtime.query.declaration import Rows
from twins.runtime.state import State, Transaction

TABLE = "budget"
KEY = "twin"
LARGEST_OBJECT = 1024 * 1024
WARN_PERCENT = 90

RowBudget = Annotated[int, Meta(ge=1, le=100_000_000)]
ByteBudget = Annotated[int, Meta(ge=1, le=64 * 1024**3)]


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The most objects, and the most bytes of their ids and rows together."""

    rows: RowBudget = 1_000_000
    bytes: ByteBudget = 512 * 1024 * 1024


def budget_of(rows: Rows) -> Budget:
    """The twin's budget as it is set, or the usual one."""
    return _read(rows.raw(TABLE, KEY) or b"{}")


def describe(state: State) -> dict[str, Any]:
    """What is used of the budget; `warn` from 90 % of either on."""
    most, used = budget_of(state), state.objects
    near = 100 * used.rows >= WARN_PERCENT * most.rows or 100 * used.bytes >= WARN_PERCENT * most.bytes
    return {
        "rows": used.rows,
        "bytes": used.bytes,
        "most_rows": most.rows,
        "most_bytes": most.bytes,
        "warn": near,
    }


def keep_within(tx: Transaction) -> None:
    """Return when the transaction fits the budget, or at least does not grow what is over it.

    Raises:
        Problem: 507.
    """
    most = budget_of(tx)
    if tx.surely_within(most.rows, most.bytes):
        return
    before, after = tx.objects()
    if after.rows > max(most.rows, before.rows):
        raise _refused(f"{after.rows:,} objects", f"{most.rows:,}")
    if after.bytes > max(most.bytes, before.bytes):
        raise _refused(f"{after.bytes:,} bytes of objects", f"{most.bytes:,}")


def fits(id_: str, size: int) -> None:
    """Return when an object is not too large.

    Raises:
        Problem: 413.
    """
    if size > LARGEST_OBJECT:
        raise Problem(413, "too-large", f"object {id_!r} has {size:,} bytes; at most {LARGEST_OBJECT:,} fit.")


def _refused(wanted: str, most: str) -> Problem:
    return Problem(507, "budget", f"This twin would hold {wanted}; its budget is {most}.")


@lru_cache(maxsize=512)
def _read(row: bytes) -> Budget:
    return msgspec.json.decode(row, type=Budget)
