"""Objects and slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from twins.runtime import budget
from twins.runtime.authz import tuples
from twins.runtime.budget import ByteBudget, RowBudget
from twins.runtime.module import Context, reducer
from twins.runtime.modules.twin.types import (
    Body,
    Indexes,
    Name,
    Object,
    ObjectId,
    QueryBudget,
    Sensitivity,
    Slice,
    SliceName,
)
from twins.runtime.problems import invalid, not_found
from twins.runtime.query.declaration import WIDEST, Index, declaration_of
from twins.runtime.rights import SLICES
from twins.runtime.slices import table_of

ORIGIN = "origin"
# Not in a slice's row as long as nobody sets it.
USUAL: dict[str, Any] = {"schema": None, "indexes": [], "budget": WIDEST}


def origin_key(slice_: str, id_: str) -> str:
    """Where the table `origin` names the sense that brought an object."""
    return f"{slice_}/{id_}"


def store(ctx: Context, slice_: str, id_: str, body: Body) -> None:
    """Set one object; when all are set, `budget.keep_within` says whether there is room.

    Raises:
        Problem: it does not fit its slice's schema, or is too large.
    """
    declaration_of(ctx.tx, slice_).check(id_, body)
    budget.fits(id_, ctx.tx.put(table_of(slice_), id_, {"body": body, "seq": ctx.seq}))


def remove(ctx: Context, slice_: str, id_: str) -> None:
    """Remove one object and where it came from."""
    ctx.tx.delete(table_of(slice_), id_)
    ctx.tx.delete(ORIGIN, origin_key(slice_, id_))


def enter_slice(ctx: Context, declared: Slice) -> None:
    """Write a slice's row and the tuple that ties it to this twin.

    Raises:
        Problem: its schema or an index is unusable, or an object that is there does not fit the schema.
    """
    _check_indexes(declared.indexes)
    members: dict[str, Any] = msgspec.to_builtins(declared)
    before = ctx.tx.get(SLICES, declared.name) or {}
    ctx.tx.put(
        SLICES,
        declared.name,
        {name: members[name] for name in members if members[name] != USUAL.get(name, ...)},
    )
    if declared.schema != before.get("schema"):
        _check_present(ctx, declared.name)
    row = tuples.row(f"slice:{declared.name}", "instance", f"instance:{ctx.twin}")
    ctx.tx.put(tuples.TABLE, tuples.key_of(row["object"], "instance", row["user"]), row)


def _check_indexes(indexes: Sequence[Index]) -> None:
    if len({(one.path, one.type) for one in indexes}) < len(indexes):
        raise invalid("`indexes` names the same path and type twice.")
    for one in indexes:
        if one.order != "text" and one.type != "range":
            raise invalid(f"`indexes`: only a range has an order, not the {one.type} of {one.path!r}.")


def _check_present(ctx: Context, slice_: str) -> None:
    declaration, held = declaration_of(ctx.tx, slice_), len(ctx.tx.keys(table_of(slice_)))
    if declaration.schema is not None:
        if held > WIDEST:
            detail = (
                f"`schema`: {slice_!r} holds {held:,} objects, and at most {WIDEST:,} can be checked at once"
            )
            raise invalid(f"{detail}: declare it while there are fewer, or move them to a new slice.")
        for id_, row in ctx.tx.scan(table_of(slice_)):
            declaration.check(id_, row["body"])


def _make_slice(ctx: Context, slice_: str) -> None:
    """Declare a slice that is written to for the first time: bare, and shown to nobody but its own people."""
    if ctx.tx.raw(SLICES, slice_) is None:
        enter_slice(ctx, Slice(slice_, title=slice_, kind=slice_, listed=False))


@reducer(relation="can_write", object="slice:{slice}", makes="can_configure")
def put(ctx: Context, slice_: SliceName, id_: ObjectId, body: Body) -> None:
    """Write one object, whole; a slice that was never declared is made."""
    _make_slice(ctx, slice_)
    store(ctx, slice_, id_, body)
    budget.keep_within(ctx.tx)


@reducer(relation="can_write", object="slice:{slice}")
def patch(ctx: Context, slice_: SliceName, id_: ObjectId, body: Body) -> None:
    """Set some of an object's top-level members."""
    present = ctx.tx.get(table_of(slice_), id_)
    if present is None:
        raise not_found(f"object {id_!r}")
    store(ctx, slice_, id_, {**present["body"], **body})
    budget.keep_within(ctx.tx)


@reducer(relation="can_write", object="slice:{slice}")
def delete(ctx: Context, slice_: SliceName, id_: ObjectId) -> None:
    """Remove one object."""
    if ctx.tx.raw(table_of(slice_), id_) is None:
        raise not_found(f"object {id_!r}")
    remove(ctx, slice_, id_)


@reducer(relation="can_write", object="slice:{slice}", makes="can_configure")
def put_many(ctx: Context, slice_: SliceName, objects: list[Object], replace: bool = False) -> dict[str, int]:
    """Write many objects in one commit; with `replace` the slice holds nothing else afterwards. A slice that
    was never declared is made.
    """
    _make_slice(ctx, slice_)
    named = {one.id for one in objects}
    gone = [id_ for id_ in ctx.tx.keys(table_of(slice_)) if id_ not in named] if replace else []
    for id_ in gone:
        remove(ctx, slice_, id_)
    for one in objects:
        store(ctx, slice_, one.id, one.body)
    budget.keep_within(ctx.tx)
    return {"written": len(named), "deleted": len(gone)}


@reducer(relation="can_configure")
def declare_slice(
    ctx: Context,
    name: SliceName,
    title: Name,
    kind: SliceName,
    listed: bool = True,
    sensitivity: Sensitivity = "internal",
    schema: dict[str, Any] | None = None,
    indexes: Indexes = [],  # noqa: B006 - copied by the arguments' struct
    budget_: QueryBudget = WIDEST,
) -> None:
    """Make a slice, or describe it anew; what is not given is as usual again."""
    enter_slice(ctx, Slice(name, title, kind, listed, sensitivity, schema, indexes, budget_))


@reducer(relation="can_configure")
def set_budget(ctx: Context, rows: RowBudget, bytes_: ByteBudget) -> None:
    """Say how many objects, and how many bytes of them, the twin holds at most; what is there stays."""
    ctx.tx.put(budget.TABLE, budget.KEY, budget.Budget(rows, bytes_))
