"""What the handlers find in a request's context, and how they learn who asks."""

from __future__ import annotations

from twins.runtime.callers import Caller
from twins.runtime.problems import Problem, unauthorized
from twins.runtime.server.wire import Request
from twins.runtime.twin import Twin


def twin_of(request: Request) -> Twin:
    twin: Twin = request.context
    return twin


def anyone_of(request: Request) -> Caller:
    """Who asks, also a stranger.

    Raises:
        Problem: 401.
    """
    return twin_of(request).callers.authenticate(request.headers.get("authorization", ""))


def caller_of(request: Request) -> Caller:
    """Who asks.

    Raises:
        Problem: 401.
    """
    caller = anyone_of(request)
    if caller.stranger:
        raise unauthorized()
    return caller


def require(request: Request, relation: str) -> Caller:
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


def number(request: Request, name: str, default: int, most: int, least: int = 1) -> int:
    """A whole number of the query, `least` to `most`.

    Raises:
        Problem: 400, naming the parameter.
    """
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 19 and least <= int(text) <= most):
        raise Problem(400, "bad-request", f"`{name}` must be a whole number from {least} to {most}.")
    return int(text)
