"""Answers as bytes, and the last net under every handler."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from twins.runtime import codec
from twins.runtime.problems import Problem

BODY_SECONDS = 20
logger = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(value: Any, status: int = 200) -> web.Response:
    """A JSON answer, which nobody between may keep."""
    headers = {"Cache-Control": "no-store"}
    return web.Response(
        body=codec.encode(value),
        status=status,
        content_type="application/json",
        charset="utf-8",
        headers=headers,
    )


def refusal(problem: Problem) -> web.Response:
    """A problem as RFC 9457 has it."""
    headers = {"Cache-Control": "no-store"}
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return web.Response(
        body=codec.encode(problem.to_json()),
        status=problem.status,
        content_type="application/problem+json",
        headers=headers,
    )


async def read_json(request: web.Request) -> Any:
    """The body as values.

    Raises:
        Problem: too long, too slow or not JSON.
    """
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await request.read()
    except TimeoutError:
        raise Problem(408, "too-slow", f"The body did not arrive within {BODY_SECONDS} seconds.") from None
    return codec.parse(body)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into a problem; a trace goes to the log only."""
    try:
        return await handler(request)
    except Problem as problem:
        return refusal(problem)
    except web.HTTPRequestEntityTooLarge:
        most = request.app._client_max_size
        return refusal(Problem(413, "too-large", f"A body holds at most {most:,} bytes."))
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        return refusal(Problem(405, "method-not-allowed", f"Use {allowed}."))
    except web.HTTPException as error:
        kind = "not-found" if error.status == 404 else "bad-request"
        return refusal(Problem(error.status, kind, "There is nothing at this address."))
    except Exception:
        logger.exception("%s failed", request.method)
        return refusal(Problem(500, "internal", "The twin failed to answer; its log says more."))


async def unsigned(_request: web.Request, response: web.StreamResponse) -> None:
    """Keep the server's make and version out of the answer."""
    response.headers.pop("Server", None)
