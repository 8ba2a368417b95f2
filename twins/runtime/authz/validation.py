"""Validation: whether a model means something, by the rules of OpenFGA's `typesystem.NewAndValidate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twins.runtime.authz.model import Model, Relation
from twins.runtime.authz.rewrites import (
    Computed,
    Missing,
    Rewrite,
    This,
    Through,
    Union,
    children_of,
    walk,
)

RESERVED = ("self", "this")
VERSIONS = ("1.1", "1.2")
Seen = dict[str, dict[str, bool]]


def validate(model: Model) -> None:
    """Return when the model is valid.

    Raises:
        ValueError: it is not; the text says why.
    """
    document = model.document
    if document["schema_version"] not in VERSIONS:
        raise ValueError("invalid schema version")
    definitions = {one["type"]: one for one in document["type_definitions"]}
    if len(definitions) < len(document["type_definitions"]):
        raise ValueError("an authorization model cannot contain duplicate types")
    _check_names(model)
    sound: set[str] = set()
    for type_ in sorted(model.types):
        for name in sorted(model.types[type_]):
            relation = model.types[type_][name]
            _check_rewrite(model, relation, relation.rewrite)
            _check_related(model, relation, _related(definitions[type_], name))
            _check_entrypoints(model, relation)
            if _has_cycle(model, relation, relation.rewrite, frozenset({name}), sound):
                raise _unsound(relation, "an authorization model cannot contain a cycle")
    for key, condition in document["conditions"].items():
        if key != condition["name"]:
            raise ValueError(f"condition key '{key}' does not match condition name '{condition['name']}'")


def _check_names(model: Model) -> None:
    for type_, relations in model.types.items():
        if type_ in RESERVED:
            raise ValueError(f"the definition of type '{type_}' is invalid")
        for relation in relations.values():
            if relation.name in RESERVED:
                raise _unsound(relation, "self and this are reserved keywords")


def _check_rewrite(model: Model, relation: Relation, rewrite: Rewrite) -> None:
    if isinstance(rewrite, Missing) or rewrite == Computed(relation.name):
        raise _unsound(relation, "invalid userset rewrite definition")
    if isinstance(rewrite, Computed) and model.relation(relation.type, rewrite.relation) is None:
        raise ValueError(f"'{relation.type}#{rewrite.relation}' relation is undefined")
    if isinstance(rewrite, Through):
        _check_through(model, relation.type, rewrite)
    for child in children_of(rewrite):
        _check_rewrite(model, relation, child)


def _check_through(model: Model, type_: str, rewrite: Through) -> None:
    tupleset = model.relation(type_, rewrite.tupleset)
    if tupleset is None:
        raise ValueError(f"'{type_}#{rewrite.tupleset}' relation is undefined")
    if not isinstance(tupleset.rewrite, This):
        raise ValueError(
            f"the '{tupleset.label}' relation is referenced in at least one tupleset "
            "and thus must be a direct relation"
        )
    kinds = [kind.removesuffix(":*").partition("#")[0] for kind in tupleset.admitted]
    if all(model.relation(kind, rewrite.relation) is None for kind in kinds):
        raise ValueError(
            f"undefined relation: {rewrite.relation} does not appear as a relation in any of the "
            f"directly related user types {kinds}"
        )


def _check_related(model: Model, relation: Relation, related: Sequence[Mapping[str, Any]]) -> None:
    where = f"'{relation.name}' in object type '{relation.type}'"
    assignable = any(isinstance(part, This) for part in walk(relation.rewrite))
    if assignable and not related:
        raise ValueError(f"the assignable relation {where} must contain at least one relation type")
    if related and not assignable:
        raise ValueError(f"the non-assignable relation {where} should not contain a relation type")
    for one in related:
        _check_reference(model, relation, one)


def _check_reference(model: Model, relation: Relation, one: Mapping[str, Any]) -> None:
    type_, name, is_wildcard = one["type"], one.get("relation"), "wildcard" in one
    where = f"on '{relation.name}' in object type '{relation.type}'"
    shown = f"{type_}#{name}" if name else type_
    is_plain = name is None and not is_wildcard
    unknown = type_ not in model.types or bool(name and model.relation(type_, name) is None)
    if unknown or (relation.is_tupleset and not is_plain):
        raise ValueError(f"the relation type '{shown}' {where} is not valid")
    if name == "":
        raise ValueError(f"the relation type '{type_}' {where} has an empty relation reference")
    if one["condition"] and one["condition"] not in model.conditions:
        raise ValueError(f"condition {one['condition']} is undefined for relation {relation.name}")


def _check_entrypoints(model: Model, relation: Relation) -> None:
    enters, loops = _entrypoints(model, relation, relation.rewrite, {})
    if not enters:
        raise _unsound(relation, "potential loop" if loops else "no entrypoints defined")


def _entrypoints(model: Model, relation: Relation, rewrite: Rewrite, before: Seen) -> tuple[bool, bool]:
    """Whether somebody can have the relation, and whether it goes in circles.

    What was seen of a type is shared between the branches, as OpenFGA shares it: that decides some models.
    """
    seen = dict(before)
    seen.setdefault(relation.type, {})[relation.name] = False
    if isinstance(rewrite, This):
        return _enters_directly(model, relation, seen), False
    if isinstance(rewrite, Computed):
        known = seen[relation.type].get(rewrite.relation)
        following = model.types[relation.type][rewrite.relation]
        return _entrypoints(model, following, following.rewrite, seen) if known is None else (known, True)
    if isinstance(rewrite, Through):
        return _enters_through(model, relation, rewrite, seen), False
    return _combined(model, relation, rewrite, before)


def _enters_directly(model: Model, relation: Relation, seen: Seen) -> bool:
    for kind in relation.admitted:
        type_, userset, name = kind.partition("#")
        if not userset:
            seen[relation.type][relation.name] = True
            return True
        target = model.types[type_][name]
        if name not in seen.get(type_, {}) and _entrypoints(model, target, target.rewrite, seen)[0]:
            return True
    return False


def _enters_through(model: Model, relation: Relation, rewrite: Through, seen: Seen) -> bool:
    for type_ in model.parents(relation.type, rewrite.tupleset):
        target = model.relation(type_, rewrite.relation)
        if target is None:
            continue
        known = seen.get(type_, {}).get(target.name)
        if known or (known is None and _entrypoints(model, target, target.rewrite, seen)[0]):
            return True
    return False


def _combined(model: Model, relation: Relation, rewrite: Rewrite, before: Seen) -> tuple[bool, bool]:
    children = children_of(rewrite)
    if len(children) < 2:
        kind = type(rewrite).__name__.lower()
        raise ValueError(f"invalid relation: '{relation.label}' as {kind} has less than 2 children")
    circles = False
    for child in children:
        enters, loops = _entrypoints(model, relation, child, before)
        if enters is isinstance(rewrite, Union):
            return enters, loops and not enters
        circles = circles or loops
    return (False, circles) if isinstance(rewrite, Union) else (True, False)


def _has_cycle(
    model: Model, relation: Relation, rewrite: Rewrite, seen: frozenset[str], sound: set[str]
) -> bool:
    """Whether the relation is computed from itself; of those in `sound` it is known that they are not."""
    if isinstance(rewrite, Computed):
        if f"{relation.type}#{rewrite.relation}" in sound:
            return False
        following = model.relation(relation.type, rewrite.relation)
        if rewrite.relation in seen or following is None:
            return True
        if _has_cycle(model, following, following.rewrite, seen | {rewrite.relation}, sound):
            return True
        sound.add(following.label)
        return False
    return any(_has_cycle(model, relation, child, seen, sound) for child in children_of(rewrite))


def _related(definition: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    metadata = (definition["metadata"] or {}).get("relations", {}).get(name)
    return [] if metadata is None else list(metadata["directly_related_user_types"])


def _unsound(relation: Relation, why: str) -> ValueError:
    return ValueError(
        f"the definition of relation '{relation.name}' in object type '{relation.type}' is invalid: {why}"
    )
