"""People: owners and admins of a twin, and the curators of its custody."""

from __future__ import annotations

from twins.runtime.authz import tuples
from twins.runtime.callers import FORMER, KEYS
from twins.runtime.module import Context, reducer
from twins.runtime.modules.twin.types import Name, PublicKey, Role, UserId
from twins.runtime.problems import conflict, invalid, not_found
from twins.runtime.tokens import decode_x

PEOPLE = "person"
CUSTODY = "custody:platform"
CURATOR = "curator"
# The owners' policy on grants, of which more is said where it is set.
POLICY, POLICY_KEY = "approval_policy", "twin"


def know(ctx: Context, caller: str, name: str, key: str) -> None:
    """Hold the key that verifies a caller's tokens from now on.

    Raises:
        Problem: it is no Ed25519 key.
    """
    try:
        decode_x(key)
    except ValueError:
        raise invalid(f"The key of {caller} is not an Ed25519 public key in base64url.") from None
    ctx.tx.put(KEYS, caller, {"name": name, "x": key})
    ctx.tx.delete(FORMER, caller)


def forget(ctx: Context, caller: str) -> None:
    """Hold the key only to tell who was refused: its owner has no right any more."""
    key = ctx.tx.get(KEYS, caller)
    if key is not None:
        ctx.tx.delete(KEYS, caller)
        ctx.tx.put(FORMER, caller, key)


def require_alone(ctx: Context) -> None:
    """Return when one owner decides alone: otherwise one could make, or unmake, those who must agree.

    Raises:
        Problem: 409, several must approve grants.
    """
    policy = ctx.tx.get(POLICY, POLICY_KEY)
    if policy is not None and policy["needed"] > 1:
        raise conflict("Several owners must approve grants: have them set the approval policy to one first.")


def enlist(ctx: Context, user: str, role: str, name: str) -> None:
    """Give somebody a role: the tuple, and the row that says since when and by whom.

    Raises:
        Problem: another owner, where several must approve grants.
    """
    if role == "owner":
        require_alone(ctx)
    object_ = CUSTODY if role == CURATOR else f"instance:{ctx.twin}"
    ctx.tx.put(tuples.TABLE, tuples.key_of(object_, role, user), tuples.row(object_, role, user))
    row = {"user": user, "role": role, "name": name, "since": ctx.now, "by": ctx.caller.id}
    ctx.tx.put(PEOPLE, f"{user}/{role}", row)


def dismiss(ctx: Context, user: str, role: str) -> None:
    """Take a role from somebody; without any role left they keep no tuple, and their tokens open nothing.

    Raises:
        Problem: they do not have it, they are the last owner, or several owners must approve grants.
    """
    if ctx.tx.raw(PEOPLE, f"{user}/{role}") is None:
        raise not_found(f"{role} {user}")
    if role == "owner":
        require_alone(ctx)
    ctx.tx.delete(PEOPLE, f"{user}/{role}")
    left = [row for _, row in ctx.tx.scan(PEOPLE)]
    if role == "owner" and not any(row["role"] == "owner" for row in left):
        raise conflict("The last owner stays: add another owner first.")
    object_ = CUSTODY if role == CURATOR else f"instance:{ctx.twin}"
    ctx.tx.delete(tuples.TABLE, tuples.key_of(object_, role, user))
    if not any(row["user"] == user for row in left):
        _strip(ctx, user)
        forget(ctx, user)


def _strip(ctx: Context, user: str) -> None:
    """Take every tuple from somebody, also those that they gave to themselves."""
    for key, row in list(ctx.tx.scan(tuples.TABLE)):
        if row["user"] == user:
            ctx.tx.delete(tuples.TABLE, key)


def has_owner(ctx: Context) -> bool:
    """Whether the twin was claimed."""
    return any(row["role"] == "owner" for _, row in ctx.tx.scan(PEOPLE))


@reducer(relation="can_manage_admins")
def add_person(ctx: Context, user: UserId, name: Name, role: Role, key: PublicKey) -> None:
    """Make somebody an owner, an admin or an auditor; another key takes the place of the one they had."""
    held = ctx.tx.get(KEYS, user)
    if held is not None and held["x"] != key:
        require_alone(ctx)
    know(ctx, user, name, key)
    enlist(ctx, user, role, name)


@reducer(relation="can_manage_admins")
def remove_person(ctx: Context, user: UserId, role: Role) -> None:
    """Take a role from somebody."""
    dismiss(ctx, user, role)
