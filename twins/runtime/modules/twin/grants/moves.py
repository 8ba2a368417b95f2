"""Moves: the one place where a grant's state changes, and with it its tuple, its history and its epoch.

A live grant (scheduled, active, suspended) is found by its slice and reader; there is at most one for each
pair. Its tuple is there as long as it is scheduled or active.
"""

from __future__ import annotations

from typing import Any

from twins.runtime.authz import tuples
from twins.runtime.callers import CLOCK as CLOCK_CALLER
from twins.runtime.callers import KEYS
from twins.runtime.granted import (
    ACTIVE,
    EPOCHS,
    EXPIRED,
    GRANTS,
    HISTORY,
    LAPSED,
    LIVE,
    SCHEDULED,
    WAITING,
    grant_of,
)
from twins.runtime.module import Context
from twins.runtime.modules.twin.grants import states
from twins.runtime.modules.twin.grants.states import CLOCK, NEW, OWNER, READER
from twins.runtime.modules.twin.grants.terms import Row, terms_hash
from twins.runtime.problems import conflict, grant_required, not_found

RELATION = "federation_reader"
BY_PAIR, OPEN_ASKS = "grant_live", "grant_waiting"
CURATOR = "curator"


def actor_of(ctx: Context) -> str:
    """The side for which the caller acts."""
    if ctx.caller.is_twin:
        return READER
    return CLOCK if ctx.caller.id == CLOCK_CALLER.id else OWNER


def begin(ctx: Context, action: str, wanted: str, row: Row, code: str, text: str) -> Row:
    """Write a grant by its first move.

    Raises:
        Problem: there is one with this id, or it would be the twin's own.
    """
    if ctx.tx.raw(GRANTS, row["grant_id"]) is not None:
        raise conflict(f"There is a grant {row['grant_id']!r} already.")
    by = {"by": ctx.caller.id, "by_custody": ctx.by_custody, "granted_at": None, "ended_at": None}
    fresh = {"lapses_at": None, "review": None, "confirm_by": None, "replaces": None, "break_glass": False}
    asked = {"requested": False, "rounds": 0, "approvals": [], "terms_seq": 0}
    return _moved(ctx, {**by, **fresh, **asked, **row, "status": NEW}, action, wanted, code, text, {})


def move(
    ctx: Context, row: Row, action: str, code: str, text: str, *, wanted: str = "", **changes: Any
) -> Row:
    """Move a grant on as of now, and return its new row.

    Raises:
        Problem: 409, the table has no such move, or time has ended the grant.
    """
    return _moved(ctx, _as_of_now(ctx, row), action, wanted, code, text, changes)


def require(ctx: Context, row: Row, action: str) -> str:
    """The state as of now of a grant that this action can move on.

    Raises:
        Problem: 409, as `move` does.
    """
    status: str = _as_of_now(ctx, row)["status"]
    states.after(status, action, actor_of(ctx))
    return status


def _as_of_now(ctx: Context, row: Row) -> Row:
    """The row of a grant that time has not ended; what has begun is active before any record says so."""
    now = grant_of(row).at(ctx.now)
    if now not in LIVE | WAITING:
        raise conflict(f"This grant is over: it was {now} at {row['ended_at'] or ctx.now}.")
    return {**row, "status": now}


def turn(ctx: Context, row: Row) -> Row | None:
    """Say of a grant what time has made of it; None if that is nothing."""
    grant = grant_of(row)
    now = grant.at(ctx.now)
    if now == grant.status:
        return None
    action = {ACTIVE: "begin", LAPSED: "lapse", EXPIRED: "expire"}[now]
    code, text = "timed_out", f"time has come: {now}"
    if now == EXPIRED and grant.end != grant.expires_at:
        code, text = "unconfirmed", "the new owner did not confirm what a curator had written"
    return _moved(ctx, row, action, "", code, text, {"ended_at": grant.ended(ctx.now)}, CLOCK)


def _moved(
    ctx: Context,
    row: Row,
    action: str,
    wanted: str,
    code: str,
    text: str,
    changes: Row,
    actor: str = "",
) -> Row:
    source, actor = row["status"], actor or actor_of(ctx)
    target = states.after(source, action, actor, wanted)
    new = {**row, **changes, "status": target, "reason_code": code, "reason": text}
    if target not in LIVE | WAITING:
        new["ended_at"] = new["ended_at"] or ctx.now
    new["terms_hash"] = terms_hash(new["reader"], new)
    put(ctx, new)
    said = {"from": source or None, "action": action, "to": target, "reason_code": code, "reason": text}
    note(ctx, row["grant_id"], row["reader"], actor, said)
    return new


def note(ctx: Context, grant_id: str, reader: str, actor: str, said: Row) -> None:
    """Add to a grant's history, and count that something has changed for its reader."""
    actor = CURATOR if actor == OWNER and ctx.by_custody else actor
    who = {"actor": actor, "by": ctx.caller.id, "act": ctx.caller.act or None}
    ctx.tx.put(HISTORY, f"{grant_id} {ctx.seq:018}", {"seq": ctx.seq, "at": ctx.now, **who, **said})
    epoch = (ctx.tx.get(EPOCHS, reader) or {"epoch": 0})["epoch"] + 1
    ctx.tx.put(EPOCHS, reader, {"epoch": epoch})


def put(ctx: Context, row: Row) -> None:
    """Write a grant's row with what follows from its status."""
    grant_id, grant = row["grant_id"], grant_of(row)
    ctx.tx.put(GRANTS, grant_id, row)
    pair = f"{grant.slice} {grant.reader}"
    held = ctx.tx.get(BY_PAIR, pair)
    mine = held is None or held["grant_id"] == grant_id
    if grant.status in LIVE:
        ctx.tx.put(BY_PAIR, pair, {"grant_id": grant_id})
    elif mine:
        ctx.tx.delete(BY_PAIR, pair)
    key = tuples.key_of(f"slice:{grant.slice}", RELATION, grant.reader)
    if grant.status in (SCHEDULED, ACTIVE):
        bounds = {"not_before": grant.not_before, "expires_at": grant.end}
        ctx.tx.put(tuples.TABLE, key, tuples.row(f"slice:{grant.slice}", RELATION, grant.reader, bounds))
    elif mine and grant.status not in WAITING:
        ctx.tx.delete(tuples.TABLE, key)
    if grant.status in WAITING:
        ctx.tx.put(
            OPEN_ASKS, grant_id, {"reader": grant.reader, "x": row["reader_key"], "slice": grant.slice}
        )
    else:
        ctx.tx.delete(OPEN_ASKS, grant_id)


def live_of(ctx: Context, reader: str, slice_: str) -> Row | None:
    """The live grant of a reader on a slice, whatever its window."""
    held = ctx.tx.get(BY_PAIR, f"{slice_} {reader}")
    row: Row | None = None if held is None else ctx.tx.get(GRANTS, held["grant_id"])
    return row


def row_of(ctx: Context, grant_id: str) -> Row:
    """A grant's row, for one of its two sides.

    Raises:
        Problem: there is none, which a reader is told exactly as that it is not theirs.
    """
    row: Row | None = ctx.tx.get(GRANTS, grant_id)
    if ctx.caller.is_twin:
        if row is None or not _is_reader(ctx, row):
            raise grant_required()
    elif row is None:
        raise not_found(f"grant {grant_id!r}")
    return row


def _is_reader(ctx: Context, row: Row) -> bool:
    """Whether the caller is the grant's reader, by the key that is theirs here or with which they asked."""
    if row["reader"] != ctx.caller.id:
        return False
    known = ctx.tx.get(KEYS, ctx.caller.id)
    keys = [known["x"]] if known else []
    if row["status"] in WAITING:
        keys.append(row["reader_key"])
    # Who runs a record again knows nothing of tokens.
    return not ctx.caller.x or ctx.caller.x in keys
