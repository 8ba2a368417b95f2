"""Engine: evaluates checks as OpenFGA does (rewrites, usersets, cycles, depth), without caches.

Two rules decide hard cases as upstream does: an operand that settles the answer beats an error in another,
and a cycle is false in an intersection and on either side of an exclusion.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from twins.runtime.authz.model import BOUNDS, Model, Rewrite, type_of
from twins.runtime.authz.tuples import Condition, Tuples, Users
from twins.runtime.clock import parse
from twins.runtime.problems import Problem

DEPTH = 25


class CheckFailed(Exception):
    """The check has no answer; `code` is OpenFGA's error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Decision(NamedTuple):
    """An answer and the instants (seconds since 1970) between which it holds while no tuple changes."""

    allowed: bool
    since: float
    until: float


class Given(NamedTuple):
    """A tuple that holds for one check only."""

    object: str
    relation: str
    user: str


class _Answer(NamedTuple):
    allowed: bool
    cycle: bool = False


class _Place(NamedTuple):
    """Where an evaluation stands; `path` holds every (object, relation) on the way here."""

    object: str
    relation: str
    path: frozenset[tuple[str, str]]
    depth: int


NO = _Answer(False)
YES = _Answer(True)
Operand = Callable[[], _Answer]


class Engine:
    """Answers checks over the twin's model and tuples."""

    def __init__(self, model: Model, tuples: Tuples) -> None:
        self.model = model
        self.tuples = tuples

    def check(self, object_: str, relation: str, user: str, now: float, given: Sequence[Given] = ()) -> bool:
        """Whether the user has the relation to the object at `now` (seconds since 1970).

        Raises:
            CheckFailed: the rewrites go deeper than 25, or a tuple's condition is incomplete.
        """
        return self.decide(object_, relation, user, now, given).allowed

    def decide(
        self, object_: str, relation: str, user: str, now: float, given: Sequence[Given] = ()
    ) -> Decision:
        """As `check`, with how long the answer holds."""
        check = _Check(self, user, now, given)
        answer = check.relation(_Place(object_, relation, frozenset(), 0))
        return Decision(answer.allowed, check.since, check.until)

    def list_objects(self, type_: str, relation: str, user: str, now: float) -> list[str]:
        """The objects of the type to which the user has the relation."""
        return [o for o in self.tuples.objects(type_) if self.check(o, relation, user, now)]


class _Check:
    """One check under way; `since` and `until` bound the answer by the windows that were looked at."""

    def __init__(self, engine: Engine, user: str, now: float, given: Sequence[Given]) -> None:
        self._model = engine.model
        self._tuples = engine.tuples
        self._user = user
        self._now = now
        self._given = given
        self.since = -math.inf
        self.until = math.inf

    def relation(self, place: _Place) -> _Answer:
        here = (place.object, place.relation)
        if self._user == f"{place.object}#{place.relation}":
            return YES
        if here in place.path:
            return _Answer(False, cycle=True)
        if place.depth >= DEPTH:
            raise CheckFailed("authorization_model_resolution_too_complex", "the model is too deep")
        rewrite = self._model.rewrite(type_of(place.object), place.relation)
        if rewrite is None:
            return NO
        return self._evaluate(rewrite, place._replace(path=place.path | {here}))

    def _evaluate(self, rewrite: Rewrite, place: _Place) -> _Answer:
        ((kind, content),) = rewrite.items()
        if kind == "this":
            return _any(self._direct(place))
        if kind == "computedUserset":
            return self.relation(place._replace(relation=content["relation"]))
        if kind == "tupleToUserset":
            return _any(self._through(content, place))
        if kind == "difference":
            sides = (content["base"], content["subtract"])
            return _difference(*(partial(self._evaluate, side, place) for side in sides))
        children = (partial(self._evaluate, child, place) for child in content["child"])
        return _any(children) if kind == "union" else _all(children)

    def _direct(self, place: _Place) -> Iterator[Operand]:
        users = self._users(place.object, place.relation)
        if self._user in users:
            yield partial(self._holds, place, self._user, users[self._user])
        for user, condition in users.items():
            of, _, relation = user.partition("#")
            if relation and user != self._user:
                yield partial(self._follow, place, user, condition, of, relation)

    def _through(self, content: Any, place: _Place) -> Iterator[Operand]:
        tupleset = place._replace(relation=content["tupleset"]["relation"])
        target = content["computedUserset"]["relation"]
        for parent, condition in self._users(place.object, tupleset.relation).items():
            if "#" not in parent and self._model.rewrite(type_of(parent), target) is not None:
                yield partial(self._follow, tupleset, parent, condition, parent, target)

    def _follow(
        self, place: _Place, user: str, condition: Condition | None, object_: str, relation: str
    ) -> _Answer:
        """Go on from a tuple that names `user` at `place` to another object's relation."""
        if not self._holds(place, user, condition).allowed:
            return NO
        return self.relation(_Place(object_, relation, place.path, place.depth + 1))

    def _users(self, object_: str, relation: str) -> Users:
        stored = self._tuples.users(object_, relation)
        extra = {g.user: None for g in self._given if (g.object, g.relation) == (object_, relation)}
        return {**stored, **extra} if extra else stored

    def _holds(self, place: _Place, user: str, condition: Condition | None) -> _Answer:
        name, window = condition or ("", {})
        if not self._model.admits(place.object, place.relation, user, name):
            return NO
        if not name:
            return YES
        try:
            begin, end = (parse(window[bound], bound).timestamp() for bound in BOUNDS)
        except KeyError:
            raise CheckFailed("validation_error", f"the window of {user} lacks a bound") from None
        except Problem as problem:
            raise CheckFailed("validation_error", problem.detail) from None
        for bound in (begin, end):
            if bound <= self._now:
                self.since = max(self.since, bound)
            else:
                self.until = min(self.until, bound)
        return _Answer(begin <= self._now < end)


def _any(operands: Iterable[Operand]) -> _Answer:
    failure: CheckFailed | None = None
    cycle = False
    for operand in operands:
        try:
            answer = operand()
        except CheckFailed as error:
            failure = error
            continue
        if answer.allowed:
            return YES
        cycle = cycle or answer.cycle
    if failure is not None:
        raise failure
    return _Answer(False, cycle)


def _all(operands: Iterable[Operand]) -> _Answer:
    failure: CheckFailed | None = None
    for operand in operands:
        try:
            answer = operand()
        except CheckFailed as error:
            failure = error
            continue
        if not answer.allowed:
            return answer
    if failure is not None:
        raise failure
    return YES


def _difference(base: Operand, subtract: Operand) -> _Answer:
    failure: CheckFailed | None = None
    for operand, settles in ((base, False), (subtract, True)):
        try:
            answer = operand()
        except CheckFailed as error:
            failure = error
            continue
        if answer.cycle or answer.allowed is settles:
            return _Answer(False, answer.cycle)
    if failure is not None:
        raise failure
    return YES
