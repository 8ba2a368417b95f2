"""Server: a stand-alone OpenFGA server in memory, on the runtime's own wire.

Paths, statuses and bodies are those of OpenFGA's HTTP interface; it asks nobody for a token.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from twins.runtime.authz import assertions, stores
from twins.runtime.authz.errors import Refused
from twins.runtime.authz.faults import ULID, refuse, unfit
from twins.runtime.authz.requests import (
    BatchCheckRequest,
    CheckRequest,
    ExpandRequest,
    ListObjectsRequest,
    ListUsersRequest,
)
from twins.runtime.authz.store import Store
from twins.runtime.authz.streams import lines
from twins.runtime.authz.visits import JSON, Visit, answer, refusal
from twins.runtime.problems import Problem
from twins.runtime.server.wire import Answer, Listener, Reply, Request

Handler = Callable[[Visit], Answer]
logger = logging.getLogger(__name__)
_ROUTE = re.compile(r"/stores(?:/([^/]+)(?:/([^/]+)(?:/([^/]+))?)?)?")


class Server:
    """Every store; see `wire.Application`."""

    def __init__(self) -> None:
        self.stores: dict[str, Store] = {}

    def handle(self, request: Request, reply: Reply) -> None:
        reply(self._answer(request))

    def admit(self, request: Request) -> Problem | None:
        """Nobody needs a token here, so everybody may send what OpenFGA takes."""
        return None

    def upgrade(self, request: Request) -> Listener | Answer:
        return refusal(Refused("undefined_endpoint", "Not Found"))

    def _answer(self, request: Request) -> Answer:
        if request.path == "/healthz":
            return answer({"status": "SERVING"})
        try:
            return self._visit(request)
        except Refused as refused:
            return refusal(refused)
        except Exception:
            logger.exception("%s failed", request.method)
            return refusal(Refused("internal_error", "Internal Server Error"))

    def _visit(self, request: Request) -> Answer:
        found = _ROUTE.fullmatch(request.path)
        visit = Visit(self.stores, request, found) if found is not None else None
        handlers = _handlers(visit) if visit is not None else None
        if visit is None or handlers is None:
            raise Refused("undefined_endpoint", "Not Found")
        handler = handlers.get(request.method)
        if handler is None:
            raise Refused("unimplemented", "Method Not Allowed")
        if visit.store_id:
            refuse(unfit("Request", "StoreId", visit.store_id, ULID))
        done = handler(visit)
        if visit.verb:
            done.headers["Openfga-Store-Id"] = visit.store_id
        if visit.model_id:
            done.headers["Openfga-Authorization-Model-Id"] = visit.model_id
        return done


def _handlers(visit: Visit) -> dict[str, Handler] | None:
    """What can be done at an address, by method."""
    if not visit.store_id:
        return {"GET": stores.list_stores, "POST": stores.create}
    if not visit.verb:
        return {"GET": stores.get, "DELETE": stores.delete}
    return _ITEMS.get(visit.verb) if visit.item else _VERBS.get(visit.verb)


def _check(visit: Visit) -> Answer:
    body = visit.body(CheckRequest)
    allowed = visit.questions(body.authorization_model_id).check(body)
    return answer({"allowed": allowed, "resolution": ""})


def _batch_check(visit: Visit) -> Answer:
    body = visit.body(BatchCheckRequest)
    return answer(visit.questions(body.authorization_model_id).batch_check(body))


def _expand(visit: Visit) -> Answer:
    body = visit.body(ExpandRequest)
    return answer(visit.questions(body.authorization_model_id).expand(body))


def _list_objects(visit: Visit) -> Answer:
    body = visit.body(ListObjectsRequest)
    return answer(visit.questions(body.authorization_model_id).list_objects(body))


def _list_users(visit: Visit) -> Answer:
    body = visit.body(ListUsersRequest)
    return answer(visit.questions(body.authorization_model_id).list_users(body))


def _streamed(visit: Visit) -> Answer:
    body = visit.body(ListObjectsRequest)
    status, content = lines(visit.questions(body.authorization_model_id).objects(body))
    return Answer(status, content, JSON)


_VERBS: dict[str, dict[str, Handler]] = {
    "check": {"POST": _check},
    "batch-check": {"POST": _batch_check},
    "expand": {"POST": _expand},
    "list-objects": {"POST": _list_objects},
    "streamed-list-objects": {"POST": _streamed},
    "list-users": {"POST": _list_users},
    "read": {"POST": stores.read},
    "write": {"POST": stores.write},
    "changes": {"GET": stores.changes},
    "authorization-models": {"GET": stores.list_models, "POST": stores.write_model},
}
_ITEMS: dict[str, dict[str, Handler]] = {
    "authorization-models": {"GET": stores.get_model},
    "assertions": {"GET": assertions.read, "PUT": assertions.write},
}
