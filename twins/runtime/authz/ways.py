"""Ways: how somebody comes to have a relation, by the kind of member from which a step leads upwards."""

from __future__ import annotations

from typing import NamedTuple

from twins.runtime.authz.model import Model, Relation
from twins.runtime.authz.rewrites import (
    Computed,
    Difference,
    Intersection,
    Rewrite,
    This,
    Through,
    Union,
    children_of,
    walk,
)


class Edge(NamedTuple):
    """A way up: from a member to those who have `relation` because of it.

    `tupleset` names the relation whose tuples lead there; it is empty when the object stays the same.
    `is_sure` when the way alone is enough.
    """

    relation: Relation
    tupleset: str
    is_sure: bool


class Ways:
    """The ways of one model towards one relation, by the kind of member from which they lead."""

    def __init__(self, model: Model, target: Relation) -> None:
        self.direct: dict[str, list[Edge]] = {}
        self.upwards: dict[str, list[Edge]] = {}
        self._model = model
        self._waiting = [target.label]
        seen: set[str] = set()
        while self._waiting:
            label = self._waiting.pop()
            type_, _, name = label.partition("#")
            relation = model.relation(type_, name)
            if relation is not None and label not in seen:
                seen.add(label)
                self._add(relation, relation.rewrite, is_sure=True)

    def leads_on(self, relation: Relation) -> bool:
        """Whether having the relation helps to have another one on the way."""
        return relation.label in self.direct or relation.label in self.upwards

    def _add(self, relation: Relation, rewrite: Rewrite, *, is_sure: bool) -> None:
        if isinstance(rewrite, This):
            for kind in relation.admitted:
                self.direct.setdefault(kind, []).append(Edge(relation, relation.name, is_sure))
                self._waiting.append(kind)
        elif isinstance(rewrite, Computed):
            self._step(f"{relation.type}#{rewrite.relation}", Edge(relation, "", is_sure))
        elif isinstance(rewrite, Through):
            for parent in self._model.parents(relation.type, rewrite.tupleset):
                self._step(f"{parent}#{rewrite.relation}", Edge(relation, rewrite.tupleset, is_sure))
        else:
            for child in _leading(rewrite):
                self._add(relation, child, is_sure=is_sure and isinstance(rewrite, Union))

    def _step(self, member: str, edge: Edge) -> None:
        self.upwards.setdefault(member, []).append(edge)
        self._waiting.append(member)


def ways_to(model: Model, target: Relation) -> Ways:
    """The ways to a relation, worked out once for each model."""
    known: Ways | None = model.ways.get(target.label)
    if known is None:
        known = model.ways[target.label] = Ways(model, target)
    return known


def _leading(rewrite: Rewrite) -> tuple[Rewrite, ...]:
    """The operands through which every member comes: one is enough where all are needed."""
    if isinstance(rewrite, Difference):
        return (rewrite.base,)
    if isinstance(rewrite, Intersection):
        return (min(rewrite.children, key=_cost),)
    return children_of(rewrite)


def _cost(rewrite: Rewrite) -> int:
    """The fewer tuples an operand goes through, the better a beginning it is."""
    return sum(1 if isinstance(part, This) else 3 for part in walk(rewrite))
