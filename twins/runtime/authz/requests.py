"""Requests of the OpenFGA interface: their shapes and limits (`openfga_service.pb.validate.go`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from twins.runtime.authz.errors import invalid
from twins.runtime.authz.faults import (
    NAME,
    OBJECT,
    TYPE,
    USER,
    Fault,
    longer,
    many,
    missing,
    model_faults,
    page_faults,
    unfit,
)

MOST_CONTEXTUAL, MOST_ASSERTED, MOST_ASSERTIONS = 100, 20, 100
T = TypeVar("T")
Context = dict[str, Any]


class Condition(msgspec.Struct):
    name: str = ""
    context: Context | None = None

    def faults(self) -> Iterator[Fault]:
        yield from unfit("RelationshipCondition", "Name", self.name, OBJECT)

    def plain(self) -> dict[str, Any]:
        return {"name": self.name, "context": self.context or {}}


class TupleKey(msgspec.Struct):
    """A tuple as it is written or brought along."""

    user: str = ""
    relation: str = ""
    object: str = ""
    condition: Condition | None = None

    def faults(self, message: str = "TupleKey") -> Iterator[Fault]:
        yield from longer(message, "User", self.user, 512)
        yield from unfit(message, "Relation", self.relation, NAME)
        yield from unfit(message, "Object", self.object, OBJECT)
        if self.condition is not None:
            yield from self.condition.faults()


class Question(msgspec.Struct):
    """A tuple that is asked for."""

    user: str = ""
    relation: str = ""
    object: str = ""

    def faults(self, message: str) -> Iterator[Fault]:
        yield from unfit(message, "User", self.user, USER)
        yield from unfit(message, "Relation", self.relation, NAME)
        yield from unfit(message, "Object", self.object, OBJECT)


class TupleKeys(msgspec.Struct):
    tuple_keys: list[TupleKey] | None = None

    def faults(self) -> Iterator[Fault]:
        yield from many("ContextualTupleKeys", "TupleKeys", self.tuple_keys, MOST_CONTEXTUAL)
        for one in self.tuple_keys or ():
            yield from one.faults()


class Body(msgspec.Struct, kw_only=True):
    """What every question may bring along."""

    authorization_model_id: str | None = None
    contextual_tuples: TupleKeys | None = None
    context: Context | None = None

    @property
    def brought(self) -> Sequence[TupleKey]:
        """The contextual tuples."""
        return (self.contextual_tuples.tuple_keys or ()) if self.contextual_tuples else ()

    def faults(self) -> Iterator[Fault]:
        yield from model_faults(type(self).__name__, self.authorization_model_id)
        if self.contextual_tuples is not None:
            yield from self.contextual_tuples.faults()


class CheckRequest(Body, kw_only=True):
    tuple_key: Question | None = None

    def faults(self) -> Iterator[Fault]:
        yield from asked("CheckRequest", self.tuple_key, "CheckRequestTupleKey")
        yield from super().faults()


class BatchCheckItem(Body, kw_only=True):
    tuple_key: Question | None = None
    correlation_id: str = ""

    def faults(self) -> Iterator[Fault]:
        yield from asked("BatchCheckItem", self.tuple_key, "CheckRequestTupleKey")
        if self.contextual_tuples is not None:
            yield from self.contextual_tuples.faults()
        yield from unfit("BatchCheckItem", "CorrelationId", self.correlation_id, r"^[\w\d-]{1,36}$")


class BatchCheckRequest(msgspec.Struct):
    checks: list[BatchCheckItem] | None = None
    authorization_model_id: str | None = None

    def faults(self) -> Iterator[Fault]:
        if not self.checks:
            yield "BatchCheckRequest", "Checks", "value must contain at least 1 item(s)"
        for one in self.checks or ():
            yield from one.faults()
        yield from model_faults("BatchCheckRequest", self.authorization_model_id)


class ExpandKey(msgspec.Struct):
    relation: str = ""
    object: str = ""


class ExpandRequest(Body, kw_only=True):
    tuple_key: ExpandKey | None = None

    def faults(self) -> Iterator[Fault]:
        yield from missing("ExpandRequest", "TupleKey", self.tuple_key)
        if self.tuple_key is not None:
            for field, value, pattern in (
                ("Relation", self.tuple_key.relation, NAME),
                ("Object", self.tuple_key.object, OBJECT),
            ):
                if value:
                    yield from unfit("ExpandRequestTupleKey", field, value, pattern)
        yield from super().faults()


class ListObjectsRequest(Body, kw_only=True):
    type: str = ""
    relation: str = ""
    user: str = ""

    def faults(self) -> Iterator[Fault]:
        yield from super().faults()
        yield from unfit("ListObjectsRequest", "Type", self.type, TYPE)
        yield from unfit("ListObjectsRequest", "Relation", self.relation, NAME)
        if not 1 <= len(self.user.encode()) <= 512:
            yield "ListObjectsRequest", "User", "value length must be between 1 and 512 bytes, inclusive"


class Object(msgspec.Struct):
    type: str = ""
    id: str = ""


class UserFilter(msgspec.Struct):
    type: str = ""
    relation: str = ""


class ListUsersRequest(msgspec.Struct):
    """Its contextual tuples are a flat list, unlike everywhere else."""

    object: Object | None = None
    relation: str = ""
    user_filters: list[UserFilter] | None = None
    contextual_tuples: list[TupleKey] | None = None
    context: Context | None = None
    authorization_model_id: str | None = None

    @property
    def brought(self) -> Sequence[TupleKey]:
        return self.contextual_tuples or ()

    def faults(self) -> Iterator[Fault]:
        name = "ListUsersRequest"
        yield from model_faults(name, self.authorization_model_id)
        yield from missing(name, "Object", self.object)
        if self.object is not None:
            yield from unfit("Object", "Type", self.object.type, TYPE)
            yield from unfit("Object", "Id", self.object.id, r"[^#:\s]+$")
        yield from unfit(name, "Relation", self.relation, NAME)
        if len(self.user_filters or ()) != 1:
            yield name, "UserFilters", "value must contain exactly 1 item(s)"
        for one in self.user_filters or ():
            yield from unfit("UserTypeFilter", "Type", one.type, TYPE)
            if one.relation:
                yield from unfit("UserTypeFilter", "Relation", one.relation, NAME)
        yield from many(name, "ContextualTuples", self.contextual_tuples, MOST_CONTEXTUAL)
        for key in self.brought:
            yield from key.faults()


class ReadRequest(msgspec.Struct):
    tuple_key: Question | None = None
    page_size: int | None = None
    continuation_token: str | None = None

    def faults(self) -> Iterator[Fault]:
        if self.tuple_key is not None:
            yield from _filter_faults(self.tuple_key)
        yield from page_faults("ReadRequest", self.page_size, self.continuation_token)


class Writes(msgspec.Struct):
    tuple_keys: list[TupleKey] | None = None
    on_duplicate: str = ""


class Deletes(msgspec.Struct):
    tuple_keys: list[TupleKey] | None = None
    on_missing: str = ""


class WriteRequest(msgspec.Struct):
    writes: Writes | None = None
    deletes: Deletes | None = None
    authorization_model_id: str | None = None

    def faults(self) -> Iterator[Fault]:
        for part, name, message in (
            (self.writes, "WriteRequestWrites", "TupleKey"),
            (self.deletes, "WriteRequestDeletes", "TupleKeyWithoutCondition"),
        ):
            if part is not None and not part.tuple_keys:
                yield name, "TupleKeys", "value must contain at least 1 item(s)"
            for key in (part.tuple_keys if part is not None else None) or ():
                yield from key.faults(message)
        yield from model_faults("WriteRequest", self.authorization_model_id)


class Assertion(msgspec.Struct):
    tuple_key: Question | None = None
    expectation: bool = False
    contextual_tuples: list[TupleKey] | None = None
    context: Context | None = None

    def faults(self) -> Iterator[Fault]:
        yield from asked("Assertion", self.tuple_key, "AssertionTupleKey")
        yield from many("Assertion", "ContextualTuples", self.contextual_tuples, MOST_ASSERTED)
        for one in self.contextual_tuples or ():
            yield from one.faults()


class WriteAssertionsRequest(msgspec.Struct):
    assertions: list[Assertion] | None = None

    def faults(self) -> Iterator[Fault]:
        yield from many("WriteAssertionsRequest", "Assertions", self.assertions, MOST_ASSERTIONS)
        for one in self.assertions or ():
            yield from one.faults()


class CreateStoreRequest(msgspec.Struct):
    name: str = ""


def convert(body: Any, shape: type[T]) -> T:
    """The body as a request; whether its fields are right is not looked at yet.

    Raises:
        Refused: it has another shape.
    """
    try:
        return msgspec.convert(body, shape)
    except msgspec.ValidationError as error:
        raise invalid(f"syntax error: {error}") from None


def asked(message: str, key: Question | None, inner: str) -> Iterator[Fault]:
    yield from missing(message, "TupleKey", key)
    if key is not None:
        yield from key.faults(inner)


def _filter_faults(key: Question) -> Iterator[Fault]:
    name = "ReadRequestTupleKey"
    if key.user:
        yield from longer(name, "User", key.user, 512)
        yield from unfit(name, "User", key.user, r"^[^\s]{1,511}:[^\s]{1,511}$")
    if key.relation:
        yield from unfit(name, "Relation", key.relation, NAME)
    if key.object:
        yield from unfit(name, "Object", key.object, OBJECT)
