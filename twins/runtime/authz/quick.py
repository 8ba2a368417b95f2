"""Quick: a relation as one function, where a model has nothing to go round in and nobody unnamed.

That is so without usersets, wildcards, intersections, exclusions and recursion, as in a twin's own model. The
answer is that of `check`, which is asked wherever a condition fails.
"""

from __future__ import annotations

from collections.abc import Callable

from twins.runtime.authz.conditions import Asked
from twins.runtime.authz.model import Model, Relation, has_wildcard
from twins.runtime.authz.names import type_of
from twins.runtime.authz.rewrites import Computed, Rewrite, This, Through, Union
from twins.runtime.authz.tuples import ABSENT, Reader

Predicate = Callable[[Reader, str, str, str, Asked], bool]


class Unsuited(Exception):
    """The relation needs more than this."""


def predicate_of(model: Model, relation: Relation) -> Predicate | None:
    """`predicate(tuples, object, user, user's type, what is asked)`, or None if the relation needs more.

    The predicate raises ConditionFailed.
    """
    try:
        return _predicate(model, relation, relation.rewrite, frozenset({relation.label}))
    except Unsuited:
        return None


def _predicate(model: Model, relation: Relation, rewrite: Rewrite, path: frozenset[str]) -> Predicate:
    if isinstance(rewrite, This):
        return _direct(model, relation)
    if isinstance(rewrite, Computed):
        following = model.relation(relation.type, rewrite.relation)
        if following is None:
            raise Unsuited
        return _following(model, following, path)
    if isinstance(rewrite, Through):
        return _through(model, relation, rewrite, path)
    if isinstance(rewrite, Union):
        return _any([_predicate(model, relation, child, path) for child in rewrite.children])
    raise Unsuited


def _following(model: Model, relation: Relation, path: frozenset[str]) -> Predicate:
    if relation.label in path:
        raise Unsuited
    return _predicate(model, relation, relation.rewrite, path | {relation.label})


def _direct(model: Model, relation: Relation) -> Predicate:
    if relation.usersets or has_wildcard(relation):
        raise Unsuited
    name, admitted, conditions = relation.name, relation.admitted, model.conditions

    def predicate(tuples: Reader, object_: str, user: str, kind: str, asked: Asked) -> bool:
        condition = tuples.lookup(object_, name, user)
        if condition is ABSENT:
            return False
        names = admitted.get(kind, ())
        if condition is None:
            return "" in names
        if condition.name not in names:
            return False
        by = conditions[condition.name]
        return (condition.read_by is by or by.takes(condition)) and by.holds(user, condition, asked)

    return predicate


def _through(model: Model, relation: Relation, rewrite: Through, path: frozenset[str]) -> Predicate:
    tupleset = model.relation(relation.type, rewrite.tupleset)
    if tupleset is None or len(tupleset.admitted) != len(model.parents(relation.type, rewrite.tupleset)):
        raise Unsuited
    targets = {kind: model.relation(kind, rewrite.relation) for kind in tupleset.admitted}
    follow = {kind: _following(model, one, path) for kind, one in targets.items() if one is not None}
    name = tupleset.name

    def predicate(tuples: Reader, object_: str, user: str, kind: str, asked: Asked) -> bool:
        for parent, condition in tuples.users(object_, name):
            type_ = type_of(parent)
            further = follow.get(type_)
            if further is None or not model.counts(tupleset, type_, condition):
                continue
            if condition is not None and not model.conditions[condition.name].holds(parent, condition, asked):
                continue
            if further(tuples, parent, user, kind, asked):
                return True
        return False

    return predicate


def _any(predicates: list[Predicate]) -> Predicate:
    def predicate(tuples: Reader, object_: str, user: str, kind: str, asked: Asked) -> bool:
        for one in predicates:  # noqa: SIM110 - a generator would cost as much as the look-ups
            if one(tuples, object_, user, kind, asked):
                return True
        return False

    return predicate
