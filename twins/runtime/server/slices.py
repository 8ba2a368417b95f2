"""Reads of slices and their objects."""

from __future__ import annotations

import asyncio
from typing import Any

from twins.runtime import budget, slices
from twins.runtime.callers import Caller
from twins.runtime.problems import Problem, forbidden, not_found
from twins.runtime.query import Projection, as_of
from twins.runtime.rights import SLICES
from twins.runtime.server.keys import caller_of, number, twin_of
from twins.runtime.server.responses import answer
from twins.runtime.server.wire import Answer, Request
from twins.runtime.slices import Sees
from twins.runtime.twin import Twin

DEFAULT_LIMIT, LARGEST_LIMIT, LAST = 100, 1000, 10**18 - 1
LONGEST_NOTED = 4096


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
    whole = twin.rights.may(caller, "can_configure", twin.rights.instance)
    used: dict[str, Any] = {"budget": budget.describe(twin.state)} if whole else {}
    await _settle(twin, caller, "slices", {})
    return answer({"slices": shown, **used})


async def objects(request: Request) -> Answer:
    """`GET /v1/slices/<slice>/objects`."""
    twin, caller = twin_of(request), caller_of(request)
    name = request.match_info["slice"]
    asked = {one: request.query[one] for one in ("where", "order", "after") if one in request.query}
    noted: dict[str, Any] = {"slice": name, **{one: text[:LONGEST_NOTED] for one, text in asked.items()}}
    _require(twin, caller, "objects", noted)
    limit = number(request, "limit", DEFAULT_LIMIT, LARGEST_LIMIT)
    wanted = request.query.get("fields")
    projection = None if wanted is None else Projection.parse(wanted)
    filter_ = twin.queries.filter(name, asked.pop("where", ""))
    seq = twin.log.seq
    page = twin.queries.run(name, filter_, limit=limit, sees=sees(twin, caller, name), **asked)
    await _settle(twin, caller, "objects", {**noted, "limit": limit})
    rows = [slices.row_json(id_, value) for id_, value in page.rows]
    if projection is not None:
        rows = [{**row, "body": projection.of(row["body"])} for row in rows]
    return answer({"slice": name, "seq": seq, "objects": rows, "next": page.next})


async def one(request: Request) -> Answer:
    """`GET /v1/slices/<slice>/objects/<id>`."""
    twin, caller = twin_of(request), caller_of(request)
    name, id_ = request.match_info["slice"], request.match_info["id"]
    args = {"slice": name, "id": id_[:200]}
    past = "at" in request.query
    _require(twin, caller, "object", args, past=past)
    at = number(request, "at", LAST, LAST)
    if past and at > twin.log.seq:
        # What is there now may be changed by the record that is asked for.
        raise Problem(400, "bad-request", f"`at` is at most {twin.log.seq}, the last record.")
    value = twin.state.raw(slices.table_of(name), id_)
    await _settle(twin, caller, "object", args)
    if past and at < twin.log.seq and (value is None or slices.seq_of(value) > at):
        value = await asyncio.to_thread(_then, twin, name, id_, at)
    seen = sees(twin, caller, name)
    if value is None or (seen is not None and not seen(slices.object_of(id_, value))):
        raise not_found(f"object {id_[:200]!r}")
    return answer(slices.row_json(id_, value))


def _then(twin: Twin, slice_: str, id_: str, at: int) -> bytes | None:
    """The object's row after record `at`; reads the log backwards, so it is slow."""
    return as_of(twin.log.backwards(at), slice_, id_)


def sees(twin: Twin, caller: Caller, slice_: str) -> Sees | None:
    """What the module lets this caller see of the slices that they may read."""
    visible = twin.module.visible
    return None if visible is None else lambda object_: visible(caller.id, slice_, object_)


def _require(twin: Twin, caller: Caller, read: str, args: dict[str, Any], *, past: bool = False) -> None:
    """Refuse and record who may not read; a grant shows no past."""
    try:
        twin.rights.require_read(caller, args["slice"])
        if past:
            twin.rights.require(caller, "can_read", f"slice:{args['slice']}")
    except Problem as problem:
        twin.refused(caller, read, args, problem)
        raise


async def _settle(twin: Twin, caller: Caller, read: str, args: dict[str, Any]) -> None:
    """Record another twin's read, and wait until what it is shown is on disk."""
    shown = twin.log.seq
    if caller.is_twin:
        twin.noted(caller, read, args)
    await twin.log.wait(shown)
