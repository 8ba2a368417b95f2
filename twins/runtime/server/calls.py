"""Calls of reducers, and tokens of this twin for others."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from twins.runtime import clock, tokens
from twins.runtime.ids import is_ulid
from twins.runtime.problems import Problem, invalid
from twins.runtime.server.keys import caller_of, twin_of
from twins.runtime.server.responses import answer, read_json

ASSERTION_SECONDS = 300


async def call(request: web.Request) -> web.Response:
    """`POST /v1/call/<reducer>`."""
    caller = caller_of(request)
    args = await read_json(request)
    key = request.headers.get("Idempotency-Key", "")
    done = await twin_of(request).call(caller, request.match_info["reducer"], args, key)
    return answer({"seq": done.seq, "result": done.result})


async def assertions(request: web.Request) -> web.Response:
    """`POST /v1/assertions`: the caller may act for this twin at another one."""
    twin, caller = twin_of(request), caller_of(request)
    body = await read_json(request)
    try:
        twin.rights.require(caller, "can_federate", twin.rights.instance)
        audience = _audience(body, twin.id)
    except Problem as problem:
        await twin.log.wait(twin.refused(caller, "assertion", body, problem))
        raise
    me = twin.identity
    seq = twin.noted(caller, "assertion", {"audience": audience})
    token = tokens.sign(
        twin.keys.signing_key(me.kid),
        iss=f"twin:{me.id}",
        sub=f"twin:{me.id}",
        aud=audience,
        seconds=ASSERTION_SECONDS,
        act=caller.id,
    )
    await twin.log.wait(seq)
    return answer({"token": token, "expires_at": clock.after(ASSERTION_SECONDS)})


def _audience(body: Any, own: str) -> str:
    audience = body.get("audience") if isinstance(body, dict) else None
    if not isinstance(audience, str) or not is_ulid(audience) or audience == own:
        raise invalid("`audience` must be the ULID of another twin.")
    return audience
