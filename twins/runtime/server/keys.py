"""What the handlers find in the application, and how they learn who asks."""

from __future__ import annotations

from aiohttp import web

from twins.runtime.callers import Caller, authenticate
from twins.runtime.problems import Problem
from twins.runtime.twin import Twin

TWIN: web.AppKey[Twin] = web.AppKey("twin", Twin)


def twin_of(request: web.Request) -> Twin:
    return request.app[TWIN]


def caller_of(request: web.Request) -> Caller:
    """Who asks.

    Raises:
        Problem: 401.
    """
    twin = twin_of(request)
    header = request.headers.get("Authorization", "")
    return authenticate(header, twin.state, twin.id, twin.identity.x)


def require(request: web.Request, relation: str) -> Caller:
    """Who asks, when they have the right on the twin itself; a refusal is recorded.

    Raises:
        Problem: 401 or 403.
    """
    twin, caller = twin_of(request), caller_of(request)
    try:
        twin.rights.require(caller, relation, twin.rights.instance)
    except Problem as problem:
        twin.refused(caller, f"{request.method} {request.path}"[:100], {}, problem)
        raise
    return caller


def number(request: web.Request, name: str, default: int, most: int) -> int:
    """A whole number of the query, 1 to `most`.

    Raises:
        Problem: 400, naming the parameter.
    """
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 19 and 1 <= int(text) <= most):
        raise Problem(400, "bad-request", f"`{name}` must be a whole number from 1 to {most}.")
    return int(text)
