"""Inheritance: what a curator granted before the claim, and what the new owner makes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from twins.runtime import clock
from twins.runtime.granted import GRANTS, LIVE, SUSPENDED, grant_of
from twins.runtime.module import Context, reducer
from twins.runtime.modules.twin.grants.moves import BY_PAIR, OPEN_ASKS, actor_of, move, note, put, row_of
from twins.runtime.modules.twin.grants.opening import turn_if_over, withdraw_offer
from twins.runtime.modules.twin.grants.terms import Row
from twins.runtime.modules.twin.types import GrantId, Text
from twins.runtime.problems import conflict

PENDING, KEPT = "pending", "kept"
CONFIRMED_WITHIN = timedelta(days=30)
REVIEW = "claim_review"


def inherit(ctx: Context) -> list[str]:
    """At a claim: what a curator offered is withdrawn, what a curator granted ends in 30 days, by its tuple's
    own window too, unless the new owner keeps it. The ids of those that wait for that.
    """
    for grant_id, _ in list(ctx.tx.scan(OPEN_ASKS)):
        withdraw_offer(ctx, grant_id, REVIEW, "the twin was claimed")
    confirm_by = clock.write(clock.parse(ctx.now) + CONFIRMED_WITHIN)
    pending = [row for row in _live(ctx) if row["by_custody"] and not turn_if_over(ctx, row)]
    for row in pending:
        put(ctx, {**row, "review": PENDING, "confirm_by": confirm_by})
        note(ctx, row["grant_id"], row["reader"], actor_of(ctx), _said(row, "inherit", ""))
    return [row["grant_id"] for row in pending]


def _live(ctx: Context) -> list[Row]:
    return [ctx.tx.get(GRANTS, held["grant_id"]) for _, held in ctx.tx.scan(BY_PAIR)]


def _said(row: Row, action: str, text: str) -> dict[str, Any]:
    same = {"from": row["status"], "action": action, "to": row["status"]}
    return {**same, "reason_code": REVIEW, "reason": text}


def _keep(ctx: Context, row: Row, text: str) -> None:
    if grant_of(row).at(ctx.now) not in LIVE:
        raise conflict("This grant has ended.")
    put(ctx, {**row, "review": KEPT, "confirm_by": None})
    note(ctx, row["grant_id"], row["reader"], actor_of(ctx), _said(row, "confirm", text))


@reducer(relation="can_manage_grants")
def confirm_grant(ctx: Context, grant_id: GrantId, reason: Text = "") -> None:
    """Keep a grant that a curator wrote before the twin was claimed."""
    row = row_of(ctx, grant_id)
    if row["confirm_by"] is not None or grant_of(row).at(ctx.now) not in LIVE:
        _keep(ctx, row, reason)


@reducer(relation="can_manage_grants")
def review_inherited(
    ctx: Context, decision: Literal["keep", "suspend", "revoke"], reason: Text = ""
) -> dict[str, int]:
    """Keep, suspend or revoke every grant that a curator wrote and that nobody has reviewed yet."""
    waiting = [row for row in _live(ctx) if row["confirm_by"] is not None and not turn_if_over(ctx, row)]
    for row in waiting:
        if decision == "keep":
            _keep(ctx, row, reason)
        elif decision == "revoke" or grant_of(row).at(ctx.now) != SUSPENDED:
            move(ctx, row, decision, REVIEW, reason)
    return {"grants": len(waiting)}
