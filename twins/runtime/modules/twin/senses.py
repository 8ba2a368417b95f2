"""Senses: what feeds a twin.

Objects carry nothing of their sense; the table `origin` says which sense brought them.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from twins.runtime import budget, codec
from twins.runtime.module import Context, reducer
from twins.runtime.modules.twin.objects import ORIGIN, origin_key, remove, store
from twins.runtime.modules.twin.types import Name, Object, Seconds, Sense, SenseName, SliceName, Url
from twins.runtime.problems import conflict, invalid, not_found
from twins.runtime.rights import SLICES
from twins.runtime.senses import KINDS
from twins.runtime.senses.kind import SENSES, SenseFailed
from twins.runtime.slices import table_of


def enter_sense(ctx: Context, sense: Sense) -> None:
    """Write a sense that has not run yet, in place of one of the same name.

    Raises:
        Problem: unknown kind or slice, or the kind cannot work with this url and target.
    """
    kind = KINDS.get(sense.kind)
    if kind is None:
        raise invalid(f"`kind` must be one of {', '.join(sorted(KINDS))}, not {sense.kind[:40]!r}.")
    for slice_ in sense.target:
        if ctx.tx.raw(SLICES, slice_) is None:
            raise invalid(f"`target` names the slice {slice_!r}, which is not declared.")
    try:
        kind.check(sense.url, sense.target)
    except SenseFailed as failure:
        raise invalid(str(failure)) from None
    asked = {"last_run": None, "ok": None, "last_result": "", "requested": False}
    ctx.tx.put(SENSES, sense.name, {**msgspec.to_builtins(sense), **asked})


def row_of(ctx: Context, name: str) -> dict[str, Any]:
    """A sense's row.

    Raises:
        Problem: there is none.
    """
    row: dict[str, Any] | None = ctx.tx.get(SENSES, name)
    if row is None:
        raise not_found(f"sense {name!r}")
    return row


def summary(args: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a run as its record keeps them: the changed objects are among the effects anyway."""
    slices = {
        slice_: {"objects": len(objects), "sha256": hashlib.sha256(codec.encode(objects)).hexdigest()}
        for slice_, objects in args["slices"].items()
    }
    return {**args, "slices": slices}


@reducer(relation="can_configure")
def set_sense(
    ctx: Context,
    name: SenseName,
    kind: str,
    title: Name,
    url: Url = "",
    target: dict[SliceName, Name] | None = None,
    every: Seconds = 3600,
) -> None:
    """Set up a sense, or replace the one of the same name; it runs at once."""
    enter_sense(ctx, Sense(name, kind, title, url, target or {}, every))


@reducer(relation="can_configure")
def remove_sense(ctx: Context, name: SenseName) -> None:
    """Take a sense away; what it brought stays until another sense fills the slice."""
    row_of(ctx, name)
    ctx.tx.delete(SENSES, name)


@reducer(relation="can_configure")
def run_sense(ctx: Context, name: SenseName) -> None:
    """Ask for a run now."""
    row = row_of(ctx, name)
    if not KINDS[row["kind"]].runs:
        raise conflict("This sense is fed by hand; there is nothing to run.")
    ctx.tx.put(SENSES, name, {**row, "requested": True})


@reducer(only="agent:sense", recorded=summary)
def sense_result(
    ctx: Context, name: SenseName, ok: bool, detail: str, slices: dict[SliceName, list[Object]]
) -> dict[str, int]:
    """Take in one run: its objects replace what this sense, or one that is gone, brought before."""
    row = row_of(ctx, name)
    done = {
        "last_run": ctx.now,
        "ok": ok,
        "last_result": "ok" if ok else f"failed: {detail}",
        "requested": False,
    }
    ctx.tx.put(SENSES, name, {**row, **done})
    if not ok:
        return {"written": 0, "deleted": 0}
    if not slices.keys() <= row["target"].keys():
        raise invalid("A sense fills only the slices of its target.")
    deleted = _clear(ctx, name, slices)
    written = sum(_take_in(ctx, name, slice_, one) for slice_, objects in slices.items() for one in objects)
    budget.keep_within(ctx.tx)
    return {"written": written, "deleted": deleted}


def _clear(ctx: Context, name: str, slices: dict[str, list[Object]]) -> int:
    """Delete what the run no longer supplies, also of senses that are gone if they filled its slices."""
    supplied = {origin_key(slice_, one.id) for slice_, objects in slices.items() for one in objects}
    deleted = 0
    for key, sense in list(ctx.tx.scan(ORIGIN)):
        slice_, _, id_ = key.partition("/")
        orphan = slice_ in slices and ctx.tx.raw(SENSES, sense) is None
        if key not in supplied and (sense == name or orphan):
            remove(ctx, slice_, id_)
            deleted += 1
    return deleted


def _take_in(ctx: Context, name: str, slice_: str, one: Object) -> bool:
    """Write one object if it is new or differs; whether it was."""
    if ctx.tx.get(ORIGIN, origin_key(slice_, one.id)) != name:
        ctx.tx.put(ORIGIN, origin_key(slice_, one.id), name)
    present = ctx.tx.get(table_of(slice_), one.id)
    if present is not None and present["body"] == one.body:
        return False
    store(ctx, slice_, one.id, one.body)
    return True
