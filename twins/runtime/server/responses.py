"""Answers as bytes."""

from __future__ import annotations

from typing import Any

from twins.runtime import codec
from twins.runtime.problems import Problem
from twins.runtime.server.wire import JSON, PROBLEM, Answer, Request


def answer(value: Any, status: int = 200) -> Answer:
    """A JSON answer."""
    return Answer(status, codec.encode(value), JSON)


def refusal(problem: Problem) -> Answer:
    """A problem as RFC 9457 has it."""
    headers = dict(problem.headers)
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Answer(problem.status, codec.encode(problem.to_json()), PROBLEM, headers)


async def read_json(request: Request) -> Any:
    """The body as values.

    Raises:
        Problem: not JSON.
    """
    return codec.parse(request.body)
