"""Grants: one tuple each, with a window, on one slice for one reader."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from twins.runtime import clock
from twins.runtime.authz import tuples
from twins.runtime.module import Context, reducer
from twins.runtime.modules.twin.people import know
from twins.runtime.modules.twin.types import GrantId, Name, PublicKey, SliceName, Text, TwinId
from twins.runtime.problems import conflict, invalid, not_found
from twins.runtime.rights import GRANTS

LONGEST = timedelta(days=366)
RELATION = "federation_reader"
ACTIVE, REPLACED, REVOKED, EXPIRED = "active", "replaced", "revoked", "expired"
PENDING, KEPT = "pending", "kept"


def window(ctx: Context, not_before: str, expires_at: str) -> dict[str, str]:
    """The bounds of a grant in the log's form.

    Raises:
        Problem: a bound is no time, or the window is empty, over or longer than 366 days.
    """
    begin, end = clock.parse(not_before, "not_before"), clock.parse(expires_at, "expires_at")
    if end <= max(begin, clock.parse(ctx.now)):
        raise invalid("`expires_at` must be in the future and after `not_before`.")
    if end - begin > LONGEST:
        raise invalid("A grant lasts at most 366 days.")
    return {"not_before": clock.write(begin), "expires_at": clock.write(end)}


def open_grant(ctx: Context, terms: dict[str, Any]) -> None:
    """Write a grant's row and tuple; an active grant of the same reader on the same slice gives way."""
    slice_, reader = terms["slice"], terms["reader"]
    for _, other in ctx.tx.scan(GRANTS):
        if (other["slice"], other["reader"], other["status"]) == (slice_, reader, ACTIVE):
            end_grant(ctx, other, REPLACED, ctx.now, f"replaced by {terms['grant_id']}")
    bounds = {"not_before": terms["not_before"], "expires_at": terms["expires_at"]}
    row = tuples.row(f"slice:{slice_}", RELATION, reader, bounds)
    ctx.tx.put(tuples.TABLE, tuples.key_of(row["object"], RELATION, reader), row)
    made = {"by": ctx.caller.id, "by_custody": ctx.by_custody, "granted_at": ctx.now}
    state = {"status": ACTIVE, "review": None, "ended_at": None, "reason": None}
    ctx.tx.put(GRANTS, terms["grant_id"], {**terms, **made, **state})


def end_grant(ctx: Context, row: dict[str, Any], status: str, at: str, reason: str) -> None:
    """Delete a grant's tuple and say in its row how it ended."""
    ctx.tx.delete(tuples.TABLE, tuples.key_of(f"slice:{row['slice']}", RELATION, row["reader"]))
    ctx.tx.put(GRANTS, row["grant_id"], {**row, "status": status, "ended_at": at, "reason": reason})


def active_row(ctx: Context, grant_id: str) -> dict[str, Any]:
    """The row of a grant that has not ended.

    Raises:
        Problem: there is none, or it ended.
    """
    row: dict[str, Any] | None = ctx.tx.get(GRANTS, grant_id)
    if row is None:
        raise not_found(f"grant {grant_id!r}")
    if row["status"] != ACTIVE:
        raise conflict(f"This grant was {row['status']} at {row['ended_at']}.")
    return row


@reducer(relation="can_grant", object="slice:{slice}")
def grant(
    ctx: Context,
    grant_id: GrantId,
    reader: TwinId,
    reader_name: Name,
    reader_key: PublicKey,
    slice_: SliceName,
    purpose: Text,
    not_before: str,
    expires_at: str,
) -> dict[str, str]:
    """Let another twin read a slice for a time."""
    if ctx.tx.raw(GRANTS, grant_id) is not None:
        raise conflict(f"There is a grant {grant_id!r} already.")
    if reader == f"twin:{ctx.twin}":
        raise invalid("`reader` must be another twin.")
    know(ctx, reader, reader_name, reader_key)
    named = {"grant_id": grant_id, "reader": reader, "reader_name": reader_name}
    about = {"slice": slice_, "purpose": purpose, **window(ctx, not_before, expires_at)}
    open_grant(ctx, {**named, **about})
    return {"grant_id": grant_id}


@reducer(relation="can_manage_grants")
def revoke(ctx: Context, grant_id: GrantId, reason: Text) -> None:
    """End a grant now."""
    end_grant(ctx, active_row(ctx, grant_id), REVOKED, ctx.now, reason)


@reducer(relation="can_manage_grants")
def confirm_grant(ctx: Context, grant_id: GrantId) -> None:
    """Keep a grant that a curator wrote before the twin was claimed."""
    row = active_row(ctx, grant_id)
    ctx.tx.put(GRANTS, grant_id, {**row, "review": KEPT if row["review"] == PENDING else row["review"]})


@reducer(only="agent:clock")
def expire_grants(ctx: Context) -> dict[str, int]:
    """Say of every window that ended that it did."""
    over = [row for _, row in ctx.tx.scan(GRANTS) if row["status"] == ACTIVE and row["expires_at"] <= ctx.now]
    for row in over:
        end_grant(ctx, row, EXPIRED, row["expires_at"], "the window ended")
    lapsed = [
        key
        for key, row in ctx.tx.scan(tuples.TABLE)
        if "condition" in row and row["condition"]["context"]["expires_at"] <= ctx.now
    ]
    for key in lapsed:
        ctx.tx.delete(tuples.TABLE, key)
    return {"grants": len(over), "other_tuples": len(lapsed)}
