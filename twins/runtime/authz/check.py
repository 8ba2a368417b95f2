"""Check: whether a user has a relation to an object, as OpenFGA evaluates it, without any cache of decisions.

What decides the hard cases:
- An operand that settles the answer beats an error in another.
- Going in a circle is false; in an intersection and on either side of an exclusion the whole is false then.
- A user whose kind the model gives no way to the relation does not have it, whatever the tuples say.
- A tuple counts only if the model admits it now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twins.runtime.authz.conditions import Asked, Conditioned
from twins.runtime.authz.errors import ConditionFailed, Refused, TooDeep
from twins.runtime.authz.model import Model, Relation
from twins.runtime.authz.names import kind_of, type_of
from twins.runtime.authz.rewrites import (
    Computed,
    Difference,
    Intersection,
    Rewrite,
    This,
    Through,
    Union,
)
from twins.runtime.authz.tuples import Absent, Reader

DEPTH = 25
NO, YES, CYCLE = 0, 1, 2
Answer = int
Operand = Callable[[], Answer]
Step = tuple[str, Conditioned | None, str, str]


class Check:
    """The evaluation of one question; what it found out on the way serves for its next objects too.

    Args:
        last: a tuple's condition is asked only when its user is a member, as listing demands.
    """

    def __init__(self, model: Model, tuples: Reader, user: str, asked: Asked, *, last: bool = False) -> None:
        self._model = model
        self._tuples = tuples
        self._user = user
        self._kind = kind_of(user)
        self._asked = asked
        self._last = last
        self._path: set[tuple[str, str]] = set()
        self._known: dict[tuple[str, str], tuple[Answer, int]] = {}
        self._circles = 0
        self._deepest = 0

    def holds(self, object_: str, relation: str) -> bool:
        """Whether the user has the relation.

        Raises:
            TooDeep: the answer lies deeper than 25 steps.
            ConditionFailed: it hangs on a condition that cannot be evaluated.
        """
        return self._relation(object_, relation, 0) == YES

    def _relation(self, object_: str, name: str, depth: int) -> Answer:
        if depth >= DEPTH:
            raise TooDeep
        here = (object_, name)
        if here in self._path:
            self._circles += 1
            return CYCLE
        if self._user == f"{object_}#{name}":
            return YES
        relation = self._model.relation(type_of(object_), name)
        if relation is None or not self._has_way(relation):
            return NO
        known = self._known.get(here)
        if known is not None and depth + known[1] < DEPTH:
            self._deepest = max(self._deepest, depth + known[1])
            return known[0]
        return self._explore(here, relation, depth)

    def _explore(self, here: tuple[str, str], relation: Relation, depth: int) -> Answer:
        """Evaluate; the answer is kept when it does not hang on how we came here."""
        outer, circles = self._deepest, self._circles
        self._deepest = depth
        self._path.add(here)
        try:
            answer = self._evaluate(relation.rewrite, here[0], relation, depth)
            if circles == self._circles:
                self._known[here] = (answer, self._deepest - depth)
            return answer
        finally:
            self._path.discard(here)
            self._deepest = max(outer, self._deepest)

    def _has_way(self, relation: Relation) -> bool:
        kinds = self._model.reach(relation)
        if "#" in self._kind:
            return self._kind in kinds
        type_ = type_of(self._user)
        return type_ in kinds or f"{type_}:*" in kinds

    def _evaluate(self, rewrite: Rewrite, object_: str, relation: Relation, depth: int) -> Answer:
        if isinstance(rewrite, This):
            return self._direct(object_, relation, depth)
        if isinstance(rewrite, Computed):
            return self._relation(object_, rewrite.relation, depth)
        if isinstance(rewrite, Through):
            return self._through(rewrite, object_, relation, depth)

        def operand(child: Rewrite) -> Operand:
            return lambda: self._evaluate(child, object_, relation, depth)

        if isinstance(rewrite, Union):
            return any_of(operand(child) for child in rewrite.children)
        if isinstance(rewrite, Intersection):
            return all_of(operand(child) for child in rewrite.children)
        assert isinstance(rewrite, Difference)
        return without(operand(rewrite.base), operand(rewrite.subtract))

    def _direct(self, object_: str, relation: Relation, depth: int) -> Answer:
        operands: list[Operand] = [lambda: self._named(object_, relation, self._user)]
        if "#" not in self._kind:
            everybody = f"{type_of(self._user)}:*"
            if everybody != self._user and everybody in relation.admitted:
                operands.append(lambda: self._wildcard(object_, relation, everybody))
        if relation.usersets:
            operands.append(lambda: self._members(object_, relation, depth))
        return any_of(operands)

    def _named(self, object_: str, relation: Relation, user: str) -> Answer:
        condition = self._tuples.lookup(object_, relation.name, user)
        if isinstance(condition, Absent) or not self._admitted(relation, user, condition):
            return NO
        return YES if self._met(object_, relation, user, condition) else NO

    def _wildcard(self, object_: str, relation: Relation, everybody: str) -> Answer:
        def operand(condition: Conditioned | None) -> Operand:
            return lambda: YES if self._met(object_, relation, everybody, condition) else NO

        return any_of(
            operand(condition)
            for _, condition in self._tuples.each(object_, relation.name, everybody)
            if self._admitted(relation, everybody, condition)
        )

    def _members(self, object_: str, relation: Relation, depth: int) -> Answer:
        """Through the usersets that the object's tuples name."""
        steps = []
        for user, condition in self._tuples.usersets(object_, relation.name):
            if self._admitted(relation, user, condition):
                target, _, name = user.rpartition("#")
                steps.append((user, condition, target, name))
        return self._steps(object_, relation, steps, depth)

    def _through(self, rewrite: Through, object_: str, relation: Relation, depth: int) -> Answer:
        tupleset = self._model.relation(relation.type, rewrite.tupleset)
        if tupleset is None:
            return NO
        steps = [
            (user, condition, user, rewrite.relation)
            for user, condition in self._tuples.users(object_, tupleset.name)
            if self._admitted(tupleset, user, condition)
        ]
        return self._steps(object_, tupleset, steps, depth)

    def _steps(
        self,
        object_: str,
        relation: Relation,
        steps: list[Step],
        depth: int,
    ) -> Answer:
        """Go on from each tuple whose condition holds. An error of a condition counts only when none does."""
        if self._last:
            return any_of(self._late(object_, relation, step, depth) for step in steps)
        failure: Refused | None = None
        met: list[tuple[str, str]] = []
        for user, condition, target, name in steps:
            try:
                if self._met(object_, relation, user, condition):
                    met.append((target, name))
            except ConditionFailed as error:
                failure = error
        if failure is not None and not met:
            raise failure
        return any_of(self._step(target, name, depth) for target, name in met)

    def _step(self, object_: str, name: str, depth: int) -> Operand:
        if self._model.relation(type_of(object_), name) is None:
            return lambda: NO
        return lambda: self._relation(object_, name, depth + 1)

    def _late(self, object_: str, relation: Relation, step: Step, depth: int) -> Operand:
        user, condition, target, name = step
        follow = self._step(target, name, depth)

        def operand() -> Answer:
            answer = follow()
            if answer == YES and not self._met(object_, relation, user, condition):
                return NO
            return answer

        return operand

    def _admitted(self, relation: Relation, user: str, condition: Conditioned | None) -> bool:
        return self._model.counts(relation, kind_of(user), condition)

    def _met(self, object_: str, relation: Relation, user: str, condition: Conditioned | None) -> bool:
        if condition is None:
            return True
        model_condition = self._model.conditions[condition.name]
        return model_condition.holds(f"{object_}#{relation.name}@{user}", condition, self._asked)


def any_of(operands: Iterable[Operand]) -> Answer:
    """A union."""
    failure: Refused | None = None
    answer = NO
    for operand in operands:
        try:
            found = operand()
        except Refused as error:
            failure = error
            continue
        if found == YES:
            return YES
        answer = answer or found
    if failure is not None:
        raise failure
    return answer


def all_of(operands: Iterable[Operand]) -> Answer:
    """An intersection."""
    failure: Refused | None = None
    for operand in operands:
        try:
            found = operand()
        except Refused as error:
            failure = failure or error
            continue
        if found != YES:
            return found
    if failure is not None:
        raise failure
    return YES


def without(base: Operand, subtract: Operand) -> Answer:
    """An exclusion."""
    failure: Refused | None = None
    for operand, settles in ((base, NO), (subtract, YES)):
        try:
            found = operand()
        except Refused as error:
            failure = failure or error
            continue
        if found == CYCLE:
            return CYCLE
        if found == settles:
            return NO
    if failure is not None:
        raise failure
    return YES
