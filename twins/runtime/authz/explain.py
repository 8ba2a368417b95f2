"""Explain: why a user has a relation to an object, or what is missing.

The evaluation is that of `check`, written down: the tuples of one way that allows it, or every place where a
way ended and the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from twins.runtime.authz.check import CYCLE, DEPTH, NO, YES, Answer, Check
from twins.runtime.authz.conditions import Conditioned
from twins.runtime.authz.errors import ConditionFailed, Refused, TooDeep
from twins.runtime.authz.model import Relation
from twins.runtime.authz.names import kind_of, type_of
from twins.runtime.authz.rewrites import Computed, Difference, Intersection, Rewrite, This, Through, Union
from twins.runtime.authz.tuples import Absent

Json = dict[str, Any]
FAILED = 3


class Why(NamedTuple):
    """An answer, the tuples that lead to it when it is yes, and what is missing when it is not."""

    answer: Answer
    path: tuple[Json, ...] = ()
    missing: tuple[Json, ...] = ()
    error: Refused | None = None

    def to_json(self) -> Json:
        allowed = self.answer == YES
        return {
            "allowed": allowed,
            "path": list(self.path) if allowed else [],
            "missing": [] if allowed else list(self.missing),
            "error": None if self.error is None else self.error.to_json(),
        }


class Explanation(Check):
    """Explains one question."""

    def why(self, object_: str, relation: str) -> Why:
        """Why the user has the relation or not; a refusal of the question itself is its `error`."""
        return self._why(object_, relation, 0)

    def _why(self, object_: str, name: str, depth: int) -> Why:
        if depth >= DEPTH:
            return _lack(object_, name, "too-deep", error=TooDeep())
        here = (object_, name)
        if here in self._path:
            return _lack(object_, name, "circle", answer=CYCLE)
        if self._user == f"{object_}#{name}":
            return Why(YES)
        relation = self._model.relation(type_of(object_), name)
        if relation is None or not self._has_way(relation):
            return _lack(object_, name, "no-way")
        self._path.add(here)
        try:
            return self._explained(relation.rewrite, object_, relation, depth)
        finally:
            self._path.discard(here)

    def _explained(self, rewrite: Rewrite, object_: str, relation: Relation, depth: int) -> Why:
        if isinstance(rewrite, This):
            return self._why_direct(object_, relation, depth)
        if isinstance(rewrite, Computed):
            return self._why(object_, rewrite.relation, depth)
        if isinstance(rewrite, Through):
            return self._why_through(rewrite, object_, relation, depth)

        def operand(child: Rewrite) -> Callable[[], Why]:
            return lambda: self._explained(child, object_, relation, depth)

        if isinstance(rewrite, Union):
            return _union(operand(child) for child in rewrite.children)
        if isinstance(rewrite, Intersection):
            return _intersection([operand(child) for child in rewrite.children])
        assert isinstance(rewrite, Difference)
        return _difference(object_, relation.name, operand(rewrite.base), operand(rewrite.subtract))

    def _why_direct(self, object_: str, relation: Relation, depth: int) -> Why:
        own = self._tuples.lookup(object_, relation.name, self._user)
        found = [] if isinstance(own, Absent) else [(self._user, own)]
        everybody = f"{type_of(self._user)}:*"
        if "#" not in self._kind and everybody != self._user:
            found += self._tuples.each(object_, relation.name, everybody)
        ways = [self._tuple(object_, relation, user, condition) for user, condition in found]
        if relation.usersets:
            usersets = list(self._tuples.usersets(object_, relation.name))
            steps = [(user, condition, *_split(user)) for user, condition in usersets]
            ways += self._why_steps(object_, relation, steps, depth)
        return _union(ways) if ways else _lack(object_, relation.name, "no-tuple")

    def _why_through(self, rewrite: Through, object_: str, relation: Relation, depth: int) -> Why:
        tupleset = self._model.types[relation.type][rewrite.tupleset]
        steps = [
            (user, condition, user, rewrite.relation)
            for user, condition in self._tuples.users(object_, tupleset.name)
        ]
        ways = self._why_steps(object_, tupleset, steps, depth)
        return _union(ways) if ways else _lack(object_, tupleset.name, "no-tuple")

    def _why_steps(
        self,
        object_: str,
        relation: Relation,
        steps: Sequence[tuple[str, Conditioned | None, str, str]],
        depth: int,
    ) -> list[Callable[[], Why]]:
        """As `Check` does, the error of a condition counts only when no other tuple's condition holds."""
        tuples = [self._tuple(object_, relation, user, condition)() for user, condition, _, _ in steps]
        met = any(one.answer == YES for one in tuples)
        ways: list[Callable[[], Why]] = []
        for one, (_, _, target, name) in zip(tuples, steps, strict=True):
            if one.answer == YES:
                ways.append(self._step_from(one, target, name, depth))
            else:
                quiet = one._replace(answer=NO, error=None) if met else one
                ways.append(lambda quiet=quiet: quiet)  # type: ignore[misc]
        return ways

    def _step_from(self, one: Why, target: str, name: str, depth: int) -> Callable[[], Why]:
        def follow() -> Why:
            if self._model.relation(type_of(target), name) is None:
                return _lack(target, name, "no-way")
            found = self._why(target, name, depth + 1)
            return found._replace(path=one.path + found.path)

        return follow

    def _tuple(
        self, object_: str, relation: Relation, user: str, condition: Conditioned | None
    ) -> Callable[[], Why]:
        shown: Json = {"object": object_, "relation": relation.name, "user": user}
        if condition is not None:
            shown["condition"] = condition.to_json()

        def found() -> Why:
            if not self._model.counts(relation, kind_of(user), condition):
                return _lack(object_, relation.name, "not-admitted", shown)
            try:
                if self._met(object_, relation, user, condition):
                    return Why(YES, (shown,))
            except ConditionFailed as error:
                return _lack(object_, relation.name, "condition-failed", shown, error=error)
            return _lack(object_, relation.name, "condition", shown)

        return found


def _lack(
    object_: str,
    relation: str,
    reason: str,
    tuple_: Json | None = None,
    *,
    answer: Answer = NO,
    error: Refused | None = None,
) -> Why:
    lack = {"object": object_, "relation": relation, "reason": reason, "tuple": tuple_}
    return Why(answer if error is None else FAILED, (), (lack,), error)


def _union(operands: Iterable[Callable[[], Why]]) -> Why:
    missing: tuple[Json, ...] = ()
    answer, error = NO, None
    for operand in operands:
        found = operand()
        if found.answer == YES:
            return found
        missing += found.missing
        error = found.error or error
        answer = answer or found.answer
    return Why(answer if error is None else FAILED, (), missing, error)


def _intersection(operands: Sequence[Callable[[], Why]]) -> Why:
    path: tuple[Json, ...] = ()
    failed: Why | None = None
    for operand in operands:
        found = operand()
        if found.answer == FAILED:
            failed = failed or found
        elif found.answer != YES:
            return found
        path += found.path
    return failed or Why(YES, path)


def _difference(object_: str, relation: str, base: Callable[[], Why], subtract: Callable[[], Why]) -> Why:
    first = base()
    if first.answer in (NO, CYCLE):
        return first
    second = subtract()
    if second.answer == CYCLE:
        return second._replace(path=())
    if second.answer == YES:
        lack = {"object": object_, "relation": relation, "reason": "excluded", "tuple": None}
        return Why(NO, (), ({**lack, "path": list(second.path)},))
    if FAILED in (first.answer, second.answer):
        return first if first.answer == FAILED else second
    return Why(YES, first.path)


def _split(userset: str) -> tuple[str, str]:
    object_, _, name = userset.rpartition("#")
    return object_, name
