"""The reducer behind the OpenFGA interface's `write`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from twins.runtime.authz import tuples
from twins.runtime.authz.strict import BOUNDS, CONDITION
from twins.runtime.callers import KEYS, ROLES
from twins.runtime.module import Context, reducer
from twins.runtime.modules.twin import people
from twins.runtime.modules.twin.grants import policy
from twins.runtime.modules.twin.grants.giving import give
from twins.runtime.modules.twin.grants.moves import RELATION, live_of, move
from twins.runtime.modules.twin.grants.opening import take_back, turn_if_over
from twins.runtime.modules.twin.grants.terms import terms, window
from twins.runtime.problems import Problem, conflict, invalid
from twins.runtime.rights import SLICES

PURPOSE = "written through the OpenFGA interface"
NEEDS = {
    "owner": "can_manage_admins",
    "admin": "can_manage_admins",
    "auditor": "can_manage_admins",
    "reader": "can_grant",
    "editor": "can_grant",
    "federation_reader": "can_grant",
}


Entity = Annotated[str, msgspec.Meta(pattern=r"\A[a-z]{1,50}:[A-Za-z0-9_.-]{1,200}\Z")]


class Condition(msgspec.Struct):
    name: str
    context: dict[str, str] = {}


class Tuple(msgspec.Struct):
    """A tuple as OpenFGA's `tuple_key` has it; there is no way to write a wildcard or a userset."""

    user: Entity
    relation: Annotated[str, msgspec.Meta(max_length=50)]
    object: Entity
    condition: Condition | None = None


@reducer(relation="can_read_audit")
def authz_write(ctx: Context, writes: list[Tuple], deletes: list[Tuple]) -> None:
    """Delete and write tuples in one commit; each needs the right that its relation asks for."""
    for one in [*deletes, *writes]:
        _authorize(ctx, one)
    for one in deletes:
        _delete(ctx, one)
    for one in writes:
        _admit(ctx, one)
        _write(ctx, one)


def _authorize(ctx: Context, one: Tuple) -> None:
    needed = NEEDS.get(one.relation)
    if needed is None:
        raise invalid(f"The relation {one.relation[:50]!r} is not written through this interface.")
    ctx.rights.require(ctx.caller, needed, one.object)


def _admit(ctx: Context, one: Tuple) -> None:
    condition = one.condition.name if one.condition else ""
    if not ctx.rights.admits(one.object, one.relation, one.user, condition):
        raise invalid(
            f"The model admits no {one.relation} {one.user[:60]!r} of {one.object[:60]!r} in this form."
        )


def _delete(ctx: Context, one: Tuple) -> None:
    key = tuples.key_of(one.object, one.relation, one.user)
    if ctx.tx.raw(tuples.TABLE, key) is None:
        raise conflict(f"cannot delete a tuple which does not exist: {key[:200]!r}")
    if one.relation in ROLES:
        people.dismiss(ctx, one.user, one.relation)
        return
    held = live_of(ctx, one.user, one.object.removeprefix("slice:")) if one.relation == RELATION else None
    ctx.tx.delete(tuples.TABLE, key)
    if held is not None and not turn_if_over(ctx, held):
        take_back(ctx, move(ctx, held, "revoke", "owner_choice", PURPOSE), "owner_choice", PURPOSE)


def _write(ctx: Context, one: Tuple) -> None:
    key = tuples.key_of(one.object, one.relation, one.user)
    if ctx.tx.raw(tuples.TABLE, key) is not None:
        raise conflict(f"cannot write a tuple which already exists: {key[:200]!r}")
    bounds = _bounds(ctx, one.condition)
    if one.relation in ROLES:
        people.enlist(ctx, one.user, one.relation, one.user)
    elif one.relation == RELATION:
        _open(ctx, one, bounds or {})
    else:
        ctx.tx.put(tuples.TABLE, key, tuples.row(one.object, one.relation, one.user, bounds))


def _bounds(ctx: Context, condition: Condition | None) -> dict[str, str] | None:
    if condition is None:
        return None
    if condition.name != CONDITION or set(condition.context) != set(BOUNDS):
        raise invalid(f"The condition must be {CONDITION} with exactly {' and '.join(BOUNDS)}.")
    return window(ctx, condition.context["not_before"], condition.context["expires_at"])


def _open(ctx: Context, one: Tuple, bounds: dict[str, str]) -> None:
    key: dict[str, Any] | None = ctx.tx.get(KEYS, one.user)
    slice_ = one.object.removeprefix("slice:")
    if key is None or ctx.tx.raw(SLICES, slice_) is None:
        raise Problem(
            422, "invalid-arguments", f"The key of {one.user[:60]} is not known; use the reducer `grant`."
        )
    policy.require_direct(ctx, slice_)
    said: dict[str, Any] = {"purpose": PURPOSE, "purpose_code": "Other", "verbs": None}
    agreed = terms(ctx, slice_, **said, fields=None, where={}, bounds=bounds)
    who = {"reader": one.user, "reader_name": key["name"], "reader_key": key["x"]}
    give(ctx, "grant", {"grant_id": ctx.new_ulid(), **who, **agreed}, PURPOSE)
