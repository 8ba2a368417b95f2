"""Admission: whether a model admits a tuple that is written or brought along.

The rules and the words are those of OpenFGA's `internal/validation`.
"""

from __future__ import annotations

from typing import Any

from twins.runtime.authz.conditions import Conditioned
from twins.runtime.authz.errors import Refused, invalid
from twins.runtime.authz.model import Model, Relation
from twins.runtime.authz.names import (
    is_object,
    is_relation,
    is_user,
    is_userset,
    is_wildcard,
    key_of,
    kind_of,
    split_userset,
    type_of,
)


class Inadmissible(Refused):
    """A tuple that the model does not admit; `of_condition` when its condition alone is wrong."""

    def __init__(self, key: str, reason: str, *, of_condition: bool = False) -> None:
        super().__init__("validation_error", f"Invalid tuple '{key}'. Reason: {reason}")
        self.reason = reason
        self.of_condition = of_condition


def check_user(model: Model, user: str) -> None:
    """Return when the model knows what the user may be.

    Raises:
        Refused: it does not.
    """
    if not is_user(user):
        raise invalid("the 'user' field is malformed")
    if not is_object(user) and not is_userset(user):
        raise invalid(
            "the 'user' field must be an object (e.g. document:1) or an 'object#relation' "
            "or a typed wildcard (e.g. group:*)"
        )
    object_, relation = split_userset(user)
    if type_of(object_) not in model.types:
        raise invalid(f"type '{type_of(object_)}' not found")
    if relation and model.relation(type_of(object_), relation) is None:
        raise invalid(f"relation '{type_of(object_)}#{relation}' not found")


def check_object(model: Model, object_: str) -> None:
    """Return when the object is one of a type of the model.

    Raises:
        Refused: it is not.
    """
    if not is_object(object_):
        raise invalid("invalid 'object' field format")
    if is_wildcard(object_):
        raise invalid("the 'object' field cannot reference a typed wildcard")
    if type_of(object_) not in model.types:
        raise invalid(f"type '{type_of(object_)}' not found")


def find_relation(model: Model, object_: str, relation: str) -> Relation:
    """The relation of an object's type.

    Raises:
        Refused: there is none.
    """
    if not is_relation(relation):
        raise invalid("the 'relation' field is malformed")
    found = model.relation(type_of(object_), relation)
    if found is None:
        raise invalid(f"relation '{type_of(object_)}#{relation}' not found")
    return found


def check_named(model: Model, object_: str, relation: str, user: str) -> Relation:
    """The relation, when user, object and relation are all known to the model.

    Raises:
        Refused: one is not.
    """
    check_user(model, user)
    check_object(model, object_)
    return find_relation(model, object_, relation)


def admit(
    model: Model, object_: str, relation: str, user: str, given: dict[str, Any] | None
) -> Conditioned | None:
    """The tuple's condition, when the model admits the tuple.

    Args:
        given: `{"name", "context"}`, or None.

    Raises:
        Inadmissible: it does not.
    """
    key = key_of(object_, relation, user)
    try:
        found = check_named(model, object_, relation, user)
    except Refused as refused:
        raise Inadmissible(key, str(refused)) from None
    kind = kind_of(user)
    names = found.admitted.get(kind)
    if names is None:
        raise Inadmissible(key, _unlisted(found, user, kind))
    if given is None or not given["name"]:
        if "" not in names:
            raise Inadmissible(key, "condition is missing", of_condition=True)
        return None
    shown = f"{key} (condition {given['name']})"
    condition = model.conditions.get(given["name"])
    if condition is None:
        raise Inadmissible(shown, "undefined condition", of_condition=True)
    if condition.name not in names:
        raise Inadmissible(shown, "invalid condition for type restriction", of_condition=True)
    context = given.get("context") or {}
    try:
        condition.check_context(context)
    except ValueError as error:
        raise Inadmissible(shown, str(error), of_condition=True) from None
    return Conditioned(condition.name, context)


def _unlisted(relation: Relation, user: str, kind: str) -> str:
    what = f"the typed wildcard '{user}'" if is_wildcard(user) else f"'{kind}'"
    if "#" not in kind and not is_wildcard(user):
        what = f"type '{kind}'"
    return f"{what} is not an allowed type restriction for '{relation.label}'"
