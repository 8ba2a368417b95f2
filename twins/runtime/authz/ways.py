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
    children_of,
    walk,
)


class Edge(NamedTuple):
    """A way up: from a member to those who have `relation` because of it.

    `tupleset` names the relation whose tuples lead there; empty when the object stays the same. `is_sure` when
    the way alone is enough.
    """

    relation: Relation
    tupleset: str
    is_sure: bool


class Ways:
    """The ways of one model towards one relation, by the kind of member from which they lead."""

    def __init__(self, model: Model, target: Relation) -> None:
        self.direct: dict[str, list[Edge]] = {}
        self.upwards: dict[str, list[Edge]] = {}
        for label in model.reach(target):
            type_, _, name = label.partition("#")
            relation = model.relation(type_, name) if name else None
            if relation is not None:
                self._add(model, relation, relation.rewrite, is_sure=True)

    def _add(self, model: Model, relation: Relation, rewrite: Rewrite, *, is_sure: bool) -> None:
        if isinstance(rewrite, This):
            for kind in relation.admitted:
                self.direct.setdefault(kind, []).append(Edge(relation, relation.name, is_sure))
        elif isinstance(rewrite, Computed):
            member = f"{relation.type}#{rewrite.relation}"
            self.upwards.setdefault(member, []).append(Edge(relation, "", is_sure))
        elif isinstance(rewrite, Through):
            for parent in model.parents(relation.type, rewrite.tupleset):
                member = f"{parent}#{rewrite.relation}"
                self.upwards.setdefault(member, []).append(Edge(relation, rewrite.tupleset, is_sure))
        elif isinstance(rewrite, Difference):
            self._add(model, relation, rewrite.base, is_sure=False)
        elif isinstance(rewrite, Intersection):
            self._add(model, relation, min(rewrite.children, key=_cost), is_sure=False)
        else:
            for child in children_of(rewrite):
                self._add(model, relation, child, is_sure=is_sure)


def ways_to(model: Model, target: Relation) -> Ways:
    """The ways to a relation, worked out once for each model."""
    known: Ways | None = model.ways.get(target.label)
    if known is None:
        known = model.ways[target.label] = Ways(model, target)
    return known


def _cost(rewrite: Rewrite) -> int:
    """The fewer tuples an operand goes through, the better a beginning it is."""
    return sum(1 if isinstance(part, This) else 3 for part in walk(rewrite))
