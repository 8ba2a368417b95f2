"""Held: what this twin, as a reader, keeps of the grants that others gave it, in their own signed words.

Whoever brings a notice has no power: it counts only when the target signed it, by the key that was pinned
for the target when somebody here decided to ask it.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from twins.runtime import codec
from twins.runtime.granted import HELD
from twins.runtime.module import Context, reducer
from twins.runtime.modules.twin.types import Name, PublicKey, TwinId
from twins.runtime.problems import conflict, invalid
from twins.runtime.tokens import TokenRefused, decode_x, open_notice

TARGETS = "target"
Notice = Annotated[str, Meta(max_length=32_768)]


class _Move(msgspec.Struct):
    seq: Annotated[int, Meta(ge=1)]
    at: str
    to: str
    reason_code: str | None
    reason: str | None


class _Said(msgspec.Struct):
    """What a notice says: the grant as its target has it, and the move by which it came to be so."""

    target: TwinId
    grant: dict[str, Any]
    move: _Move


@reducer(relation="can_federate")
def pin_target(ctx: Context, target: TwinId, name: Name, key: PublicKey, replace: bool = False) -> None:
    """Hold the key of a twin that is asked; another key takes its place only if that is said."""
    try:
        decode_x(key)
    except ValueError:
        raise invalid("`key` is not an Ed25519 public key in base64url.") from None
    held = ctx.tx.get(TARGETS, target)
    if held is not None and held["x"] != key and not replace:
        raise conflict(f"Another key is held for {target}; say `replace` if that one is over.")
    if held is None or held["x"] != key:
        ctx.tx.put(TARGETS, target, {"name": name, "x": key, "by": ctx.caller.id, "since": ctx.now})


@reducer(relation="can_federate")
def note_grant(ctx: Context, target: TwinId, notice: Notice) -> dict[str, Any]:
    """Keep a notice of the target about one of our grants; an older one than is held is refused."""
    said = _opened(ctx, target, notice)
    move, grant = said.move, said.grant
    key = f"{target} {grant['grant_id']}"
    held = ctx.tx.get(HELD, key)
    if held is not None and held["effective_seq"] > move.seq:
        raise conflict(f"A newer notice is held, of the target's record {held['effective_seq']}.")
    why = {"status": move.to, "reason_code": move.reason_code, "reason": move.reason}
    when = {"effective_seq": move.seq, "effective_at": move.at}
    by = {"noted_at": ctx.now, "by": ctx.caller.id}
    if held is None or held["effective_seq"] < move.seq:
        ctx.tx.put(HELD, key, {**grant, **why, **when, **by, "target": target})
    return {"grant_id": grant["grant_id"], "status": why["status"]}


def _opened(ctx: Context, target: str, notice: str) -> _Said:
    """What the notice says.

    Raises:
        Problem: 409, no key is pinned for the target; 422, it is not the target's, or not about us.
    """
    pinned = ctx.tx.get(TARGETS, target)
    if pinned is None:
        raise conflict(f"No key is held for {target}; pin it when you ask that twin for something.")
    try:
        said = msgspec.convert(codec.decode(open_notice(notice, pinned["x"])), _Said)
        fits = (said.target, said.grant["reader"]) == (target, f"twin:{ctx.twin}")
        fits = fits and "grant_id" in said.grant
    except TokenRefused:
        raise invalid("`notice` is not signed by the key that is held for the target.") from None
    except (msgspec.MsgspecError, KeyError):
        fits = False
    if not fits:
        raise invalid("`notice` is not the target's notice of a grant to this twin.")
    return said
