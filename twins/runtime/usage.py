"""Usage: how often a grant is read, a row that the record of each read changes."""

from __future__ import annotations

from typing import Any

from twins.runtime import clock, codec
from twins.runtime.granted import LIVE, Grant
from twins.runtime.state import Effect, State

TABLE = "usage"
DAYS = 30
UNUSED_DAYS = 90
RENEWED_FROM = 0.8
_DATE = len("2026-01-01")


def nothing() -> dict[str, Any]:
    """The row of a grant that was never read."""
    return {"last_read": None, "reads": 0, "rows": 0, "bytes": 0, "days": {}}


def counted(state: State, grant_id: str, now: str, rows: int, size: int) -> Effect:
    """The change that one read makes; `rows` and `size` (bytes) are what the reader got."""
    row = state.get(TABLE, grant_id) or nothing()
    day, days = now[:_DATE], row["days"]
    days[day] = days.get(day, 0) + 1
    if len(days) > DAYS:
        del days[min(days)]
    row |= {"last_read": now, "reads": row["reads"] + 1}
    row |= {"rows": row["rows"] + rows, "bytes": row["bytes"] + size}
    return Effect(TABLE, grant_id, codec.encode(row))


def describe(state: State, grant: Grant, granted_at: str | None, now: str) -> dict[str, Any]:
    """What the owner sees of a grant's use: `usage`, and whether it is `unused` and its `renewal_due`."""
    row = state.get(TABLE, grant.grant_id) or nothing()
    live = grant.at(now) in LIVE
    instant = clock.parse(now)
    quiet = (instant - clock.parse(row["last_read"] or granted_at or now)).days
    begin, end = clock.parse(grant.not_before), clock.parse(grant.end)
    return {
        "usage": row,
        "unused": live and quiet >= UNUSED_DAYS,
        "renewal_due": live and instant - begin >= RENEWED_FROM * (end - begin),
    }
