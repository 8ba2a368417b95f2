"""The twin's store in OpenFGA's HTTP shapes and error codes, for `openfga-sdk` and its like.

There is one store and one model, tuples are written by a logged call, and a caller neither brings tuples nor
says what time it is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from twins.runtime import codec
from twins.runtime.authz import requests, store
from twins.runtime.authz.admission import check_named
from twins.runtime.authz.conditions import Asked
from twins.runtime.authz.engine import asked_at
from twins.runtime.authz.errors import ABORTED, Refused, invalid
from twins.runtime.authz.explain import Explanation
from twins.runtime.authz.faults import page_faults, refuse
from twins.runtime.authz.names import key_of, type_of
from twins.runtime.authz.questions import Questions
from twins.runtime.authz.store import Stored, position_in, token_of
from twins.runtime.authz.stores import check_filter
from twins.runtime.authz.streams import lines
from twins.runtime.authz.strict import MOMENT
from twins.runtime.authz.tuples import TABLE, Reader
from twins.runtime.authz.writing import checked
from twins.runtime.problems import Problem
from twins.runtime.server.keys import caller_of, require, twin_of
from twins.runtime.server.responses import answer, read_json
from twins.runtime.server.wire import Answer, Request
from twins.runtime.state import Effect
from twins.runtime.twin import Twin

REDUCER = "authz_write"
Handler = Callable[[Request, Twin], Awaitable[Answer]]
Json = dict[str, Any]
T = TypeVar("T")


class TwinQuestions(Questions):
    """Questions to a twin: it alone knows the time, and only its own tuples count."""

    def asked(self, context: Mapping[str, Any] | None) -> Asked:
        if set(context or ()) - {MOMENT}:
            raise invalid("this store takes no context: it knows the time itself")
        return asked_at(time.time())

    def reader(self, brought: Sequence[requests.TupleKey]) -> Reader:
        if brought:
            raise invalid("this store takes no contextual tuples")
        return self.tuples


def store_route(handler: Handler) -> Callable[[Request], Awaitable[Answer]]:
    """A handler at `/stores` and below: audit right, right store, OpenFGA's errors."""

    async def route(request: Request) -> Answer:
        require(request, "can_read_audit")
        twin = twin_of(request)
        try:
            if request.match_info.get("store", twin.id) != twin.id:
                raise Refused("store_id_not_found", "the store is not this twin's")
            response = await handler(request, twin)
        except Refused as refused:
            return answer(refused.to_json(), refused.status)
        response.headers["Openfga-Store-Id"] = twin.id
        response.headers["Openfga-Authorization-Model-Id"] = twin.engine.model.id
        return response

    return route


async def stores(_request: Request, twin: Twin) -> Answer:
    """`GET /stores`: the one store."""
    return answer({"stores": [_store(twin)], "continuation_token": ""})


async def one(_request: Request, twin: Twin) -> Answer:
    """`GET /stores/<ULID>`."""
    return answer(_store(twin))


def _store(twin: Twin) -> Json:
    me = twin.identity
    return {"id": me.id, "name": me.slug, "created_at": me.since, "updated_at": me.since, "deleted_at": None}


async def models(_request: Request, twin: Twin) -> Answer:
    """`GET …/authorization-models`: the one model."""
    return answer({"authorization_models": [twin.engine.model.document], "continuation_token": ""})


async def model(request: Request, twin: Twin) -> Answer:
    """`GET …/authorization-models/<id>`."""
    _known_model(request.match_info["model"], twin)
    return answer({"authorization_model": twin.engine.model.document})


async def check(request: Request, twin: Twin) -> Answer:
    """`POST …/check`."""
    body = await _body(request, requests.CheckRequest)
    allowed = _questions(twin, body.authorization_model_id).check(body)
    return answer({"allowed": allowed, "resolution": ""})


async def batch_check(request: Request, twin: Twin) -> Answer:
    """`POST …/batch-check`."""
    body = await _body(request, requests.BatchCheckRequest)
    return answer(_questions(twin, body.authorization_model_id).batch_check(body))


async def list_objects(request: Request, twin: Twin) -> Answer:
    """`POST …/list-objects`."""
    body = await _body(request, requests.ListObjectsRequest)
    return answer(_questions(twin, body.authorization_model_id).list_objects(body))


async def streamed_list_objects(request: Request, twin: Twin) -> Answer:
    """`POST …/streamed-list-objects`."""
    body = await _body(request, requests.ListObjectsRequest)
    status, content = lines(_questions(twin, body.authorization_model_id).objects(body))
    return Answer(status, content)


async def list_users(request: Request, twin: Twin) -> Answer:
    """`POST …/list-users`."""
    body = await _body(request, requests.ListUsersRequest)
    return answer(_questions(twin, body.authorization_model_id).list_users(body))


async def expand(request: Request, twin: Twin) -> Answer:
    """`POST …/expand`."""
    body = await _body(request, requests.ExpandRequest)
    return answer(_questions(twin, body.authorization_model_id).expand(body))


async def read(request: Request, twin: Twin) -> Answer:
    """`POST …/read`: tuples in the order of their keys, a page at a time."""
    body = await _body(request, requests.ReadRequest)
    if body.tuple_key is not None:
        check_filter(body.tuple_key)
    size = body.page_size or store.PAGE
    position, after = position_in(body.continuation_token) or (0, "")
    rows = (
        (key, twin.state.get(TABLE, key)) for key in twin.state.between(TABLE, after if position else None)
    )
    found = list(islice(((key, row) for key, row in rows if _wanted(body.tuple_key, row)), size + 1))
    token = token_of(size, found[size - 1][0]) if len(found) > size else ""
    await twin.log.wait(twin.log.seq)
    since = twin.identity.since
    tuples = [{"key": {"condition": None, **row}, "timestamp": since} for _, row in found[:size]]
    return answer({"tuples": tuples, "continuation_token": token})


def _wanted(key: requests.Question | None, row: Json) -> bool:
    if key is None:
        return True
    object_: str = row["object"]
    named = object_.startswith(key.object) if key.object.endswith(":") else object_ == key.object
    return named and key.relation in ("", row["relation"]) and key.user in ("", row["user"])


async def write(request: Request, twin: Twin) -> Answer:
    """`POST …/write`: one logged call of the reducer `authz_write`."""
    body = await _body(request, requests.WriteRequest)
    _known_model(body.authorization_model_id, twin)
    deletes, writes = checked(body, twin.engine.model)
    if body.deletes and body.deletes.on_missing == "ignore":
        deletes = [one for one in deletes if twin.state.raw(TABLE, one.key) is not None]
    if body.writes and body.writes.on_duplicate == "ignore":
        writes = [one for one in writes if not _is_written(one, twin.state.get(TABLE, one.key))]
    if not (writes or deletes):
        return answer({})
    args = {"writes": [_plain(one) for one in writes], "deletes": [_plain(one) for one in deletes]}
    try:
        await twin.call(caller_of(request), REDUCER, args)
    except Problem as problem:
        if problem.denied:
            raise
        code = "write_failed_due_to_invalid_input" if problem.status == 409 else "validation_error"
        raise Refused(code, problem.detail) from None
    return answer({})


async def changes(request: Request, twin: Twin) -> Answer:
    """`GET …/changes`: what the log says of tuples; deletions without their conditions."""
    type_, token = request.query.get("type", ""), request.query.get("continuation_token", "")
    text = request.query.get("page_size", "") or str(store.PAGE)
    size = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
    refuse(page_faults("ReadChangesRequest", size, token))
    start, kind = position_in(token) or (1, type_)
    if kind != type_:
        raise Refused(
            "query_string_type_continuation_token_mismatch",
            "The type in the querystring and the continuation token don't match",
        )
    await twin.log.wait(twin.log.seq)
    found, behind = await asyncio.to_thread(_changes, twin, start, type_, size)
    return answer({"changes": found, "continuation_token": token_of(behind, type_) if found else token})


def _changes(twin: Twin, start: int, type_: str, size: int) -> tuple[list[Json], int]:
    """Whole records' changes until there are enough, and the record behind them; blocking."""
    found: list[Json] = []
    seq = start
    for opened in twin.log.forwards(start):
        if any(effect[1] == TABLE for effect in opened.head.effects):
            mine = opened.effects(opened.parts())
            some = [_change(effect, opened.head.at) for effect in mine if effect.table == TABLE]
            found += [one for one in some if type_ in ("", type_of(one["tuple_key"]["object"]))]
        seq = opened.head.seq + 1
        if len(found) >= size:
            break
    return found, seq


def _change(effect: Effect, at: str) -> Json:
    """A row's change; a tuple's key has no `@` but the one before its user."""
    place, _, user = effect.key.rpartition("@")
    object_, _, relation = place.rpartition("#")
    row = {} if effect.value is None else codec.decode(effect.value)
    key = {"user": user, "relation": relation, "object": object_, "condition": row.get("condition")}
    operation = "DELETE" if effect.value is None else "WRITE"
    return {"tuple_key": key, "operation": f"TUPLE_OPERATION_{operation}", "timestamp": at}


async def explain(request: Request) -> Answer:
    """`GET /v1/explain?user=&relation=&object=`: why, or what is missing."""
    require(request, "can_read_audit")
    twin = twin_of(request)
    user, relation, object_ = (request.query.get(name, "") for name in ("user", "relation", "object"))
    try:
        check_named(twin.engine.model, object_, relation, user)
    except Refused as refused:
        raise Problem(400, "bad-request", f"{refused}.") from None
    seq = twin.log.seq
    told = Explanation(twin.engine.model, twin.tuples, user, asked_at(time.time()))
    why = told.why(object_, relation).to_json()
    await twin.log.wait(seq)
    return answer({"user": user, "relation": relation, "object": object_, "seq": seq, **why})


def _questions(twin: Twin, named: str | None) -> TwinQuestions:
    _known_model(named, twin)
    return TwinQuestions(twin.engine.model, twin.tuples)


def _known_model(named: str | None, twin: Twin) -> None:
    if named and named != twin.engine.model.id:
        raise Refused("authorization_model_not_found", f"Authorization Model '{named}' not found")


async def _body(request: Request, shape: type[T]) -> T:
    value = await read_json(request)
    body: Any = requests.convert(value, shape)
    refuse(body.faults())
    return body  # type: ignore[no-any-return]


def _is_written(new: Stored, row: Json | None) -> bool:
    """Whether the same tuple is there already.

    Raises:
        Refused: it is, with another condition.
    """
    if row is None:
        return False
    if row.get("condition") != _plain(new).get("condition"):
        raise Refused(
            ABORTED, f"the tuple {key_of(new.object, new.relation, new.user)!r} has another condition"
        )
    return True


def _plain(tuple_: Stored) -> Json:
    return {name: value for name, value in tuple_.to_json().items() if value is not None}
