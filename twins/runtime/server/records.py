"""Reads of the log and of who may do what."""

from __future__ import annotations

import asyncio
from typing import Any

from twins.runtime import clock
from twins.runtime.log.reader import Query
from twins.runtime.problems import Problem
from twins.runtime.senses.kind import SENSES
from twins.runtime.server.keys import number, require, twin_of
from twins.runtime.server.responses import answer
from twins.runtime.server.wire import Answer, Request

DEFAULT_LIMIT, LARGEST_LIMIT, LAST = 100, 1000, 10**18 - 1
PEOPLE = "person"
TEXT = "text/plain; charset=utf-8"


async def log(request: Request) -> Answer:
    """`GET /v1/log`; `order=desc` goes from the newest (or from `from`) backwards."""
    require(request, "can_read_audit")
    twin = twin_of(request)
    query = _query(request)
    await twin.log.wait(twin.log.seq)
    head = twin.log.head
    found = await asyncio.to_thread(twin.log.search, query)
    return answer({**found, "head": head})


def _query(request: Request) -> Query:
    order = request.query.get("order", "asc")
    if order not in ("asc", "desc"):
        raise Problem(400, "bad-request", "`order` must be asc or desc.")
    newest = order == "desc"
    return Query(
        start=number(request, "from", LAST if newest else 1, LAST, least=0),
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
    return answer(await asyncio.to_thread(twin_of(request).verify))


async def checkpoint(request: Request) -> Answer:
    """`GET /v1/checkpoint`: the newest signed checkpoint, for anyone."""
    text, _ = twin_of(request).log.checkpoints.signed()
    return Answer(200, text.encode(), TEXT)


async def inclusion(request: Request) -> Answer:
    """`GET /v1/proof/inclusion?seq=&size=`; without `size` a whole proof as C2SP's tlog-proof."""
    require(request, "can_read_audit")
    log, seq = twin_of(request).log, number(request, "seq", 1, LAST)
    if "size" not in request.query:
        proof = await asyncio.to_thread(log.proof, seq)
        return Answer(200, proof.text().encode(), TEXT)
    size = number(request, "size", 1, LAST)
    path = await asyncio.to_thread(log.checkpoints.inclusion, seq, size)
    return answer({"seq": seq, "size": size, "path": [node.hex() for node in path]})


async def consistency(request: Request) -> Answer:
    """`GET /v1/proof/consistency?from=&to=`: the tree over the first records began as the other one."""
    require(request, "can_read_audit")
    log = twin_of(request).log
    old, size = number(request, "from", 1, LAST), number(request, "to", 1, LAST)
    path = await asyncio.to_thread(log.checkpoints.consistency, old, size)
    return answer({"from": old, "to": size, "path": [node.hex() for node in path]})


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
