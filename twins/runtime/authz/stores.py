"""Stores over HTTP: the stand-alone server's stores, their models, tuples and changes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from twins.runtime.authz.errors import Refused, invalid
from twins.runtime.authz.faults import STORE_NAME, TYPE, ULID, page_faults, refuse, unfit
from twins.runtime.authz.model import Model
from twins.runtime.authz.parameters import instant
from twins.runtime.authz.requests import (
    CreateStoreRequest,
    Question,
    ReadRequest,
    WriteRequest,
    convert,
)
from twins.runtime.authz.sizes import message_size
from twins.runtime.authz.store import PAGE, Store, now, position_in, token_of
from twins.runtime.authz.validation import validate
from twins.runtime.authz.visits import Visit, answer
from twins.runtime.authz.writing import checked
from twins.runtime.ids import new_ulid
from twins.runtime.server.wire import Answer

MOST_TYPES, LARGEST_MODEL = 100, 256 * 1024
Json = dict[str, Any]


def create(visit: Visit) -> Answer:
    """`POST /stores`."""
    body = convert(visit.json(), CreateStoreRequest)
    refuse(unfit("CreateStoreRequest", "Name", body.name, STORE_NAME))
    store = Store(body.name)
    visit.stores[store.id] = store
    told = {name: value for name, value in store.to_json().items() if name != "deleted_at"}
    return answer(told, 201)


def get(visit: Visit) -> Answer:
    """`GET /stores/<id>`."""
    if visit.store is None:
        raise Refused("store_id_not_found", "Store ID not found")
    return answer(visit.store.to_json())


def delete(visit: Visit) -> Answer:
    """`DELETE /stores/<id>`, whether it is there or not."""
    visit.stores.pop(visit.store_id, None)
    return Answer(204, b"")


def list_stores(visit: Visit) -> Answer:
    """`GET /stores`, those first that were made first."""
    name = visit.request.query.get("name", "")
    if name:
        refuse(unfit("ListStoresRequest", "Name", name, STORE_NAME))
    found = [store.to_json() for store in visit.stores.values() if name in ("", store.name)]
    return answer(_page(visit, "ListStoresRequest", "stores", found))


def write_model(visit: Visit) -> Answer:
    """`POST …/authorization-models`."""
    document = visit.json()
    try:
        model = Model(document, new_ulid())
        _check_size(model.document)
        validate(model)
    except ValueError as error:
        raise Refused("invalid_authorization_model", str(error)) from None
    if visit.store is not None:
        visit.store.models[model.id] = model
    return answer({"authorization_model_id": model.id}, 201)


def _check_size(document: Json) -> None:
    if len(document["type_definitions"]) > MOST_TYPES:
        raise Refused(
            "exceeded_entity_limit",
            "The number of type definitions in an authorization model exceeds "
            f"the allowed limit of {MOST_TYPES}",
        )
    size = message_size(document)
    if size > LARGEST_MODEL:
        raise Refused(
            "exceeded_entity_limit", f"model exceeds size limit: {size} bytes vs {LARGEST_MODEL} bytes"
        )


def list_models(visit: Visit) -> Answer:
    """`GET …/authorization-models`, the newest first."""
    models = visit.store.models.values() if visit.store is not None else ()
    found = [model.document for model in reversed(list(models))]
    return answer(_page(visit, "ReadAuthorizationModelsRequest", "authorization_models", found))


def get_model(visit: Visit) -> Answer:
    """`GET …/authorization-models/<id>`."""
    refuse(unfit("ReadAuthorizationModelRequest", "Id", visit.item, ULID))
    return answer({"authorization_model": visit.model(visit.item).document})


def read(visit: Visit) -> Answer:
    """`POST …/read`: tuples, those first that were written first."""
    body = visit.body(ReadRequest)
    key = body.tuple_key
    if key is not None:
        check_filter(key)
    start, _ = position_in(body.continuation_token) or (0, "")
    if visit.store is None:
        return answer({"tuples": [], "continuation_token": ""})
    size = body.page_size or PAGE
    wanted = key is not None
    rows = visit.store.matching(key.object, key.relation, key.user) if key and wanted else visit.store.rows()
    found = list(islice((one for one in rows if one.seq > start), size + 1))
    token = token_of(found[size - 1].seq, "") if len(found) > size else ""
    tuples = [{"key": one.to_json(), "timestamp": one.at} for one in found[:size]]
    return answer({"tuples": tuples, "continuation_token": token})


def check_filter(key: Question) -> None:
    """Return when the filter of a `read` names an object, or a type together with a user.

    Raises:
        Refused: it does not.
    """
    type_, colon, id_ = key.object.partition(":")
    if not colon or not type_ or not (id_ or key.user):
        raise invalid(
            "the 'tuple_key' field was provided but the object type field is required "
            "and both the object id and user cannot be empty"
        )


def write(visit: Visit) -> Answer:
    """`POST …/write`: all or nothing."""
    body = visit.body(WriteRequest)
    deletes, writes = checked(body, visit.model(body.authorization_model_id))
    assert visit.store is not None
    visit.store.write(
        deletes,
        writes,
        ignore_missing=body.deletes is not None and body.deletes.on_missing == "ignore",
        ignore_duplicate=body.writes is not None and body.writes.on_duplicate == "ignore",
    )
    return answer({})


def changes(visit: Visit) -> Answer:
    """`GET …/changes`: every effective write and deletion; the token at the end is good for asking again."""
    query = visit.request.query
    type_, token = query.get("type", ""), query.get("continuation_token", "")
    since = _since(query.get("start_time", ""))
    if type_:
        refuse(unfit("ReadChangesRequest", "Type", type_, TYPE.replace("@", "")))
    size = page_size(visit, "ReadChangesRequest")
    start, kind = position_in(token) or (None, type_)
    if kind != type_:
        raise Refused(
            "query_string_type_continuation_token_mismatch",
            "The type in the querystring and the continuation token don't match",
        )
    if visit.store is None:
        return answer({"changes": [], "continuation_token": token})
    if start is None:
        start = visit.store.position_at(since) if since is not None else 0
    found, behind = visit.store.changes_after(start, type_, size)
    return answer({"changes": found, "continuation_token": token_of(behind, type_) if found else token})


def _since(text: str) -> int | None:
    if not text:
        return None
    try:
        since = instant(text)
    except ValueError as error:
        raise invalid(f'parsing field "start_time": {error}') from None
    if since >= instant(now()):
        raise invalid("invalid ReadChangesRequest.StartTime: value must be less than now")
    return since


def page_size(visit: Visit, message: str) -> int:
    """How many a page is to have.

    Raises:
        Refused: no number, or out of range; or the token has another form.
    """
    text = visit.request.query.get("page_size", "")
    try:
        size = int(text) if text else None
    except ValueError:
        raise invalid(f'parsing field "page_size": {text[:40]!r} is not a number') from None
    refuse(page_faults(message, size, visit.request.query.get("continuation_token")))
    return PAGE if size is None else size


def _page(visit: Visit, message: str, name: str, found: Sequence[Json]) -> Json:
    size = page_size(visit, message)
    start, _ = position_in(visit.request.query.get("continuation_token")) or (0, "")
    token = token_of(start + size, "") if start + size < len(found) else ""
    return {name: list(found[start : start + size]), "continuation_token": token}
