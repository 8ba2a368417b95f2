"""Engine: a twin's own decisions, from its model and tuples, at an instant."""

from __future__ import annotations

from collections.abc import Sequence

from twins.runtime.authz.check import Check
from twins.runtime.authz.conditions import Asked
from twins.runtime.authz.model import Model
from twins.runtime.authz.names import kind_of
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
        plain = self.model.plain.get((object_.partition(":")[0], relation))
        if plain is None or given or "#" in user:
            return Check(self.model, self._reader(given), user, asked_at(now)).holds(object_, relation)
        users = self.tuples.by_object.get((object_, plain.name))
        if users is None or user not in users:
            return False
        condition = users[user]
        if not self.model.counts(plain, kind_of(user), condition):
            return False
        if condition is None:
            return True
        key = f"{object_}#{plain.name}@{user}"
        return self.model.conditions[condition.name].holds(key, condition, asked_at(now))

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

    def _reader(self, given: Sequence[Given]) -> Tuples | Overlay:
        return Overlay(self.tuples, given) if given else self.tuples


def asked_at(now: float) -> Asked:
    """The context of a question at an instant, to the microsecond; nobody else says what time it is."""
    return Asked({}, {MOMENT: round(now * 1_000_000) * 1000})
