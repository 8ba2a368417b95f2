"""Offers: the owner proposes, the reader answers."""

from __future__ import annotations

from typing import Any

from twins.runtime.granted import OFFERED, SUSPENDED, grant_of
from twins.runtime.module import Context, reducer
from twins.runtime.modules.twin.grants import policy
from twins.runtime.modules.twin.grants.moves import begin, live_of, move, require, row_of
from twins.runtime.modules.twin.grants.opening import begins, hold_key, make_way
from twins.runtime.modules.twin.grants.requests import lapses, told
from twins.runtime.modules.twin.grants.terms import terms, window
from twins.runtime.modules.twin.types import (
    Fields,
    GrantId,
    Hash,
    Name,
    PublicKey,
    PurposeCode,
    Reason,
    ReasonCode,
    SliceName,
    Text,
    TwinId,
    Verbs,
    Where,
)
from twins.runtime.problems import Problem, conflict, invalid


def other_twin(ctx: Context, reader: str) -> str:
    """The reader.

    Raises:
        Problem: it is this twin itself.
    """
    if reader == f"twin:{ctx.twin}":
        raise invalid("`reader` must be another twin.")
    return reader


@reducer(relation="can_grant", object="slice:{slice}")
def offer_grant(
    ctx: Context,
    reader: TwinId,
    reader_name: Name,
    reader_key: PublicKey,
    slice_: SliceName,
    purpose: Reason,
    purpose_code: PurposeCode = "Other",
    verbs: Verbs | None = None,
    fields: Fields | None = None,
    where: Where = {},  # noqa: B006 - copied by the arguments' struct
    not_before: str | None = None,
    expires_at: str | None = None,
) -> dict[str, str]:
    """Offer a grant that nobody asked for; it opens when the reader accepts."""
    policy.require_unasked(ctx)
    who = {"reader": other_twin(ctx, reader), "reader_name": reader_name, "reader_key": reader_key}
    said: dict[str, Any] = {"purpose": purpose, "purpose_code": purpose_code, "verbs": verbs}
    said |= {"fields": fields, "where": where, "bounds": window(ctx, not_before, expires_at)}
    agreed = terms(ctx, slice_, **said)
    approvals = policy.with_approval(ctx, [], slice_)
    hold_key(ctx, who)
    row = {"grant_id": ctx.new_ulid(), **who, **agreed, "approvals": approvals, "lapses_at": lapses(ctx)}
    return told(begin(ctx, "offer", OFFERED, row, "owner_choice", purpose))


@reducer(readers=True)
def accept_grant(ctx: Context, grant_id: GrantId, terms_hash: Hash) -> dict[str, str]:
    """Accept an offer; the hash says which terms are meant."""
    row = row_of(ctx, grant_id)
    require(ctx, row, "accept")
    if terms_hash != row["terms_hash"]:
        raise conflict(f"The terms are others now; their hash is {row['terms_hash']}.")
    if not row["requested"]:
        policy.require_unasked(ctx)
    if not policy.approved(ctx, row["approvals"], row["slice"]):
        raise Problem(409, "approval-required", "More owners must approve this offer first.")
    held = live_of(ctx, row["reader"], row["slice"])
    if held is not None and grant_of(held).at(ctx.now) == SUSPENDED:
        raise conflict("Your present grant on this slice is suspended; it must be resumed first.")
    window(ctx, row["not_before"], row["expires_at"])
    changes = make_way(ctx, row)
    return told(move(ctx, row, "accept", "grantee_choice", "", wanted=begins(ctx, row), **changes))


@reducer(readers=True)
def decline_grant(
    ctx: Context, grant_id: GrantId, reason_code: ReasonCode = "grantee_choice", reason: Text = ""
) -> dict[str, str]:
    """Refuse an offer."""
    return told(move(ctx, row_of(ctx, grant_id), "decline", reason_code, reason))
