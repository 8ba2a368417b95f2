"""Engine: a twin's own decisions, from its model and tuples, at an instant."""

from __future__ import annotations

from collections.abc import Sequence

from twins.runtime.authz.check import Check
from twins.runtime.authz.conditions import Asked
from twins.runtime.authz.errors import ConditionFailed
from twins.runtime.authz.model import Model
from twins.runtime.authz.names import type_of
from twins.runtime.authz.quick import Predicate, predicate_of
from twins.runtime.authz.reverse import Search
from twins.runtime.authz.strict import MOMENT
from twins.runtime.authz.tuples import Given, Overlay, Tuples


class Engine:
    """Answers checks over the twin's model and tuples; nothing that it answered is kept."""

    def __init__(self, model: Model, tuples: Tuples) -> None:
        self.model = model
        self.tuples = tuples

    def check(self, object_: str, relation: str, user: str, now: float, given: Sequence[Given] = ()) -> bool:
        """Whether the user has the relation to the object at `now` (seconds since 1970).

        Raises:
            Refused: the rewrites go deeper than 25, or a tuple's condition is incomplete.
        """
        asked = asked_at(now)
        tuples = Overlay(self.tuples, given) if given else self.tuples
        predicate = self._quick(type_of(object_), relation)
        if predicate is not None and "#" not in user and not user.endswith(":*"):
            try:
                return predicate(tuples, object_, user, type_of(user), asked)
            except ConditionFailed:
                asked = asked_at(now)
        return Check(self.model, tuples, user, asked).holds(object_, relation)

    def _quick(self, type_: str, name: str) -> Predicate | None:
        try:
            return self.model.quick[type_, name]
        except KeyError:
            relation = self.model.relation(type_, name)
            made = None if relation is None else predicate_of(self.model, relation)
            self.model.quick[type_, name] = made
            return made

    def list_objects(self, type_: str, relation: str, user: str, now: float) -> list[str]:
        """The objects of the type to which the user has the relation.

        Raises:
            Refused: the condition of a tuple on the way is incomplete.
        """
        target = self.model.types[type_][relation]
        search = Search(self.model, self.tuples, user, asked_at(now))
        found = sorted(search.objects(target))
        if search.failure is not None:
            raise search.failure
        return found


def asked_at(now: float) -> Asked:
    """The context of a question at an instant, to the microsecond; nobody else says what time it is."""
    return Asked({}, {MOMENT: round(now * 1_000_000) * 1000})
