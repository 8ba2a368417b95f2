"""Assertions over HTTP: what a model is expected to answer, kept beside it."""

from __future__ import annotations

from typing import Any

from twins.runtime.authz.admission import admit, check_named
from twins.runtime.authz.errors import Refused
from twins.runtime.authz.faults import ULID, refuse, unfit
from twins.runtime.authz.model import Model
from twins.runtime.authz.requests import Assertion, TupleKey, WriteAssertionsRequest
from twins.runtime.authz.sizes import message_size
from twins.runtime.authz.visits import Visit, answer
from twins.runtime.server.wire import Answer

LARGEST = 64_000
Json = dict[str, Any]


def read(visit: Visit) -> Answer:
    """`GET …/assertions/<model>`."""
    refuse(unfit("ReadAssertionsRequest", "AuthorizationModelId", visit.item, ULID))
    model = visit.model(visit.item)
    assert visit.store is not None
    found = visit.store.assertions.get(model.id, [])
    return answer({"authorization_model_id": model.id, "assertions": found})


def write(visit: Visit) -> Answer:
    """`PUT …/assertions/<model>`: replaces them all."""
    refuse(unfit("WriteAssertionsRequest", "AuthorizationModelId", visit.item, ULID))
    body = visit.body(WriteAssertionsRequest)
    model = visit.model(visit.item)
    assert visit.store is not None
    given = [_plain(one) for one in body.assertions or ()]
    if sum(map(message_size, given)) > LARGEST:
        raise Refused("exceeded_entity_limit", f"The number of bytes exceeds the allowed limit of {LARGEST}")
    for one in body.assertions or ():
        _check(model, one)
    visit.store.assertions[model.id] = given
    return Answer(204, b"")


def _check(model: Model, one: Assertion) -> None:
    assert one.tuple_key is not None
    check_named(model, one.tuple_key.object, one.tuple_key.relation, one.tuple_key.user)
    for key in one.contextual_tuples or ():
        admit(model, key.object, key.relation, key.user, key.condition.plain() if key.condition else None)


def _plain(one: Assertion) -> Json:
    assert one.tuple_key is not None
    key = one.tuple_key
    return {
        "tuple_key": {"object": key.object, "relation": key.relation, "user": key.user},
        "expectation": one.expectation,
        "contextual_tuples": [_key(key) for key in one.contextual_tuples or ()],
        "context": one.context,
    }


def _key(key: TupleKey) -> Json:
    condition = key.condition.plain() if key.condition else None
    return {"user": key.user, "relation": key.relation, "object": key.object, "condition": condition}
