"""Opening: what happens to the present grant of a reader on a slice when another one takes its place."""

from __future__ import annotations

from typing import Any

from twins.runtime.callers import KEYS
from twins.runtime.granted import ACTIVE, GRANTS, OFFERED, SCHEDULED, grant_of
from twins.runtime.module import Context
from twins.runtime.modules.twin.grants.moves import OPEN_ASKS, live_of, move, turn
from twins.runtime.modules.twin.grants.terms import Row, shows_the_same
from twins.runtime.modules.twin.people import know, require_alone
from twins.runtime.problems import conflict, invalid


def make_way(ctx: Context, row: Row, action: str = "supersede") -> dict[str, Any]:
    """End the live grant of the same reader on the same slice, in the same commit, and return what the new
    one takes from it: a reader who goes on seeing the same need not begin anew.
    """
    changes = {"terms_seq": ctx.seq, "granted_at": ctx.now, "lapses_at": None}
    other = live_of(ctx, row["reader"], row["slice"])
    if other is None or turn_if_over(ctx, other):
        return changes
    if shows_the_same(other, row) and grant_of(other).at(ctx.now) == ACTIVE and begins(ctx, row) == ACTIVE:
        changes["terms_seq"] = other["terms_seq"]
    move(ctx, other, action, "superseded", f"by {row['grant_id']}")
    return {**changes, "replaces": other["grant_id"]}


def turn_if_over(ctx: Context, row: Row) -> bool:
    """Whether time has ended the grant, which its row says from now on."""
    over = grant_of(row).ended(ctx.now) is not None
    if over:
        turn(ctx, row)
    return over


def begins(ctx: Context, row: Row) -> str:
    """The state in which a grant with this window opens."""
    return SCHEDULED if row["not_before"] > ctx.now else ACTIVE


def take_back(ctx: Context, row: Row, code: str, text: str) -> None:
    """Withdraw what is offered to the same reader on the same slice: it must not open what is closed."""
    for grant_id, ask in list(ctx.tx.scan(OPEN_ASKS)):
        if (ask["reader"], ask["slice"]) == (row["reader"], row["slice"]):
            withdraw_offer(ctx, grant_id, code, text)


def withdraw_offer(ctx: Context, grant_id: str, code: str, text: str) -> None:
    """Withdraw an offer that still waits; a request stays."""
    offer = ctx.tx.get(GRANTS, grant_id)
    if not turn_if_over(ctx, offer) and offer["status"] == OFFERED:
        move(ctx, offer, "withdraw", code, text)


def hold_key(ctx: Context, row: Row) -> None:
    """Hold the key by which a grant or an offer names its reader.

    Raises:
        Problem: 409, it would take the place of another key, though several owners must approve grants.
    """
    held, x = ctx.tx.get(KEYS, row["reader"]), row["reader_key"]
    if held is not None and held["x"] != x:
        require_alone(ctx)
    know(ctx, row["reader"], row["reader_name"], x)


def pin(ctx: Context, row: Row, shown: str | None) -> None:
    """Hold the key with which the reader asked as theirs.

    Raises:
        Problem: 409, this twin holds another key for the reader, and `shown` does not say that the new one
            is meant; 422, it says another.
    """
    held, x = ctx.tx.get(KEYS, row["reader"]), row["reader_key"]
    if shown is not None and shown != x:
        raise invalid("`reader_key` is not the key with which the reader asked.")
    if held is not None and held["x"] != x and shown is None:
        text = f"{row['reader']} is known here by another key."
        raise conflict(f"{text} If the new key {x} is theirs, name it in `reader_key`.")
    if held is None or held["x"] != x:
        hold_key(ctx, row)
