"""Questions: what the OpenFGA interface answers from one model and its tuples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from twins.runtime.authz import expand
from twins.runtime.authz.admission import (
    Inadmissible,
    admit,
    check_named,
    check_object,
    check_user,
    find_relation,
)
from twins.runtime.authz.check import Check
from twins.runtime.authz.conditions import Asked, check_text
from twins.runtime.authz.errors import Refused, invalid
from twins.runtime.authz.listing import Listing
from twins.runtime.authz.model import Model
from twins.runtime.authz.names import is_wildcard, split_userset, type_of
from twins.runtime.authz.requests import (
    BatchCheckItem,
    BatchCheckRequest,
    Body,
    CheckRequest,
    ExpandRequest,
    ListObjectsRequest,
    ListUsersRequest,
    TupleKey,
)
from twins.runtime.authz.reverse import Search
from twins.runtime.authz.tuples import Given, Overlay, Reader

MOST_CHECKS, MOST_RESULTS = 50, 1000
Json = dict[str, Any]


class Questions:
    """Answers questions; `asked` and `reader` say what a question may bring along.

    Raises (each method): Refused.
    """

    def __init__(self, model: Model, tuples: Reader) -> None:
        self.model = model
        self.tuples = tuples

    def asked(self, context: Mapping[str, Any] | None) -> Asked:
        """The context of a question."""
        return Asked(context or {})

    def reader(self, brought: Sequence[TupleKey]) -> Reader:
        """The tuples with those that a question brings along.

        Raises:
            Inadmissible: the model does not admit one.
        """
        if not brought:
            return self.tuples
        given = [
            Given(
                one.object,
                one.relation,
                one.user,
                admit(
                    self.model,
                    one.object,
                    one.relation,
                    one.user,
                    one.condition.plain() if one.condition else None,
                ),
            )
            for one in brought
        ]
        return Overlay(self.tuples, given)

    def check(self, body: CheckRequest | BatchCheckItem) -> bool:
        """Whether the user has the relation."""
        key = body.tuple_key
        assert key is not None
        try:
            check_named(self.model, key.object, key.relation, key.user)
        except Refused as refused:
            raise invalid(f"invalid relation: {refused}") from None
        try:
            check_text(body.context)
        except ValueError as error:
            raise invalid(f"invalid context: {error}") from None
        try:
            reader = self.reader(body.brought)
        except Inadmissible as refused:
            raise Refused("invalid_tuple", str(refused)) from None
        check = Check(self.model, reader, key.user, self.asked(body.context))
        return check.holds(key.object, key.relation)

    def batch_check(self, body: BatchCheckRequest) -> Json:
        """Each check's answer or error, by its correlation id."""
        checks = body.checks or []
        if len(checks) > MOST_CHECKS:
            raise invalid(f"batchCheck received {len(checks)} checks, the maximum allowed is {MOST_CHECKS}")
        seen: set[str] = set()
        for one in checks:
            if one.correlation_id in seen:
                raise invalid(f"received duplicate correlation id: {one.correlation_id}")
            seen.add(one.correlation_id)
        return {"result": {one.correlation_id: self._single(one) for one in checks}}

    def _single(self, item: BatchCheckItem) -> Json:
        try:
            return {"allowed": self.check(item)}
        except Refused as refused:
            return {"error": {"input_error": refused.code, "message": str(refused)}}

    def expand(self, body: ExpandRequest) -> Json:
        """One level of how a relation comes about."""
        key = body.tuple_key
        assert key is not None
        if not key.object or not key.relation:
            raise Refused(
                "invalid_expand_input", "Invalid input. Make sure you provide an object and a relation"
            )
        reader = self._listed_reader(body)
        check_object(self.model, key.object)
        relation = find_relation(self.model, key.object, key.relation)
        return {"tree": {"root": expand.expand(self.model, reader, key.object, relation)}}

    def objects(self, body: ListObjectsRequest) -> Iterator[str]:
        """The objects of a type to which the user has the relation.

        An error of a condition ends it, after what was found before.
        """
        reader = self._listed_reader(body)
        if body.type not in self.model.types:
            raise Refused("type_not_found", f"type '{body.type}' not found")
        relation = self.model.relation(body.type, body.relation)
        if relation is None:
            raise Refused("relation_not_found", f"relation '{body.type}#{body.relation}' not found")
        try:
            check_user(self.model, body.user)
        except Refused as refused:
            raise invalid(f"invalid 'user' value: {refused}") from None
        search = Search(self.model, reader, body.user, self.asked(body.context))
        yield from search.objects(relation)
        if search.failure is not None:
            raise search.failure

    def list_objects(self, body: ListObjectsRequest) -> Json:
        """At most 1,000 of them."""
        return {"objects": list(islice(self.objects(body), MOST_RESULTS))}

    def list_users(self, body: ListUsersRequest) -> Json:
        """The users of one kind who have the relation; everybody is a wildcard."""
        assert body.object is not None
        assert body.user_filters is not None
        reader = self._listed_reader(body)
        kind = body.user_filters[0]
        for type_, relation in ((kind.type, kind.relation), (body.object.type, body.relation)):
            if type_ not in self.model.types:
                raise Refused("type_not_found", f"type '{type_}' not found")
            if relation and self.model.relation(type_, relation) is None:
                raise Refused("relation_not_found", f"relation '{type_}#{relation}' not found")
        wanted = f"{kind.type}#{kind.relation}" if kind.relation else kind.type
        listing = Listing(self.model, reader, wanted, self.asked(body.context))
        found = listing.users(f"{body.object.type}:{body.object.id}", body.relation)
        return {"users": [_user(one) for one in found[:MOST_RESULTS]]}

    def _listed_reader(self, body: Body | ListUsersRequest) -> Reader:
        try:
            return self.reader(body.brought)
        except Inadmissible as refused:
            code = "validation_error" if refused.of_condition else "invalid_tuple"
            raise Refused(code, str(refused)) from None


def _user(user: str) -> Json:
    object_, relation = split_userset(user)
    if is_wildcard(user):
        return {"wildcard": {"type": type_of(user)}}
    parts = {"type": type_of(object_), "id": object_.partition(":")[2]}
    return {"userset": {**parts, "relation": relation}} if relation else {"object": parts}
