"""Reverse: the objects to which a user has a relation, found from the user upwards.

From what names the user, the search follows the model's ways towards the relation that is wanted. What it
reaches by unions alone is found; what it reaches as an operand of an intersection or exclusion is only a
candidate, and checked. A condition that fails counts on a way that otherwise reaches the user.
"""

from __future__ import annotations

from collections.abc import Iterator

from twins.runtime.authz.check import Check
from twins.runtime.authz.conditions import Asked, Condition, Conditioned
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
        self._seen: dict[str, dict[str, bool]] = {}
        self._waiting: list[tuple[str, Relation, bool]] = []
        self.failure: Refused | None = None

    def objects(self, target: Relation) -> Iterator[str]:
        """Every object of the target's type to which the user has it, once each."""
        check = Check(self._model, self._tuples, self._user, self._asked, last=True)
        ways = ways_to(self._model, target)
        given: set[str] = set()
        leads_on = ways.leads_on(target)
        self._start(ways)
        while self._waiting:
            object_, relation, is_sure = self._waiting.pop()
            if relation is target and object_ not in given:
                given.add(object_)
                if is_sure or self._checked(check, object_, target):
                    yield object_
            if relation is not target or leads_on:
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
        names, conditions = relation.names(kind_of(user)), self._model.conditions
        target, waiting = edge.relation, self._waiting
        seen = self._seen.setdefault(target.label, {})
        for object_, condition in self._tuples.objects(user, relation.type, relation.name):
            if ("" if condition is None else condition.name) not in names:
                continue
            if condition is not None:
                by = conditions[condition.name]
                if condition.read_by is not by and not by.takes(condition):
                    continue
                if is_sure and not self._met(by, f"{object_}#{relation.name}@{user}", condition):
                    continue
            if seen.get(object_, False) < is_sure or object_ not in seen:
                seen[object_] = is_sure
                waiting.append((object_, target, is_sure))

    def _met(self, by: Condition, key: str, own: Conditioned) -> bool:
        try:
            return by.holds(key, own, self._asked)
        except ConditionFailed as error:
            self.failure = error
            return False

    def _reach(self, object_: str, relation: Relation, *, is_sure: bool) -> None:
        seen = self._seen.setdefault(relation.label, {})
        if object_ not in seen or seen[object_] < is_sure:
            seen[object_] = is_sure
            self._waiting.append((object_, relation, is_sure))
