"""Policy: how many owners a grant needs, and the posture of the whole twin."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from twins.runtime.granted import APPROVALS, OPEN, POSTURE, TWIN
from twins.runtime.module import Context, reducer
from twins.runtime.modules.twin.people import PEOPLE, POLICY, POLICY_KEY
from twins.runtime.modules.twin.types import Posture, ReasonCode, SliceName, Text
from twins.runtime.problems import Problem, conflict, invalid

Needed = Annotated[int, Meta(ge=1, le=20)]
Slices = Annotated[list[SliceName], Meta(max_length=200)]


def posture_of(ctx: Context) -> str:
    row = ctx.tx.get(POSTURE, TWIN)
    posture: str = OPEN if row is None else row["posture"]
    return posture


def needed(ctx: Context, slice_: str) -> int:
    """How many owners must approve what opens a slice; never more than there are."""
    policy = ctx.tx.get(POLICY, POLICY_KEY)
    if policy is None or (policy["slices"] and slice_ not in policy["slices"]):
        return 1
    return _at_most(ctx, policy["needed"])


def approved(ctx: Context, approvals: list[str], slice_: str) -> bool:
    """Whether enough of those who approved are still owners."""
    wanted = needed(ctx, slice_)
    return wanted == 1 or len(set(approvals) & _deciders(ctx)) >= wanted


def with_approval(ctx: Context, approvals: list[str], slice_: str) -> list[str]:
    """The approvals together with the caller's.

    Raises:
        Problem: 409, they approved already, or more than one is needed and theirs does not count.
    """
    me = ctx.caller.id
    if needed(ctx, slice_) > 1:
        if me not in _deciders(ctx):
            raise conflict("Only owners whom this twin knows by name count where several must approve.")
        if me in approvals:
            raise conflict("You have approved this already; another owner must.")
    return [*approvals, me]


def require_direct(ctx: Context, slice_: str) -> None:
    """Return when one owner alone may open a slice without having been asked.

    Raises:
        Problem: 409.
    """
    require_unasked(ctx)
    if needed(ctx, slice_) > 1:
        text = "Several owners must approve: offer the grant, or have the reader ask for it."
        raise Problem(409, "approval-required", text)


def require_unasked(ctx: Context) -> None:
    """Return when the posture lets an owner open something that nobody asked for.

    Raises:
        Problem: 409.
    """
    if posture_of(ctx) == APPROVALS:
        text = "The twin opens nothing but by an answer to a request; its posture is `approvals`."
        raise Problem(409, "approval-required", text)


def _deciders(ctx: Context) -> set[str]:
    return {row["user"] for _, row in ctx.tx.scan(PEOPLE) if row["role"] in ("owner", "curator")}


def _at_most(ctx: Context, wanted: int) -> int:
    return max(1, min(wanted, len(_deciders(ctx))))


@reducer(relation="can_manage_grants")
def set_approval_policy(ctx: Context, needed_: Needed, slices: Slices = []) -> dict[str, bool]:  # noqa: B006
    """Say how many owners must approve a grant, on these slices or on all. Where several must, as many must
    say the same of the policy before it changes.
    """
    if needed_ > len(_deciders(ctx)):
        raise invalid(f"`needed` may be at most {len(_deciders(ctx))}: there are no more owners.")
    present: dict[str, Any] = ctx.tx.get(POLICY, POLICY_KEY) or {"needed": 1, "slices": [], "proposed": None}
    wish = {"needed": needed_, "slices": sorted(set(slices))}
    proposed = present["proposed"]
    same = proposed is not None and {name: proposed[name] for name in wish} == wish
    votes = sorted({*(proposed["by"] if same else ()), ctx.caller.id})
    agreed = len(set(votes) & _deciders(ctx)) >= _at_most(ctx, present["needed"])
    if agreed or _at_most(ctx, present["needed"]) == 1:
        ctx.tx.put(POLICY, POLICY_KEY, {**wish, "proposed": None, "by": votes, "since": ctx.now})
        return {"in_force": True}
    ctx.tx.put(POLICY, POLICY_KEY, {**present, "proposed": {**wish, "by": votes}})
    return {"in_force": False}


@reducer(relation="can_manage_grants")
def set_posture(
    ctx: Context, posture: Posture, reason_code: ReasonCode = "owner_choice", reason: Text = ""
) -> None:
    """Open the twin, open it only by answers to requests, or lock it: nothing is read across twins, every
    grant and its window stay.
    """
    why = {"reason_code": reason_code, "reason": reason}
    ctx.tx.put(POSTURE, TWIN, {"posture": posture, "by": ctx.caller.id, "since": ctx.now, **why})
