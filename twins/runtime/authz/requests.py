"""Requests of the OpenFGA interface: their shapes, and what a twin refuses in them.

A caller may neither bring tuples of its own (`contextual_tuples`) nor say what time it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from twins.runtime.authz.engine import CheckFailed, Engine
from twins.runtime.authz.model import Model, type_of
from twins.runtime.authz.tuples import key_of

IGNORED_CONTEXT = {"current_time"}
Object = Annotated[str, Meta(pattern=r"\A[^:#\s]{1,254}:[^#:\s]{1,254}\Z")]
User = Annotated[str, Meta(pattern=r"\A[^:#\s]{1,254}:[^#:\s]{1,254}(#[^:#\s]{1,50})?\Z")]
Relation = Annotated[str, Meta(pattern=r"\A[^:#@\s]{1,50}\Z")]
Page = Annotated[int, Meta(ge=1, le=100)]
T = TypeVar("T")


class Key(msgspec.Struct):
    user: User
    relation: Relation
    object: Object


class Contextual(msgspec.Struct):
    tuple_keys: list[Any] | None = None


class Asking(msgspec.Struct, kw_only=True):
    """What every question may bring along."""

    authorization_model_id: str | None = None
    contextual_tuples: Contextual | list[Any] | None = None
    context: dict[str, Any] | None = None


class Check(Asking, kw_only=True):
    tuple_key: Key


class BatchItem(Check, kw_only=True):
    correlation_id: Annotated[str, Meta(pattern=r"\A[\w-]{1,36}\Z")]


class BatchCheck(msgspec.Struct):
    checks: Annotated[list[BatchItem], Meta(min_length=1, max_length=50)]
    authorization_model_id: str | None = None


class ListObjects(Asking, kw_only=True):
    type: str
    relation: str
    user: User


class Filter(msgspec.Struct):
    user: str | None = None
    relation: str | None = None
    object: str | None = None


class Read(msgspec.Struct):
    tuple_key: Filter | None = None
    page_size: Page = 50
    continuation_token: str = ""


class Condition(msgspec.Struct):
    name: str
    context: dict[str, Any] | None = None


class WrittenKey(Key):
    condition: Condition | None = None


class Writes(msgspec.Struct):
    tuple_keys: list[WrittenKey]
    on_duplicate: str = "error"


class Deletes(msgspec.Struct):
    tuple_keys: list[WrittenKey]
    on_missing: str = "error"


class Write(msgspec.Struct):
    writes: Writes | None = None
    deletes: Deletes | None = None
    authorization_model_id: str | None = None


def parse(body: Any, shape: type[T]) -> T:
    """The body as the request's shape.

    Raises:
        CheckFailed: it does not fit.
    """
    try:
        return msgspec.convert(body, shape)
    except msgspec.ValidationError as error:
        code = "page_size_invalid" if "page_size" in str(error) else "validation_error"
        raise CheckFailed(code, str(error)) from None


def known_model(named: str | None, model: Model) -> None:
    """Return when the request names no model or the twin's own."""
    if named not in (None, "", model.id):
        raise CheckFailed("authorization_model_not_found", f"authorization model '{named}' not found")


def accept(body: Asking, model: Model) -> None:
    """Return when the question brings nothing that only the twin may decide."""
    known_model(body.authorization_model_id, model)
    brought = body.contextual_tuples
    if isinstance(brought, Contextual):
        brought = brought.tuple_keys
    if brought:
        raise CheckFailed("validation_error", "this store takes no contextual tuples")
    if set(body.context or ()) - IGNORED_CONTEXT:
        raise CheckFailed("validation_error", "this store takes no context: it knows the time itself")


def evaluate(key: Key, engine: Engine) -> bool:
    """Check one tuple now.

    Raises:
        CheckFailed: unknown type or relation, or no answer.
    """
    if type_of(key.user) not in engine.model.types:
        raise CheckFailed("validation_error", f"type '{type_of(key.user)}' not found")
    if engine.model.rewrite(type_of(key.object), key.relation) is None:
        raise CheckFailed("validation_error", f"relation '{type_of(key.object)}#{key.relation}' not found")
    return engine.check(key.object, key.relation, key.user, time.time())


def filter_of(key: Filter | None) -> Callable[[dict[str, Any]], bool]:
    """What a `read` asks for: an object, or a type (`slice:`) together with a user; nothing asks for all."""
    if key is None or not (key.user or key.relation or key.object):
        return lambda _row: True
    object_ = key.object or ""
    if ":" not in object_ or (object_.endswith(":") and not key.user):
        raise CheckFailed("validation_error", "a read needs an object, or an object's type and a user")
    return lambda row: (
        (row["object"].startswith(object_) if object_.endswith(":") else row["object"] == object_)
        and key.relation in (None, "", row["relation"])
        and key.user in (None, "", row["user"])
    )


def write_args(body: Write, stored: Callable[[str], dict[str, Any] | None]) -> dict[str, Any]:
    """The arguments of the reducer that does the write; `stored` finds a tuple's row by its key.

    Raises:
        CheckFailed: nothing to do, too much, or the same tuple twice.
    """
    writes = body.writes.tuple_keys if body.writes else []
    deletes = body.deletes.tuple_keys if body.deletes else []
    keys = [key_of(one.object, one.relation, one.user) for one in [*writes, *deletes]]
    if not keys:
        raise CheckFailed("invalid_write_input", "nothing to write or delete")
    if len(keys) > 100:
        raise CheckFailed("exceeded_entity_limit", "at most 100 tuples in one write")
    if len(set(keys)) < len(keys):
        raise CheckFailed("cannot_allow_duplicate_tuples_in_one_request", "the same tuple twice")
    if body.writes and body.writes.on_duplicate == "ignore":
        writes = [one for one in writes if not _same(one, stored(key_of(one.object, one.relation, one.user)))]
    if body.deletes and body.deletes.on_missing == "ignore":
        deletes = [one for one in deletes if stored(key_of(one.object, one.relation, one.user))]
    return {"writes": [_plain(one) for one in writes], "deletes": [_plain(one) for one in deletes]}


def _same(one: WrittenKey, row: dict[str, Any] | None) -> bool:
    return row is not None and row.get("condition") == _plain(one).get("condition")


def _plain(one: WrittenKey) -> dict[str, Any]:
    plain: dict[str, Any] = {"user": one.user, "relation": one.relation, "object": one.object}
    if one.condition is not None:
        plain["condition"] = {"name": one.condition.name, "context": one.condition.context or {}}
    return plain
