"""Reads of the log and of who may do what."""

from __future__ import annotations

import asyncio
from typing import Any

from twins.runtime import clock
from twins.runtime.log.reader import Query
from twins.runtime.problems import Problem
from twins.runtime.rights import GRANTS
from twins.runtime.senses.kind import SENSES
from twins.runtime.server.keys import caller_of, number, require, twin_of
from twins.runtime.server.responses import answer
from twins.runtime.server.wire import Answer, Request

DEFAULT_LIMIT, LARGEST_LIMIT, LAST = 100, 1000, 10**18 - 1
PEOPLE = "person"


async def log(request: Request) -> Answer:
    """`GET /v1/log`; `order=desc` goes from the newest (or from `from`) backwards."""
    require(request, "can_read_audit")
    twin = twin_of(request)
    query = _query(request)
    head = twin.log.head
    await twin.log.wait(head["seq"])
    found = await asyncio.to_thread(twin.log.search, query)
    return answer({**found, "head": head})


def _query(request: Request) -> Query:
    order = request.query.get("order", "asc")
    if order not in ("asc", "desc"):
        raise Problem(400, "bad-request", "`order` must be asc or desc.")
    newest = order == "desc"
    return Query(
        start=number(request, "from", LAST if newest else 1, LAST),
        limit=number(request, "limit", DEFAULT_LIMIT, LARGEST_LIMIT),
        caller=request.query.get("caller", ""),
        since=_instant(request, "since"),
        until=_instant(request, "until"),
        newest_first=newest,
    )


def _instant(request: Request, name: str) -> str:
    text = request.query.get(name, "")
    return clock.write(clock.parse(text, name)) if text else ""


async def verify(request: Request) -> Answer:
    """`GET /v1/verify`."""
    require(request, "can_read_audit")
    return answer(await asyncio.to_thread(twin_of(request).log.verify))


async def grants(request: Request) -> Answer:
    """`GET /v1/grants`: all of them, or a reader's own."""
    twin, caller = twin_of(request), caller_of(request)
    if not caller.is_twin:
        require(request, "can_read_audit")
    rows = [row for _, row in twin.state.scan(GRANTS) if not caller.is_twin or row["reader"] == caller.id]
    shown = twin.log.seq
    if caller.is_twin:
        twin.noted(caller, "grants", {})
    await twin.log.wait(shown)
    return answer({"grants": rows})


async def people(request: Request) -> Answer:
    """`GET /v1/people`."""
    require(request, "can_read_audit")
    return await _rows(request, "people", PEOPLE)


async def senses(request: Request) -> Answer:
    """`GET /v1/senses`."""
    require(request, "can_configure")
    return await _rows(request, "senses", SENSES)


async def _rows(request: Request, name: str, table: str) -> Answer:
    twin = twin_of(request)
    rows: list[Any] = [row for _, row in twin.state.scan(table)]
    await twin.log.wait(twin.log.seq)
    return answer({name: rows})
