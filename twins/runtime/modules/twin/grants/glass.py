"""Break-glass: one owner opens a slice for a day at most, and must answer for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from twins.runtime.granted import GRANTS
from twins.runtime.module import Context, reducer
from twins.runtime.modules.twin.grants import policy
from twins.runtime.modules.twin.grants.giving import give
from twins.runtime.modules.twin.grants.moves import actor_of, note, row_of
from twins.runtime.modules.twin.grants.offers import other_twin
from twins.runtime.modules.twin.grants.requests import told
from twins.runtime.modules.twin.grants.terms import terms, window
from twins.runtime.modules.twin.people import PEOPLE
from twins.runtime.modules.twin.types import (
    Fields,
    GrantId,
    Name,
    PublicKey,
    PurposeCode,
    Reason,
    ReasonCode,
    SliceName,
    TwinId,
    Verbs,
    Where,
)
from twins.runtime.problems import conflict

LONGEST = timedelta(hours=24)
PENDING, REVIEWED = "pending", "reviewed"
OPEN_GLASS = "broken_glass"


@reducer(relation="can_manage_admins")
def break_glass(
    ctx: Context,
    reader: TwinId,
    reader_name: Name,
    reader_key: PublicKey,
    slice_: SliceName,
    reason: Reason,
    reason_code: ReasonCode = "owner_choice",
    purpose_code: PurposeCode = "Other",
    expires_at: str | None = None,
    verbs: Verbs | None = None,
    fields: Fields | None = None,
    where: Where = {},  # noqa: B006 - copied by the arguments' struct
) -> dict[str, str]:
    """Open a slice in an emergency, for at most 24 hours, whatever number of owners the policy asks for. It
    must be reviewed before the same reader gets another one.
    """
    policy.require_unasked(ctx)
    if ctx.tx.raw(OPEN_GLASS, reader) is not None:
        raise conflict("An earlier break-glass grant of this reader waits for its review.")
    who = {"reader": other_twin(ctx, reader), "reader_name": reader_name, "reader_key": reader_key}
    bounds = window(ctx, None, expires_at, LONGEST)
    said: dict[str, Any] = {"purpose": reason, "purpose_code": purpose_code, "verbs": verbs}
    agreed = terms(ctx, slice_, **said, fields=fields, where=where, bounds=bounds)
    row = {"grant_id": ctx.new_ulid(), **who, **agreed, "break_glass": True, "review": PENDING}
    opened = give(ctx, "break_glass", row, reason)
    ctx.tx.put(OPEN_GLASS, reader, {"grant_id": opened["grant_id"], "by": ctx.caller.id})
    return told(opened)


@reducer(relation="can_manage_admins")
def review_grant(
    ctx: Context, grant_id: GrantId, finding: Reason, reason_code: ReasonCode = "owner_choice"
) -> None:
    """Close the review of a break-glass grant; where there is another owner, not by who broke the glass."""
    row = row_of(ctx, grant_id)
    if not row["break_glass"] or row["review"] != PENDING:
        raise conflict("This grant waits for no review.")
    others = [p for _, p in ctx.tx.scan(PEOPLE) if p["role"] == "owner" and p["user"] != row["by"]]
    if row["by"] == ctx.caller.id and others:
        raise conflict("Another owner must review what you opened.")
    ctx.tx.put(GRANTS, grant_id, {**row, "review": REVIEWED})
    ctx.tx.delete(OPEN_GLASS, row["reader"])
    status = {"from": row["status"], "action": "review", "to": row["status"]}
    said = {**status, "reason_code": reason_code, "reason": finding}
    note(ctx, grant_id, row["reader"], actor_of(ctx), said)
