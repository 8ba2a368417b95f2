"""Reverse: the objects to which a user has a relation, found from the user upwards.

From what names the user, the search follows the model's ways towards the relation that is wanted. What it
reaches by unions alone is found; what it reaches as an operand of an intersection or exclusion is only a
candidate, and checked. A condition that fails counts on a way that otherwise reaches the user.
"""

from __future__ import annotations

from collections.abc import Iterator

from twins.runtime.authz.check import Check
from twins.runtime.authz.conditions import Asked, Conditioned
from twins.runtime.authz.errors import ConditionFailed, Refused
from twins.runtime.authz.model import Model, Relation
from twins.runtime.authz.names import kind_of, split_userset, type_of
from twins.runtime.authz.tuples import Reader
from twins.runtime.authz.ways import Edge, Ways, ways_to


class Search:
    """One search; `failure` is the condition that failed on a way to the user, if one did."""

    def __init__(self, model: Model, tuples: Reader, user: str, asked: Asked) -> None:
        self._model = model
        self._tuples = tuples
        self._user = user
        self._asked = asked
        self._seen: dict[tuple[str, str], bool] = {}
        self._waiting: list[tuple[str, Relation, bool]] = []
        self.failure: Refused | None = None

    def objects(self, target: Relation) -> Iterator[str]:
        """Every object of the target's type to which the user has it, once each."""
        check = Check(self._model, self._tuples, self._user, self._asked, last=True)
        ways = ways_to(self._model, target)
        given: set[str] = set()
        self._start(ways)
        while self._waiting:
            object_, relation, is_sure = self._waiting.pop()
            if relation is target and object_ not in given:
                given.add(object_)
                if is_sure or self._checked(check, object_, target):
                    yield object_
            self._climb(ways, object_, relation, is_sure)

    def _checked(self, check: Check, object_: str, target: Relation) -> bool:
        try:
            return check.holds(object_, target.name)
        except ConditionFailed as error:
            self.failure = error
            return False

    def _start(self, ways: Ways) -> None:
        object_, name = split_userset(self._user)
        if name:
            itself = self._model.relation(type_of(object_), name)
            if itself is not None:
                self._reach(object_, itself, is_sure=True)
        kinds = {kind_of(self._user): self._user}
        if not name:
            everybody = f"{type_of(self._user)}:*"
            kinds[everybody] = everybody
        for kind, user in kinds.items():
            for edge in ways.direct.get(kind, ()):
                self._follow(edge, user, is_sure=edge.is_sure)

    def _climb(self, ways: Ways, object_: str, relation: Relation, is_sure: bool) -> None:
        """From an object whose relation the user has to what follows from that."""
        for edge in ways.direct.get(relation.label, ()):
            self._follow(edge, f"{object_}#{relation.name}", is_sure=is_sure and edge.is_sure)
        for edge in ways.upwards.get(relation.label, ()):
            sure = is_sure and edge.is_sure
            if edge.tupleset:
                self._follow(edge, object_, is_sure=sure)
            else:
                self._reach(object_, edge.relation, is_sure=sure)

    def _follow(self, edge: Edge, user: str, *, is_sure: bool) -> None:
        relation = self._model.types[edge.relation.type][edge.tupleset]
        kind = kind_of(user)
        for object_, condition in self._tuples.objects(user, relation.type, relation.name):
            counts = self._model.counts(relation, kind, condition)
            if counts and self._met(object_, relation, user, condition, is_sure):
                self._reach(object_, edge.relation, is_sure=is_sure)

    def _met(
        self, object_: str, relation: Relation, user: str, condition: Conditioned | None, is_sure: bool
    ) -> bool:
        if condition is None or not is_sure:
            return True
        try:
            key = f"{object_}#{relation.name}@{user}"
            return self._model.conditions[condition.name].holds(key, condition, self._asked)
        except ConditionFailed as error:
            self.failure = error
            return False

    def _reach(self, object_: str, relation: Relation, *, is_sure: bool) -> None:
        here = (object_, relation.label)
        known = self._seen.get(here)
        if known is None or (is_sure and not known):
            self._seen[here] = is_sure
            self._waiting.append((object_, relation, is_sure))
