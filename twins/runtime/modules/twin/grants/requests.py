"""Requests: a reader asks, both sides haggle, the owner answers."""

from __future__ import annotations

from datetime import timedelta

from twins.runtime import clock
from twins.runtime.callers import KEYS
from twins.runtime.granted import GRANTS, LOCKED, OFFERED, REQUESTED
from twins.runtime.module import Context, reducer
from twins.runtime.modules.twin.grants import policy
from twins.runtime.modules.twin.grants.moves import OPEN_ASKS, actor_of, begin, live_of, move, require, row_of
from twins.runtime.modules.twin.grants.opening import begins, make_way, pin
from twins.runtime.modules.twin.grants.states import READER
from twins.runtime.modules.twin.grants.terms import Row, narrowed, terms, terms_hash, window
from twins.runtime.modules.twin.types import (
    Fields,
    GrantId,
    Name,
    PublicKey,
    PurposeCode,
    Reason,
    ReasonCode,
    SliceName,
    Text,
    Verbs,
    Where,
)
from twins.runtime.problems import Problem, conflict, grant_required, invalid
from twins.runtime.rights import SLICES

WAITS = timedelta(days=30)
MOST_OF_READER, MOST, MOST_ROUNDS = 10, 200, 5


def lapses(ctx: Context) -> str:
    """Until when what is written now waits for its answer."""
    return clock.write(clock.parse(ctx.now) + WAITS)


def told(row: Row) -> dict[str, str]:
    """What the caller of a move is answered."""
    return {name: row[name] for name in ("grant_id", "status", "terms_hash")}


@reducer(readers=True)
def request_grant(
    ctx: Context,
    reader_name: Name,
    slice_: SliceName,
    purpose: Reason,
    purpose_code: PurposeCode = "Other",
    verbs: Verbs | None = None,
    fields: Fields | None = None,
    where: Where = {},  # noqa: B006 - copied by the arguments' struct
    not_before: str | None = None,
    expires_at: str | None = None,
    reader_key: PublicKey | None = None,
) -> dict[str, str]:
    """Ask for a grant on a listed slice; a twin that is not known here names the key with which it signs."""
    key = _key(ctx, reader_key)
    _require_askable(ctx, slice_, key)
    _require_room(ctx, key, slice_, purpose)
    said: Row = {"purpose": purpose, "purpose_code": purpose_code, "verbs": verbs}
    said |= {"fields": fields, "where": where, "bounds": window(ctx, not_before, expires_at)}
    asked = terms(ctx, slice_, **said)
    who = {"reader": ctx.caller.id, "reader_name": reader_name, "reader_key": key, "requested": True}
    row = {"grant_id": ctx.new_ulid(), **who, **asked, "lapses_at": lapses(ctx)}
    return told(begin(ctx, "request", REQUESTED, row, "grantee_choice", purpose))


def _key(ctx: Context, named: str | None) -> str:
    """The key with which the caller signs.

    Raises:
        Problem: it is not the one that is named, or none is named that this twin could hold.
    """
    held = ctx.tx.get(KEYS, ctx.caller.id)
    key = named or (held["x"] if held else None)
    if key is None:
        raise invalid("`reader_key` must be the public key that signs your tokens: you are not known here.")
    # Who runs a record again knows nothing of tokens.
    if ctx.caller.x not in ("", key):
        raise grant_required()
    return key


def _require_askable(ctx: Context, slice_: str, key: str) -> None:
    """Refuse what is not there, not listed or locked in one and the same way."""
    row = ctx.tx.get(SLICES, slice_)
    mine = _is_known(ctx, ctx.caller.id, key) and live_of(ctx, ctx.caller.id, slice_) is not None
    if policy.posture_of(ctx) == LOCKED or row is None or not (row["listed"] or mine):
        raise grant_required()


def _is_known(ctx: Context, reader: str, key: str) -> bool:
    held = ctx.tx.get(KEYS, reader)
    return held is not None and held["x"] == key


def _require_room(ctx: Context, key: str, slice_: str, purpose: str) -> None:
    waiting = list(ctx.tx.scan(OPEN_ASKS))
    own = [grant_id for grant_id, ask in waiting if (ask["reader"], ask["x"]) == (ctx.caller.id, key)]
    for grant_id in own:
        row = ctx.tx.get(GRANTS, grant_id)
        if (row["slice"], row["purpose"], row["status"]) == (slice_, purpose, REQUESTED):
            raise conflict(f"You have asked for this already: {grant_id}.")
    # Strangers, who can be anybody, must not shut out those whom this twin knows.
    mine = _is_known(ctx, ctx.caller.id, key)
    alike = sum(_is_known(ctx, ask["reader"], ask["x"]) == mine for _, ask in waiting)
    if len(own) >= MOST_OF_READER or alike >= MOST:
        raise Problem(429, "quota-exceeded", "Too many requests wait for an answer here.")


@reducer(relation="can_manage_grants", readers=True)
def counter_grant(
    ctx: Context,
    grant_id: GrantId,
    verbs: Verbs | None = None,
    fields: Fields | None = None,
    where: Where | None = None,
    not_before: str | None = None,
    expires_at: str | None = None,
    all_fields: bool = False,
    reason: Text = "",
    reader_key: PublicKey | None = None,
) -> dict[str, str]:
    """Answer a request by an offer with other terms, or an offer by a request; what is not given stays."""
    row = row_of(ctx, grant_id)
    by_reader = actor_of(ctx) == READER
    require(ctx, row, "counter")
    if row["rounds"] >= MOST_ROUNDS:
        raise conflict(f"There were {MOST_ROUNDS} rounds already: accept, or end it.")
    if not by_reader:
        pin(ctx, row, reader_key)
    kept = None if all_fields else row["fields"]
    said = {
        "purpose": row["purpose"],
        "purpose_code": row["purpose_code"],
        "verbs": row["verbs"] if verbs is None else verbs,
        "fields": kept if fields is None else fields,
        "where": row["where"] if where is None else where,
    }
    bounds = window(ctx, not_before or row["not_before"], expires_at or row["expires_at"])
    changes = {**terms(ctx, row["slice"], **said, bounds=bounds), "rounds": row["rounds"] + 1}
    changes |= {"lapses_at": lapses(ctx), "approvals": []}
    if not by_reader:
        changes["approvals"] = policy.with_approval(ctx, [], row["slice"])
        changes |= {"by": ctx.caller.id, "by_custody": ctx.by_custody}
    code = "grantee_choice" if by_reader else "owner_choice"
    return told(move(ctx, row, "counter", code, reason, **changes))


@reducer(relation="can_manage_grants")
def approve_grant(
    ctx: Context,
    grant_id: GrantId,
    verbs: Verbs | None = None,
    fields: Fields | None = None,
    where: Where = {},  # noqa: B006
    not_before: str | None = None,
    expires_at: str | None = None,
    reason: Text = "",
    reader_key: PublicKey | None = None,
) -> dict[str, str]:
    """Approve a request as it is or narrower, or add an approval to an offer; the last one that is needed
    opens what was asked for.
    """
    row = row_of(ctx, grant_id)
    if require(ctx, row, "approve") == OFFERED:
        changes: Row = {"approvals": policy.with_approval(ctx, row["approvals"], row["slice"])}
        return told(move(ctx, row, "approve", "owner_choice", reason, **changes))
    pin(ctx, row, reader_key)
    agreed = {**row, **narrowed(ctx, row, verbs, fields, where, not_before, expires_at)}
    same = terms_hash(row["reader"], agreed) == row["terms_hash"]
    approvals = policy.with_approval(ctx, row["approvals"] if same else [], row["slice"])
    changes = {**agreed, "approvals": approvals, "by": ctx.caller.id, "by_custody": ctx.by_custody}
    wanted = REQUESTED
    if policy.approved(ctx, approvals, row["slice"]):
        changes |= make_way(ctx, agreed)
        wanted = begins(ctx, agreed)
    return told(move(ctx, row, "approve", "owner_choice", reason, wanted=wanted, **changes))


@reducer(relation="can_manage_grants")
def deny_grant(ctx: Context, grant_id: GrantId, reason_code: ReasonCode, reason: Text = "") -> dict[str, str]:
    """Refuse a request."""
    return told(move(ctx, row_of(ctx, grant_id), "deny", reason_code, reason))


@reducer(relation="can_manage_grants", readers=True)
def withdraw_grant(
    ctx: Context, grant_id: GrantId, reason_code: ReasonCode = "not_needed", reason: Text = ""
) -> dict[str, str]:
    """Take back a request as its reader, or an offer as its owner."""
    return told(move(ctx, row_of(ctx, grant_id), "withdraw", reason_code, reason))
