"""Reads of slices and their objects."""

from __future__ import annotations

import asyncio
from typing import Any

from twins.runtime import budget, slices
from twins.runtime.callers import Caller
from twins.runtime.granted import AGGREGATE
from twins.runtime.problems import Problem, forbidden, invalid, not_found
from twins.runtime.query import Projection, aggregate, as_of
from twins.runtime.query.paths import is_path
from twins.runtime.rights import SLICES
from twins.runtime.server import reads
from twins.runtime.server.keys import caller_of, number, twin_of
from twins.runtime.server.responses import answer
from twins.runtime.server.wire import Answer, Request
from twins.runtime.sight import Sight
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
    shown = [_described(twin, caller, row) for row in rows]
    whole = twin.rights.may(caller, "can_configure", twin.rights.instance)
    used: dict[str, Any] = {"budget": budget.describe(twin.state)} if whole else {}
    seq = twin.log.seq
    if caller.is_twin:
        twin.noted(caller, "slices", {})
    await twin.log.wait(seq)
    return answer({"slices": shown, **used})


def _described(twin: Twin, caller: Caller, row: dict[str, Any]) -> dict[str, Any]:
    """A slice as the caller may know it: nothing of members that are not shown."""
    sight = twin.sights.of(caller, row["name"])
    counted = {**row, "objects": _count(twin, row["name"], sight)}
    if sight.fields is None:
        return counted
    kept = [one for one in row.get("indexes", ()) if one["path"].partition(".")[0] in sight.fields]
    return {**counted, "schema": None, "indexes": kept}


def _count(twin: Twin, slice_: str, sight: Sight) -> int:
    if sight.rows is None:
        return slices.count(twin.state, slice_, sight.sees)
    return sum(sight.shows(id_, value) for id_, value in twin.state.rows(slices.table_of(slice_)).items())


async def objects(request: Request) -> Answer:
    """`GET /v1/slices/<slice>/objects`."""
    twin, caller = twin_of(request), caller_of(request)
    name = request.match_info["slice"]
    asked = {one: request.query[one] for one in ("where", "order", "after") if one in request.query}
    noted: dict[str, Any] = {"slice": name, **{one: text[:LONGEST_NOTED] for one, text in asked.items()}}
    sight = reads.require(twin, caller, "objects", noted)
    limit = number(request, "limit", DEFAULT_LIMIT, LARGEST_LIMIT)
    wanted = request.query.get("fields")
    names = None if wanted is None else Projection.parse(wanted).names
    filter_ = sight.filter(asked.pop("where", ""))
    seq = twin.log.seq
    page = twin.queries.run(name, filter_, limit=limit, sees=sight.sees, **asked)
    rows = [sight.row(id_, value, names) for id_, value in page.rows]
    shown = {"slice": name, "seq": seq, "objects": rows, "next": page.next}
    return await reads.settle(twin, caller, "objects", {**noted, "limit": limit}, sight, len(rows), shown)


async def aggregated(request: Request) -> Answer:
    """`GET /v1/slices/<slice>/aggregate?by=<path>`: how many objects have which value there."""
    twin, caller = twin_of(request), caller_of(request)
    name, by = request.match_info["slice"], request.query.get("by", "")
    where = request.query.get("where", "")
    noted = {"slice": name, "by": by[:200], "where": where[:LONGEST_NOTED]}
    sight = reads.require(twin, caller, "aggregate", noted, AGGREGATE)
    if not is_path(by):
        raise invalid("`by` must be the path of a member, such as `status`.")
    sight.require_path("by", by)
    filter_ = sight.filter(where)
    seq = twin.log.seq
    counts = aggregate(twin.state, name, filter_, by, sight.sees)
    shown = {"slice": name, "seq": seq, "by": by, **counts}
    return await reads.settle(twin, caller, "aggregate", noted, sight, 0, shown)


async def one(request: Request) -> Answer:
    """`GET /v1/slices/<slice>/objects/<id>`."""
    twin, caller = twin_of(request), caller_of(request)
    name, id_ = request.match_info["slice"], request.match_info["id"]
    args = {"slice": name, "id": id_[:200]}
    past = "at" in request.query
    sight = reads.require(twin, caller, "object", args, past=past)
    at = number(request, "at", LAST, LAST)
    if past and at > twin.log.seq:
        # What is there now may be changed by the record that is asked for.
        raise Problem(400, "bad-request", f"`at` is at most {twin.log.seq}, the last record.")
    value = twin.state.raw(slices.table_of(name), id_)
    if past and at < twin.log.seq and (value is None or slices.seq_of(value) > at):
        value = await asyncio.to_thread(_then, twin, name, id_, at)
    if value is None or not sight.shows(id_, value):
        await reads.settle(twin, caller, "object", args, sight, 0, None)
        raise not_found(f"object {id_[:200]!r}")
    return await reads.settle(twin, caller, "object", args, sight, 1, sight.row(id_, value))


def _then(twin: Twin, slice_: str, id_: str, at: int) -> bytes | None:
    """The object's row after record `at`; reads the log backwards, so it is slow."""
    return as_of(twin.log.backwards(at), slice_, id_)
