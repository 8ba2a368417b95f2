"""Giving: what an owner gives without being asked, and how a grant in force is held, renewed and ended."""

from __future__ import annotations

from typing import Any

from twins.runtime.callers import KEYS
from twins.runtime.module import Context, reducer
from twins.runtime.modules.twin.grants import policy
from twins.runtime.modules.twin.grants.inheritance import KEPT, PENDING
from twins.runtime.modules.twin.grants.moves import begin, move, require, row_of
from twins.runtime.modules.twin.grants.offers import other_twin
from twins.runtime.modules.twin.grants.opening import begins, hold_key, make_way, take_back
from twins.runtime.modules.twin.grants.requests import told
from twins.runtime.modules.twin.grants.terms import Row, terms, window
from twins.runtime.modules.twin.types import (
    Fields,
    GrantId,
    Name,
    PublicKey,
    PurposeCode,
    ReasonCode,
    SliceName,
    Text,
    TwinId,
    Verbs,
    Where,
)


def give(ctx: Context, action: str, row: Row, text: str) -> Row:
    """Open a grant at once, in place of the one that the reader has on the slice."""
    changes = make_way(ctx, row, "renew" if action == "renew" else "supersede")
    hold_key(ctx, row)
    return begin(ctx, action, begins(ctx, row), {**row, **changes}, "owner_choice", text)


@reducer(relation="can_grant", object="slice:{slice}")
def grant(
    ctx: Context,
    grant_id: GrantId,
    reader: TwinId,
    reader_name: Name,
    reader_key: PublicKey,
    slice_: SliceName,
    purpose: Text,
    not_before: str | None = None,
    expires_at: str | None = None,
    purpose_code: PurposeCode = "Other",
    verbs: Verbs | None = None,
    fields: Fields | None = None,
    where: Where = {},  # noqa: B006 - copied by the arguments' struct
) -> dict[str, str]:
    """Let another twin read a slice for a time: an offer that needs no answer."""
    policy.require_direct(ctx, slice_)
    who = {"reader": other_twin(ctx, reader), "reader_name": reader_name, "reader_key": reader_key}
    said: dict[str, Any] = {"purpose": purpose, "purpose_code": purpose_code, "verbs": verbs}
    said |= {"fields": fields, "where": where, "bounds": window(ctx, not_before, expires_at)}
    return told(give(ctx, "grant", {"grant_id": grant_id, **who, **terms(ctx, slice_, **said)}, purpose))


@reducer(relation="can_manage_grants")
def renew_grant(
    ctx: Context,
    grant_id: GrantId,
    expires_at: str | None = None,
    verbs: Verbs | None = None,
    fields: Fields | None = None,
    where: Where | None = None,
    all_fields: bool = False,
    reason: Text = "",
) -> dict[str, str]:
    """Put another grant in the place of an active one, from now on, without a gap: for longer, or with other
    terms. What is not given stays.
    """
    row = row_of(ctx, grant_id)
    require(ctx, row, "renew")
    policy.require_direct(ctx, row["slice"])
    kept = None if all_fields else row["fields"]
    said: dict[str, Any] = {name: row[name] for name in ("purpose", "purpose_code")}
    said |= {"verbs": row["verbs"] if verbs is None else verbs, "fields": kept if fields is None else fields}
    said |= {"where": row["where"] if where is None else where, "bounds": window(ctx, None, expires_at)}
    who = {name: row[name] for name in ("reader", "reader_name")}
    new = {"grant_id": ctx.new_ulid(), **who, "reader_key": _present_key(ctx, row)}
    take_back(ctx, row, "superseded", "the grant was renewed")
    return told(give(ctx, "renew", {**new, **terms(ctx, row["slice"], **said)}, reason))


@reducer(relation="can_manage_grants")
def revoke(
    ctx: Context, grant_id: GrantId, reason: Text = "", reason_code: ReasonCode = "owner_choice"
) -> dict[str, str]:
    """End a grant now."""
    ended = move(ctx, row_of(ctx, grant_id), "revoke", reason_code, reason)
    take_back(ctx, ended, reason_code, reason)
    return told(ended)


@reducer(relation="can_manage_grants")
def suspend_grant(
    ctx: Context, grant_id: GrantId, reason_code: ReasonCode, reason: Text = ""
) -> dict[str, str]:
    """Close a grant until it is resumed; its window goes on."""
    held = move(ctx, row_of(ctx, grant_id), "suspend", reason_code, reason)
    take_back(ctx, held, reason_code, reason)
    return told(held)


@reducer(relation="can_manage_grants")
def resume_grant(ctx: Context, grant_id: GrantId, reason: Text = "") -> dict[str, str]:
    """Open a suspended grant again; who does so has reviewed it."""
    row = row_of(ctx, grant_id)
    changes: Row = (
        {"review": KEPT, "confirm_by": None} if row["review"] == PENDING and row["confirm_by"] else {}
    )
    return told(move(ctx, row, "resume", "owner_choice", reason, **changes))


@reducer(readers=True)
def surrender_grant(
    ctx: Context, grant_id: GrantId, reason_code: ReasonCode = "grantee_choice", reason: Text = ""
) -> dict[str, str]:
    """Give a grant back as its reader."""
    return told(move(ctx, row_of(ctx, grant_id), "surrender", reason_code, reason))


def _present_key(ctx: Context, row: Row) -> str:
    """The key by which the reader is known now."""
    held = ctx.tx.get(KEYS, row["reader"])
    key: str = row["reader_key"] if held is None else held["x"]
    return key
