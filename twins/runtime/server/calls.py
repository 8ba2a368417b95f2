"""Calls of reducers, and tokens of this twin for others."""

from __future__ import annotations

import re
from typing import Any

from twins.runtime import clock, codec, tokens, twin
from twins.runtime.ids import is_ulid
from twins.runtime.problems import Problem, invalid, not_found
from twins.runtime.server.keys import anyone_of, caller_of, twin_of
from twins.runtime.server.responses import answer, read_json, refusal
from twins.runtime.server.wire import Answer, Reply, Request

ASSERTION_SECONDS = 300
PREFIX = "/v1/call/"
NAME = re.compile(r"[a-z_]{1,60}")


def call(request: Request, reply: Reply) -> None:
    """`POST /v1/call/<reducer>`: the way of every commit, so it makes no task and no future."""
    served = twin_of(request)
    try:
        name = request.path[len(PREFIX) :]
        if NAME.fullmatch(name) is None:
            raise not_found("reducer of that name")
        caller = anyone_of(request)
        args = codec.parse(request.body)
    except Problem as problem:
        reply(refusal(problem))
        return

    def done(outcome: twin.Answer | Problem) -> None:
        reply(refusal(outcome) if isinstance(outcome, Problem) else Answer(200, told(outcome)))

    served.submit(caller, name, args, request.headers.get("idempotency-key", ""), done)


def told(outcome: twin.Answer) -> bytes:
    """What a caller is told of a call that was done."""
    result = b"null" if outcome.result is None else codec.encode(outcome.result)
    return b'{"result":%b,"seq":%d}' % (result, outcome.seq)


async def assertions(request: Request) -> Answer:
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
        with_key=True,
        act=caller.id,
    )
    await twin.log.wait(seq)
    return answer({"token": token, "expires_at": clock.after(ASSERTION_SECONDS)})


def _audience(body: Any, own: str) -> str:
    audience = body.get("audience") if isinstance(body, dict) else None
    if not isinstance(audience, str) or not is_ulid(audience) or audience == own:
        raise invalid("`audience` must be the ULID of another twin.")
    return audience
