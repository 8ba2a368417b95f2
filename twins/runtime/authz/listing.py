"""Listing: the users of a kind who have a relation to an object.

Everything on the way is looked at, so one condition that cannot be evaluated refuses the whole.
"""

from __future__ import annotations

from collections.abc import Iterable

from twins.runtime.authz.check import DEPTH, Check
from twins.runtime.authz.conditions import Asked, Conditioned
from twins.runtime.authz.errors import ConditionFailed, Refused, TooDeep
from twins.runtime.authz.model import Model, Relation
from twins.runtime.authz.names import kind_of, type_of
from twins.runtime.authz.rewrites import Computed, Difference, Intersection, Rewrite, This, Through, Union
from twins.runtime.authz.tuples import Reader
from twins.runtime.authz.usersets import CIRCLE, EMPTY, Found, intersection, union

Path = frozenset[tuple[str, str]]


class Listing:
    """One search.

    Args:
        kind: `type`, or `type#relation` for usersets.
    """

    def __init__(self, model: Model, tuples: Reader, kind: str, asked: Asked) -> None:
        self._model = model
        self._tuples = tuples
        self._kind = kind
        self._asked = asked
        self._possible = _possible(model, kind)
        self._failures: list[Refused] = []
        self._circles = 0

    def users(self, object_: str, relation: str) -> list[str]:
        """Users, usersets and, when everybody has it, `type:*`.

        Raises:
            TooDeep: a way is longer than 25 steps.
            ConditionFailed: a condition cannot be evaluated.
        """
        if f"{type_of(object_)}#{relation}" not in self._possible:
            return []
        found = self._expand(object_, relation, frozenset(), 0)
        for failure in sorted(self._failures, key=lambda one: not isinstance(one, TooDeep)):
            raise failure
        everybody = [f"{self._kind}:*"] if found.everybody else []
        return sorted(self._confirmed(found, object_, relation)) + everybody

    def _confirmed(self, found: Found, object_: str, relation: str) -> Iterable[str]:
        """Who is named; where the search went in a circle, those whom a check confirms."""
        if not self._circles:
            return found.named
        checks = ((one, Check(self._model, self._tuples, one, self._asked)) for one in found.named)
        return [one for one, check in checks if check.holds(object_, relation)]

    def _expand(self, object_: str, name: str, path: Path, depth: int) -> Found:
        here = (object_, name)
        if depth >= DEPTH:
            self._failures.append(TooDeep())
            return EMPTY
        if here in path:
            self._circles += 1
            return CIRCLE
        relation = self._model.relation(type_of(object_), name)
        if relation is None:
            return EMPTY
        itself = Found(frozenset({f"{object_}#{name}"})) if relation.label == self._kind else EMPTY
        return itself | self._evaluate(relation.rewrite, object_, relation, path | {here}, depth + 1)

    def _evaluate(self, rewrite: Rewrite, object_: str, relation: Relation, path: Path, depth: int) -> Found:
        if isinstance(rewrite, This):
            return self._direct(object_, relation, path, depth)
        if isinstance(rewrite, Computed):
            return self._expand(object_, rewrite.relation, path, depth)
        if isinstance(rewrite, Through):
            return self._through(rewrite, object_, relation, path, depth)
        if isinstance(rewrite, Difference):
            base = self._evaluate(rewrite.base, object_, relation, path, depth)
            subtract = self._evaluate(rewrite.subtract, object_, relation, path, depth)
            return base.without(subtract)
        assert isinstance(rewrite, Union | Intersection)
        parts = [self._evaluate(child, object_, relation, path, depth) for child in rewrite.children]
        return union(parts) if isinstance(rewrite, Union) else intersection(parts)

    def _direct(self, object_: str, relation: Relation, path: Path, depth: int) -> Found:
        named, everybody, parts = set(), False, []
        for user, condition in self._tuples.users(object_, relation.name):
            if not self._counts(object_, relation, user, condition):
                continue
            if "#" in user:
                target, _, name = user.rpartition("#")
                parts.append(self._expand(target, name, path, depth))
            elif kind_of(user) == self._kind:
                named.add(user)
            elif user == f"{self._kind}:*":
                everybody = True
        return Found(frozenset(named), everybody) | union(parts)

    def _through(self, rewrite: Through, object_: str, relation: Relation, path: Path, depth: int) -> Found:
        tupleset = self._model.relation(relation.type, rewrite.tupleset)
        if tupleset is None:
            return EMPTY
        return union(
            [
                self._expand(user, rewrite.relation, path, depth)
                for user, condition in self._tuples.users(object_, tupleset.name)
                if self._counts(object_, tupleset, user, condition)
            ]
        )

    def _counts(self, object_: str, relation: Relation, user: str, condition: Conditioned | None) -> bool:
        if not self._model.counts(relation, kind_of(user), condition):
            return False
        if condition is None:
            return True
        try:
            key = f"{object_}#{relation.name}@{user}"
            return self._model.conditions[condition.name].holds(key, condition, self._asked)
        except ConditionFailed as error:
            self._failures.append(error)
            return False


def _possible(model: Model, kind: str) -> frozenset[str]:
    """The relations that users of the kind can have at all: the least set that fits the rewrites."""
    known: frozenset[str] | None = model.possible.get(kind)
    if known is not None:
        return known
    labels = {kind} if "#" in kind else set()
    relations = [one for relations in model.types.values() for one in relations.values()]
    grown = True
    while grown:
        new = {one.label for one in relations if _may(model, one, one.rewrite, kind, labels)}
        grown = not new <= labels
        labels |= new
    model.possible[kind] = frozenset(labels)
    return model.possible[kind]


def _may(model: Model, relation: Relation, rewrite: Rewrite, kind: str, labels: set[str]) -> bool:
    if isinstance(rewrite, This):
        return any(one in (kind, f"{kind}:*") or one in labels for one in relation.admitted)
    if isinstance(rewrite, Computed):
        return f"{relation.type}#{rewrite.relation}" in labels
    if isinstance(rewrite, Through):
        parents = model.parents(relation.type, rewrite.tupleset)
        return any(f"{parent}#{rewrite.relation}" in labels for parent in parents)
    if isinstance(rewrite, Difference):
        return _may(model, relation, rewrite.base, kind, labels)
    assert isinstance(rewrite, Union | Intersection)
    found = (_may(model, relation, child, kind, labels) for child in rewrite.children)
    return any(found) if isinstance(rewrite, Union) else all(found)
