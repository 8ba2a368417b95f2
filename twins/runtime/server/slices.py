"""Reads of slices and their objects."""

from __future__ import annotations

from typing import Any

from twins.runtime import slices
from twins.runtime.callers import Caller
from twins.runtime.problems import Problem, forbidden, not_found
from twins.runtime.rights import SLICES
from twins.runtime.server.keys import caller_of, number, twin_of
from twins.runtime.server.responses import answer
from twins.runtime.server.wire import Answer, Request
from twins.runtime.slices import Sees
from twins.runtime.twin import Twin

DEFAULT_LIMIT, LARGEST_LIMIT = 100, 1000


async def index(request: Request) -> Answer:
    """`GET /v1/slices`."""
    twin, caller = twin_of(request), caller_of(request)
    if caller.former:
        problem = forbidden()
        twin.refused(caller, "slices", {}, problem)
        raise problem
    rows = [row for _, row in twin.state.scan(SLICES) if twin.rights.may_read(caller, row["name"])]
    shown = [
        {**row, "objects": slices.count(twin.state, row["name"], sees(twin, caller, row["name"]))}
        for row in rows
    ]
    await _settle(twin, caller, "slices", {})
    return answer({"slices": shown})


async def objects(request: Request) -> Answer:
    """`GET /v1/slices/<slice>/objects`."""
    twin, caller = twin_of(request), caller_of(request)
    name, after = request.match_info["slice"], request.query.get("after", "")
    limit = number(request, "limit", DEFAULT_LIMIT, LARGEST_LIMIT)
    _require(twin, caller, "objects", {"slice": name, "after": after[:200]})
    seq = twin.log.seq
    found, following = slices.page(twin.state, name, after, limit, sees(twin, caller, name))
    await _settle(twin, caller, "objects", {"slice": name, "after": after[:200], "limit": limit})
    rows = [slices.row_json(id_, value) for id_, value in found]
    return answer({"slice": name, "seq": seq, "objects": rows, "next": following})


async def one(request: Request) -> Answer:
    """`GET /v1/slices/<slice>/objects/<id>`."""
    twin, caller = twin_of(request), caller_of(request)
    name, id_ = request.match_info["slice"], request.match_info["id"]
    _require(twin, caller, "object", {"slice": name, "id": id_[:200]})
    value = slices.one(twin.state, name, id_, sees(twin, caller, name))
    await _settle(twin, caller, "object", {"slice": name, "id": id_[:200]})
    if value is None:
        raise not_found(f"object {id_[:200]!r}")
    return answer(slices.row_json(id_, value))


def sees(twin: Twin, caller: Caller, slice_: str) -> Sees | None:
    """What the module lets this caller see of the slices that they may read."""
    visible = twin.module.visible
    return None if visible is None else lambda object_: visible(caller.id, slice_, object_)


def _require(twin: Twin, caller: Caller, read: str, args: dict[str, Any]) -> None:
    try:
        twin.rights.require_read(caller, args["slice"])
    except Problem as problem:
        twin.refused(caller, read, args, problem)
        raise


async def _settle(twin: Twin, caller: Caller, read: str, args: dict[str, Any]) -> None:
    """Record another twin's read, and wait until what it is shown is on disk."""
    shown = twin.log.seq
    if caller.is_twin:
        twin.noted(caller, read, args)
    await twin.log.wait(shown)
