"""Custody: how a twin begins, and how its owner takes it over."""

from __future__ import annotations

from typing import Any

import msgspec

from twins.runtime import budget
from twins.runtime.authz import tuples
from twins.runtime.budget import Budget
from twins.runtime.identity import KEY, TABLE
from twins.runtime.keys import KeyStore
from twins.runtime.module import Context, reducer
from twins.runtime.modules.twin.grants.inheritance import inherit
from twins.runtime.modules.twin.objects import enter_slice
from twins.runtime.modules.twin.people import CURATOR, CUSTODY, PEOPLE, dismiss, enlist, has_owner, know
from twins.runtime.modules.twin.senses import enter_sense
from twins.runtime.modules.twin.types import CuratorId, Key, Name, PublicKey, Sense, Slice, UserId
from twins.runtime.problems import conflict, invalid


class Genesis(msgspec.Struct, forbid_unknown_fields=True):
    """What a twin begins with: a curator's custody or owners, its budget, slices and senses."""

    custody: dict[CuratorId, Key] | None = None
    owner: dict[UserId, Key] | None = None
    admins: dict[UserId, Key] = {}
    slices: list[Slice] = []
    budget: Budget | None = None
    senses: list[Sense] = []


def new_signing_key(keys: KeyStore) -> dict[str, str]:
    """A new signing key on disk, as the record names it."""
    kid, x = keys.create()
    return {"new_kid": kid, "new_x": x}


def genesis(ctx: Context, given: dict[str, Any]) -> None:
    """Write a twin's first state.

    Raises:
        Problem: `given` does not fit, or names both a custody and an owner.
    """
    try:
        first = msgspec.convert(given, Genesis)
    except msgspec.ValidationError as error:
        raise invalid(f"genesis: {error}.") from None
    if first.custody and first.owner:
        raise invalid("A twin begins with a custody or with an owner, not with both.")
    if first.custody:
        row = tuples.row(f"instance:{ctx.twin}", "custody", CUSTODY)
        ctx.tx.put(tuples.TABLE, tuples.key_of(row["object"], "custody", CUSTODY), row)
    roles = ((CURATOR, first.custody), ("owner", first.owner), ("admin", first.admins))
    for role, people in roles:
        for caller, key in (people or {}).items():
            know(ctx, caller, key.name, key.key)
            enlist(ctx, caller, role, key.name)
    if first.budget is not None:
        ctx.tx.put(budget.TABLE, budget.KEY, first.budget)
    for declared in first.slices:
        enter_slice(ctx, declared)
    for sense in first.senses:
        enter_sense(ctx, sense)


@reducer(relation=CURATOR, prepare=new_signing_key)
def claim(ctx: Context, owner: UserId, owner_name: Name, owner_key: PublicKey) -> dict[str, Any]:
    """Hand the twin over: the curators' hold goes, the owner comes, the twin's key is new, in one commit."""
    if has_owner(ctx):
        raise conflict("This twin was claimed already.")
    pending = inherit(ctx)
    for _, person in list(ctx.tx.scan(PEOPLE)):
        if person["role"] == CURATOR:
            dismiss(ctx, person["user"], CURATOR)
    for key, row in list(ctx.tx.scan(tuples.TABLE)):
        if row["relation"] in ("custody", CURATOR):
            ctx.tx.delete(tuples.TABLE, key)
    know(ctx, owner, owner_name, owner_key)
    enlist(ctx, owner, "owner", owner_name)
    return {"owner": owner, "kid": _renew(ctx), "pending_grants": pending}


@reducer(relation="can_transfer", prepare=new_signing_key)
def rotate_key(ctx: Context) -> dict[str, str]:
    """Sign with a new key; tokens that the old one signed end with it."""
    return {"kid": _renew(ctx)}


def _renew(ctx: Context) -> str:
    kid = ctx.prepared["new_kid"]
    row = {**ctx.tx.get(TABLE, KEY), "kid": kid, "x": ctx.prepared["new_x"]}
    ctx.tx.put(TABLE, KEY, row)
    return kid
