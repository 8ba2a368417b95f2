"""The application: every route of the protocol."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from urllib.parse import unquote

from twins.runtime.problems import Problem, not_found
from twins.runtime.server import about, calls, events, fga, grants, live, metrics, records, slices
from twins.runtime.server.keys import caller_of
from twins.runtime.server.responses import refusal
from twins.runtime.server.wire import Answer, Listener, Reply, Request, Stream
from twins.runtime.twin import Twin

STORE = "/stores/{store}"
LIVE = "/v1/live"
HEALTHZ = "/healthz"
Handler = Callable[[Request], Awaitable[Answer | Stream]]
logger = logging.getLogger(__name__)


class Route(NamedTuple):
    """A method and an address; what stands in braces is one segment of any content."""

    method: str
    pattern: re.Pattern[str]
    handler: Handler


def _route(method: str, path: str, handler: Handler) -> Route:
    return Route(method, re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path)), handler)


ROUTES = (
    _route("GET", HEALTHZ, about.healthz),
    _route("GET", "/.well-known/mycelium.json", about.about),
    _route("GET", "/metrics", metrics.metrics),
    _route("POST", "/v1/assertions", calls.assertions),
    _route("GET", "/v1/slices", slices.index),
    _route("GET", "/v1/slices/{slice}/objects", slices.objects),
    _route("GET", "/v1/slices/{slice}/objects/{id}", slices.one),
    _route("GET", "/v1/slices/{slice}/aggregate", slices.aggregated),
    _route("GET", "/v1/grants", grants.grants),
    _route("GET", "/v1/grants/{id}", grants.one),
    _route("GET", "/v1/grants/{id}/notice", grants.notice),
    _route("POST", "/v1/grants/{id}/preview", grants.preview_of),
    _route("POST", "/v1/preview", grants.preview),
    _route("GET", "/v1/senses", records.senses),
    _route("GET", "/v1/people", records.people),
    _route("GET", "/v1/log", records.log),
    _route("GET", "/v1/verify", records.verify),
    _route("GET", "/v1/checkpoint", records.checkpoint),
    _route("GET", "/v1/proof/inclusion", records.inclusion),
    _route("GET", "/v1/proof/consistency", records.consistency),
    _route("GET", LIVE, events.events),
    _route("GET", "/v1/explain", fga.explain),
    _route("GET", "/stores", fga.store_route(fga.stores)),
    _route("GET", STORE, fga.store_route(fga.one)),
    _route("POST", f"{STORE}/check", fga.store_route(fga.check)),
    _route("POST", f"{STORE}/batch-check", fga.store_route(fga.batch_check)),
    _route("POST", f"{STORE}/read", fga.store_route(fga.read)),
    _route("POST", f"{STORE}/write", fga.store_route(fga.write)),
    _route("POST", f"{STORE}/list-objects", fga.store_route(fga.list_objects)),
    _route("POST", f"{STORE}/streamed-list-objects", fga.store_route(fga.streamed_list_objects)),
    _route("POST", f"{STORE}/list-users", fga.store_route(fga.list_users)),
    _route("POST", f"{STORE}/expand", fga.store_route(fga.expand)),
    _route("GET", f"{STORE}/changes", fga.store_route(fga.changes)),
    _route("GET", f"{STORE}/authorization-models", fga.store_route(fga.models)),
    _route("GET", f"{STORE}/authorization-models/{{model}}", fga.store_route(fga.model)),
)


class App:
    """Serves one twin on any wire.

    Attributes:
        served: how many requests came so far.
    """

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        twin.on_moved = self._moved
        self.served = 0
        self._sockets: set[live.Live] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def handle(self, request: Request, reply: Reply) -> None:
        self.served += 1
        request.context = self.twin
        if self.twin.moved is not None and request.path != HEALTHZ:
            reply(refusal(self.twin.moved))
            return
        if request.path.startswith(calls.PREFIX) and request.method == "POST":
            try:
                calls.call(request, reply)
            except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer
                reply(_broken(request, error))
            return
        task = asyncio.get_running_loop().create_task(self._answer(request, reply))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: Request, reply: Reply) -> None:
        try:
            outcome = await _handler(request)(request)
            if isinstance(outcome, Stream) and isinstance(outcome.listener, live.Live):
                self._sockets.add(outcome.listener)
                outcome.listener.forget = self._sockets.discard
        except Problem as problem:
            outcome = refusal(problem)
        except Exception as error:  # noqa: BLE001
            outcome = _broken(request, error)
        reply(outcome)

    def admit(self, request: Request) -> Problem | None:
        request.context = self.twin
        try:
            caller_of(request)
        except Problem as problem:
            return problem
        return None

    def upgrade(self, request: Request) -> Listener | Answer:
        self.served += 1
        request.context = self.twin
        try:
            if self.twin.moved is not None:
                raise self.twin.moved
            if request.path != LIVE:
                raise not_found("WebSocket at this address")
            listener = live.accept(request)
        except Problem as problem:
            return refusal(problem)
        except Exception as error:  # noqa: BLE001
            return _broken(request, error)
        self._sockets.add(listener)
        listener.forget = self._sockets.discard
        return listener

    def _moved(self) -> None:
        for socket in tuple(self._sockets):
            socket.close(live.MOVED, "The twin is kept elsewhere now.")

    async def close(self) -> None:
        """Tell every live connection that the twin goes to sleep, after what it asked for is done."""
        if self.twin.moved is None:
            await self.twin.log.wait(self.twin.log.seq)
        for socket in tuple(self._sockets):
            socket.close(live.GOING_AWAY, "The twin goes to sleep; come back.")


def _handler(request: Request) -> Handler:
    """The handler at the request's address; what the address names goes to `match_info`.

    Raises:
        Problem: 404 or 405.
    """
    method = "GET" if request.method == "HEAD" else request.method
    allowed: set[str] = set()
    for route in ROUTES:
        hit = route.pattern.fullmatch(request.path)
        if hit is not None and route.method == method:
            request.match_info = {name: unquote(value) for name, value in hit.groupdict().items()}
            return route.handler
        if hit is not None:
            allowed |= {route.method, "HEAD"} if route.method == "GET" else {route.method}
    if request.path.startswith(calls.PREFIX):
        allowed = {"POST"}
    if allowed:
        names = ", ".join(sorted(allowed))
        raise Problem(405, "method-not-allowed", f"Use {names}.", headers={"Allow": names})
    raise Problem(404, "not-found", "There is nothing at this address.")


def _broken(request: Request, error: Exception) -> Answer:
    """A trace goes to the log only."""
    logger.error("%s failed", request.method, exc_info=error)
    return refusal(Problem(500, "internal", "The twin failed to answer; its log says more."))
