"""Model: an OpenFGA authorization model (schema 1.1 or 1.2), compiled for questions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from twins.runtime import codec
from twins.runtime.authz.conditions import Condition, Conditioned
from twins.runtime.authz.documents import canonical_model
from twins.runtime.authz.names import kind_of, type_of
from twins.runtime.authz.rewrites import Computed, Rewrite, This, Through, rewrite_of, walk
from twins.runtime.ids import ulid_from


class Relation:
    """One relation of one type.

    Attributes:
        label: `type#relation`.
        admitted: which kinds of users its tuples may name, and under which conditions (`""` is none).
        usersets: whether a tuple may name a userset.
        is_tupleset: whether another relation goes through its tuples.
    """

    __slots__ = ("admitted", "is_tupleset", "label", "name", "rewrite", "type", "usersets")

    def __init__(self, type_: str, name: str, rewrite: Rewrite, related: list[dict[str, Any]]) -> None:
        self.type = type_
        self.name = name
        self.label = f"{type_}#{name}"
        self.rewrite = rewrite
        self.is_tupleset = False
        admitted: dict[str, set[str]] = {}
        for one in related:
            admitted.setdefault(kind_in(one), set()).add(one.get("condition") or "")
        self.admitted = {kind: frozenset(names) for kind, names in admitted.items()}
        self.usersets = any("#" in kind for kind in admitted)

    def names(self, kind: str) -> frozenset[str]:
        """The conditions under which a tuple may name a user of this kind."""
        return self.admitted.get(kind, frozenset())

    def admits(self, kind: str, condition: str) -> bool:
        """Whether a tuple of this shape counts."""
        return condition in self.names(kind)


class Model:
    """Types with relations, and conditions.

    Args:
        document: `{"schema_version", "type_definitions", "conditions"}` as OpenFGA's API has it.
        id_: its ULID; from the document when it is not given.

    Attributes:
        ways: what `ways` found out, by the label of the relation that it leads to.
        quick: what `quick` made, by type and relation.
        possible: what `listing` found out, by the kind of user that is listed.

    Raises:
        Refused: the document has not this form.
        ValueError: a condition cannot be compiled.
    """

    def __init__(self, document: Mapping[str, Any], id_: str = "") -> None:
        content = canonical_model(document)
        self.id = id_ or ulid_from(hashlib.sha256(codec.encode(content)).digest())
        self.document = {"id": self.id, **content}
        self.types: dict[str, dict[str, Relation]] = {}
        for definition in content["type_definitions"]:
            self.types[definition["type"]] = _relations(definition)
        for relations in self.types.values():
            for relation in list(relations.values()):
                for part in walk(relation.rewrite):
                    if isinstance(part, Through) and part.tupleset in relations:
                        relations[part.tupleset].is_tupleset = True
        self.conditions = {
            key: Condition(one["name"], one["parameters"], one["expression"])
            for key, one in content["conditions"].items()
        }
        self._reach: dict[str, frozenset[str]] = {}
        self.ways: dict[str, Any] = {}
        self.quick: dict[tuple[str, str], Callable[..., bool] | None] = {}
        self.possible: dict[str, frozenset[str]] = {}

    def relation(self, type_: str, name: str) -> Relation | None:
        """The relation, or None when the type or the relation is not defined."""
        relations = self.types.get(type_)
        return None if relations is None else relations.get(name)

    def counts(self, relation: Relation, kind: str, condition: Conditioned | None) -> bool:
        """Whether a tuple of the relation that names a user of this kind counts under this model."""
        if condition is None:
            return relation.admits(kind, "")
        return relation.admits(kind, condition.name) and self.conditions[condition.name].takes(condition)

    def reach(self, relation: Relation) -> frozenset[str]:
        """The kinds of users who may have the relation at all, however the tuples are."""
        known = self._reach.get(relation.label)
        if known is None:
            known = self._reach[relation.label] = frozenset(self._reached(relation))
        return known

    def _reached(self, relation: Relation) -> set[str]:
        kinds: set[str] = set()
        waiting = [relation]
        while waiting:
            one = waiting.pop()
            if one.label in kinds:
                continue
            kinds.add(one.label)
            for part in walk(one.rewrite):
                if isinstance(part, This):
                    kinds.update(kind for kind in one.admitted if "#" not in kind)
                waiting += self._behind(one, part)
        return kinds

    def _behind(self, relation: Relation, part: Rewrite) -> list[Relation]:
        """The relations on which one part of a relation's rewrite depends directly."""
        if isinstance(part, This):
            names = [kind.split("#") for kind in relation.admitted if "#" in kind]
        elif isinstance(part, Computed):
            names = [[relation.type, part.relation]]
        elif isinstance(part, Through):
            names = [[kind, part.relation] for kind in self.parents(relation.type, part.tupleset)]
        else:
            return []
        found = (self.relation(type_, name) for type_, name in names)
        return [one for one in found if one is not None]

    def parents(self, type_: str, tupleset: str) -> list[str]:
        """The types of the objects that a tupleset may name."""
        relation = self.relation(type_, tupleset)
        return [] if relation is None else [kind for kind in relation.admitted if "#" not in kind]

    def admits(self, object_: str, relation: str, user: str, condition: str) -> bool:
        """Whether a tuple of this shape may exist; `condition` is empty for none."""
        found = self.relation(type_of(object_), relation)
        return found is not None and found.admits(kind_of(user), condition)


def kind_in(related: Mapping[str, Any]) -> str:
    """The kind that a `directly_related_user_types` entry admits."""
    if related.get("relation"):
        return f"{related['type']}#{related['relation']}"
    return f"{related['type']}:*" if related.get("wildcard") is not None else str(related["type"])


def has_wildcard(relation: Relation) -> bool:
    return any(kind.endswith(":*") for kind in relation.admitted)


def _relations(definition: Mapping[str, Any]) -> dict[str, Relation]:
    type_ = definition["type"]
    metadata = (definition.get("metadata") or {}).get("relations") or {}
    return {
        name: Relation(type_, name, rewrite_of(rewrite), _related(metadata.get(name)))
        for name, rewrite in (definition.get("relations") or {}).items()
    }


def _related(metadata: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return list((metadata or {}).get("directly_related_user_types") or ())
