"""The twin's store in OpenFGA's HTTP shapes and error codes, for `openfga-sdk` and its like.

Names and codes follow OpenFGA 1.x (`openfga_service.proto`, `errors_ignore.proto`).
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Awaitable, Callable
from typing import Any

from twins.runtime.authz import requests
from twins.runtime.authz.engine import CheckFailed
from twins.runtime.authz.tuples import TABLE
from twins.runtime.problems import Problem
from twins.runtime.server.keys import caller_of, require, twin_of
from twins.runtime.server.responses import answer, read_json
from twins.runtime.server.wire import Answer, Request
from twins.runtime.twin import Twin

REDUCER = "authz_write"
Handler = Callable[[Request, Twin], Awaitable[Answer]]


def store_route(handler: Handler) -> Callable[[Request], Awaitable[Answer]]:
    """A handler below `/stores/<ULID>`: audit right, right store, OpenFGA's errors."""

    async def route(request: Request) -> Answer:
        require(request, "can_read_audit")
        twin = twin_of(request)
        try:
            if request.match_info["store"] != twin.id:
                raise CheckFailed("store_id_not_found", "the store is not this twin's")
            response = await handler(request, twin)
        except CheckFailed as failure:
            status = 404 if failure.code.endswith("_id_not_found") else 400
            return answer({"code": failure.code, "message": str(failure)}, status)
        response.headers["Openfga-Store-Id"] = twin.id
        response.headers["Openfga-Authorization-Model-Id"] = twin.engine.model.id
        return response

    return route


async def store(_request: Request, twin: Twin) -> Answer:
    """`GET /stores/<ULID>`."""
    me = twin.identity
    return answer(
        {"id": me.id, "name": me.slug, "created_at": me.since, "updated_at": me.since, "deleted_at": None}
    )


async def models(_request: Request, twin: Twin) -> Answer:
    """`GET …/authorization-models`: the one model."""
    return answer({"authorization_models": [twin.engine.model.document], "continuation_token": ""})


async def model(request: Request, twin: Twin) -> Answer:
    """`GET …/authorization-models/<id>`."""
    requests.known_model(request.match_info["model"], twin.engine.model)
    return answer({"authorization_model": twin.engine.model.document})


async def check(request: Request, twin: Twin) -> Answer:
    """`POST …/check`."""
    body = requests.parse(await read_json(request), requests.Check)
    requests.accept(body, twin.engine.model)
    return answer({"allowed": requests.evaluate(body.tuple_key, twin.engine), "resolution": ""})


async def batch_check(request: Request, twin: Twin) -> Answer:
    """`POST …/batch-check`."""
    body = requests.parse(await read_json(request), requests.BatchCheck)
    requests.known_model(body.authorization_model_id, twin.engine.model)
    if len({one.correlation_id for one in body.checks}) < len(body.checks):
        raise CheckFailed("validation_error", "each correlation_id must be used once")
    result: dict[str, Any] = {}
    for one in body.checks:
        try:
            requests.accept(one, twin.engine.model)
            result[one.correlation_id] = {"allowed": requests.evaluate(one.tuple_key, twin.engine)}
        except CheckFailed as failure:
            result[one.correlation_id] = {"error": {"input_error": failure.code, "message": str(failure)}}
    return answer({"result": result})


async def list_objects(request: Request, twin: Twin) -> Answer:
    """`POST …/list-objects`."""
    body = requests.parse(await read_json(request), requests.ListObjects)
    requests.accept(body, twin.engine.model)
    if body.type not in twin.engine.model.types:
        raise CheckFailed("type_not_found", f"type '{body.type}' not found")
    if twin.engine.model.rewrite(body.type, body.relation) is None:
        raise CheckFailed("relation_not_found", f"relation '{body.type}#{body.relation}' not found")
    found = twin.engine.list_objects(body.type, body.relation, body.user, time.time())
    return answer({"objects": found})


async def read(request: Request, twin: Twin) -> Answer:
    """`POST …/read`: tuples in the order of their keys, a page at a time."""
    body = requests.parse(await read_json(request), requests.Read)
    wanted = requests.filter_of(body.tuple_key)
    keys = twin.state.keys(TABLE)
    after = _key_of(body.continuation_token)
    found: list[dict[str, Any]] = []
    token = ""
    for key in keys:
        row = twin.state.get(TABLE, key)
        if key > after and wanted(row):
            if len(found) == body.page_size:
                token = _token_of(found[-1]["key"])
                break
            found.append({"key": {"condition": None, **row}, "timestamp": twin.identity.since})
    await twin.log.wait(twin.log.seq)
    return answer({"tuples": found, "continuation_token": token})


async def write(request: Request, twin: Twin) -> Answer:
    """`POST …/write`: one logged call of the reducer `authz_write`."""
    body = requests.parse(await read_json(request), requests.Write)
    requests.known_model(body.authorization_model_id, twin.engine.model)
    args = requests.write_args(body, lambda key: twin.state.get(TABLE, key))
    if not (args["writes"] or args["deletes"]):
        return answer({})
    try:
        await twin.call(caller_of(request), REDUCER, args)
    except Problem as problem:
        if problem.denied:
            raise
        code = "write_failed_due_to_invalid_input" if problem.status == 409 else "validation_error"
        raise CheckFailed(code, problem.detail) from None
    return answer({})


def _token_of(row: dict[str, Any]) -> str:
    key = f"{row['object']}#{row['relation']}@{row['user']}"
    return base64.urlsafe_b64encode(key.encode()).decode()


def _key_of(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise CheckFailed("invalid_continuation_token", "the continuation token is not one of ours") from None
