"""Erasure: one object goes from the memory and, for good, from the log.

`erase` is the owner's word. The runtime then records `shred`, which drops the answers that lie in the same
parts of the log, destroys the keys of every part that holds the object's values, and records `erased`. Ids
are not values: they stay readable in the heads, so they must not say who somebody is.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from twins.runtime.answers import TABLE as ANSWERS
from twins.runtime.callers import VAULT
from twins.runtime.module import Context, reducer
from twins.runtime.modules.twin.objects import remove
from twins.runtime.modules.twin.types import GrantId, Name, ObjectId, SliceName
from twins.runtime.problems import not_found
from twins.runtime.rights import SLICES

ERASURES = "erasure"
SHREDDING, ERASED = "shredding", "erased"
Count = Annotated[int, Meta(ge=0)]


@reducer(relation="can_delete")
def erase(ctx: Context, slice_: SliceName, id_: ObjectId, reason: Name) -> dict[str, str]:
    """Remove an object, also one that was deleted before, and ask for the end of its past."""
    if ctx.tx.raw(SLICES, slice_) is None:
        raise not_found(f"slice {slice_!r}")
    remove(ctx, slice_, id_)
    erasure = ctx.new_ulid()
    row = {"slice": slice_, "id": id_, "by": ctx.caller.id, "at": ctx.now, "seq": ctx.seq, "reason": reason}
    ctx.tx.put(ERASURES, erasure, {**row, "status": SHREDDING})
    return {"erasure": erasure}


def _counted(args: dict[str, Any]) -> dict[str, Any]:
    return {"erasure": args["erasure"], "answers": len(args["answers"])}


@reducer(only=VAULT.id, recorded=_counted)
def shred(ctx: Context, erasure: GrantId, answers: list[str]) -> None:
    """Forget answers whose parts of the log are about to be destroyed; a retry is then a new call."""
    row = _row(ctx, erasure)
    for key in answers:
        answer = ctx.tx.get(ANSWERS, key)
        if answer is not None and answer["seq"] <= row["seq"]:
            ctx.tx.delete(ANSWERS, key)


@reducer(only=VAULT.id)
def erased(ctx: Context, erasure: GrantId, parts: Count, records: Count) -> None:
    """The keys of so many parts, of so many records, were destroyed."""
    row = _row(ctx, erasure)
    ctx.tx.put(ERASURES, erasure, {**row, "status": ERASED, "erased_at": ctx.now})


def _row(ctx: Context, erasure: str) -> dict[str, Any]:
    row: dict[str, Any] | None = ctx.tx.get(ERASURES, erasure)
    if row is None:
        raise not_found(f"erasure {erasure!r}")
    return row
