"""Objects and slices."""

from __future__ import annotations

from twins.runtime.authz import tuples
from twins.runtime.module import Context, reducer
from twins.runtime.modules.twin.types import (
    Body,
    Name,
    Object,
    ObjectId,
    Sensitivity,
    Slice,
    SliceName,
)
from twins.runtime.problems import not_found
from twins.runtime.rights import SLICES
from twins.runtime.slices import table_of

ORIGIN = "origin"


def origin_key(slice_: str, id_: str) -> str:
    """Where the table `origin` names the sense that brought an object."""
    return f"{slice_}/{id_}"


def store(ctx: Context, slice_: str, id_: str, body: Body) -> None:
    """Set one object."""
    ctx.tx.put(table_of(slice_), id_, {"body": body, "seq": ctx.seq})


def remove(ctx: Context, slice_: str, id_: str) -> None:
    """Remove one object and where it came from."""
    ctx.tx.delete(table_of(slice_), id_)
    ctx.tx.delete(ORIGIN, origin_key(slice_, id_))


def enter_slice(ctx: Context, declared: Slice) -> None:
    """Write a slice's row and the tuple that ties it to this twin."""
    ctx.tx.put(SLICES, declared.name, declared)
    row = tuples.row(f"slice:{declared.name}", "instance", f"instance:{ctx.twin}")
    ctx.tx.put(tuples.TABLE, tuples.key_of(row["object"], "instance", row["user"]), row)


@reducer(relation="can_write", object="slice:{slice}")
def put(ctx: Context, slice_: SliceName, id_: ObjectId, body: Body) -> None:
    """Write one object, whole."""
    store(ctx, slice_, id_, body)


@reducer(relation="can_write", object="slice:{slice}")
def patch(ctx: Context, slice_: SliceName, id_: ObjectId, body: Body) -> None:
    """Set some of an object's top-level members."""
    present = ctx.tx.get(table_of(slice_), id_)
    if present is None:
        raise not_found(f"object {id_!r}")
    store(ctx, slice_, id_, {**present["body"], **body})


@reducer(relation="can_write", object="slice:{slice}")
def delete(ctx: Context, slice_: SliceName, id_: ObjectId) -> None:
    """Remove one object."""
    if ctx.tx.raw(table_of(slice_), id_) is None:
        raise not_found(f"object {id_!r}")
    remove(ctx, slice_, id_)


@reducer(relation="can_write", object="slice:{slice}")
def put_many(ctx: Context, slice_: SliceName, objects: list[Object], replace: bool = False) -> dict[str, int]:
    """Write many objects in one commit; with `replace` the slice holds nothing else afterwards."""
    named = {one.id for one in objects}
    gone = [id_ for id_ in ctx.tx.keys(table_of(slice_)) if id_ not in named] if replace else []
    for id_ in gone:
        remove(ctx, slice_, id_)
    for one in objects:
        store(ctx, slice_, one.id, one.body)
    return {"written": len(named), "deleted": len(gone)}


@reducer(relation="can_configure")
def declare_slice(
    ctx: Context,
    name: SliceName,
    title: Name,
    kind: SliceName,
    listed: bool = True,
    sensitivity: Sensitivity = "internal",
) -> None:
    """Make a slice, or describe it anew."""
    enter_slice(ctx, Slice(name, title, kind, listed, sensitivity))
