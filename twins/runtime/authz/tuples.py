"""Tuples: who has which relation to which object, indexed both ways."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from sys import intern
from typing import Any, Protocol

from twins.runtime import codec
from twins.runtime.authz.conditions import Conditioned
from twins.runtime.authz.names import key_of, type_of
from twins.runtime.state import Change

__all__ = ["ABSENT", "TABLE", "Given", "Overlay", "Reader", "Tuples", "key_of", "row"]

TABLE = "tuple"
Pairs = Iterable[tuple[str, Conditioned | None]]
Pair = tuple[str, Conditioned | None]
Index = dict[str, dict[str, Pair | dict[str, Conditioned | None]]]


class Absent(Enum):
    """What a look-up finds where there is no tuple."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


class Given:
    """A tuple that holds for one question only."""

    __slots__ = ("condition", "object", "relation", "user")

    def __init__(self, object_: str, relation: str, user: str, condition: Conditioned | None = None) -> None:
        self.object = object_
        self.relation = relation
        self.user = user
        self.condition = condition


class Reader(Protocol):
    """What an evaluation asks of tuples; a tuple's condition is None when it has none."""

    def lookup(self, object_: str, relation: str, user: str) -> Conditioned | Absent | None:
        """The condition of the tuple, which is None when it has none."""

    def each(self, object_: str, relation: str, user: str) -> Pairs:
        """The tuple, also where a question brought another one with the same key."""

    def users(self, object_: str, relation: str) -> Pairs:
        """The users of an object's relation."""

    def usersets(self, object_: str, relation: str) -> Pairs:
        """Those of them that are usersets."""

    def objects(self, user: str, type_: str, relation: str) -> Pairs:
        """The objects of a type to which a user has the relation."""


def row(object_: str, relation: str, user: str, window: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A tuple's row in a twin's state; `window` is `{"not_before", "expires_at"}`."""
    plain: dict[str, Any] = {"object": object_, "relation": relation, "user": user}
    if window is not None:
        plain["condition"] = {"name": "grant_window", "context": dict(window)}
    return plain


class Tuples:
    """Every tuple of a store.

    Most relations of an object have one user, and most users one object: a pair needs no table of its own.
    """

    def __init__(self) -> None:
        self._users: Index = {}
        self._objects: Index = {}
        self._usersets: Index = {}

    def observe(self, changes: Sequence[Change]) -> None:
        """Follow a twin's state."""
        for change in changes:
            if change.table == TABLE:
                if change.before is not None:
                    self.remove(codec.decode(change.before))
                if change.after is not None:
                    self.add(codec.decode(change.after))

    def add(self, tuple_: Mapping[str, Any]) -> None:
        """Add a tuple, `{"object", "relation", "user", "condition"}`."""
        given = tuple_.get("condition")
        condition = Conditioned(given["name"], given["context"]) if given else None
        self.put(tuple_["object"], tuple_["relation"], tuple_["user"], condition)

    def put(self, object_: str, relation: str, user: str, condition: Conditioned | None) -> None:
        """Add a tuple."""
        relation = intern(relation)
        _put(self._users, relation, object_, user, condition)
        _put(self._objects, intern(f"{type_of(object_)}#{relation}"), user, object_, condition)
        if "#" in user:
            _put(self._usersets, relation, object_, user, condition)

    def remove(self, tuple_: Mapping[str, Any]) -> None:
        """Take a tuple away that is there."""
        object_, relation, user = tuple_["object"], tuple_["relation"], tuple_["user"]
        _drop(self._users, relation, object_, user)
        _drop(self._objects, f"{type_of(object_)}#{relation}", user, object_)
        if "#" in user:
            _drop(self._usersets, relation, object_, user)

    def lookup(self, object_: str, relation: str, user: str) -> Conditioned | Absent | None:
        there = self._users.get(relation)
        members = None if there is None else there.get(object_)
        if members is None:
            return ABSENT
        if isinstance(members, dict):
            return members.get(user, ABSENT)
        return members[1] if members[0] == user else ABSENT

    def each(self, object_: str, relation: str, user: str) -> Pairs:
        condition = self.lookup(object_, relation, user)
        return () if condition is ABSENT else ((user, condition),)

    def users(self, object_: str, relation: str) -> Pairs:
        return _members(self._users, relation, object_)

    def usersets(self, object_: str, relation: str) -> Pairs:
        return _members(self._usersets, relation, object_)

    def objects(self, user: str, type_: str, relation: str) -> Pairs:
        return _members(self._objects, f"{type_}#{relation}", user)

    def expiries(self) -> Iterator[str]:
        """The end of every window."""
        for relation, objects in self._users.items():
            for object_ in objects:
                for _, condition in self.users(object_, relation):
                    if condition is not None:
                        yield condition.context["expires_at"]


class Overlay:
    """Tuples and a few more that hold for one question; where both have a tuple, these are found first."""

    def __init__(self, under: Reader, given: Sequence[Given]) -> None:
        self._under = under
        self._given = given

    def lookup(self, object_: str, relation: str, user: str) -> Conditioned | Absent | None:
        for one in self._given:
            if one.user == user and one.object == object_ and one.relation == relation:
                return one.condition
        return self._under.lookup(object_, relation, user)

    def each(self, object_: str, relation: str, user: str) -> Pairs:
        mine = [one for one in self._of(object_, relation) if one[0] == user]
        return [*mine, *self._under.each(object_, relation, user)]

    def users(self, object_: str, relation: str) -> Pairs:
        mine = self._of(object_, relation)
        under = self._under.users(object_, relation)
        return [*mine, *under] if mine else under

    def usersets(self, object_: str, relation: str) -> Pairs:
        mine = [one for one in self._of(object_, relation) if "#" in one[0]]
        under = self._under.usersets(object_, relation)
        return [*mine, *under] if mine else under

    def objects(self, user: str, type_: str, relation: str) -> Pairs:
        mine = [
            (one.object, one.condition)
            for one in self._given
            if one.user == user and one.relation == relation and type_of(one.object) == type_
        ]
        under = self._under.objects(user, type_, relation)
        return [*mine, *under] if mine else under

    def _of(self, object_: str, relation: str) -> list[tuple[str, Conditioned | None]]:
        return [
            (one.user, one.condition)
            for one in self._given
            if one.relation == relation and one.object == object_
        ]


def _put(index: Index, name: str, key: str, member: str, condition: Conditioned | None) -> None:
    there = index.setdefault(name, {})
    members = there.get(key)
    if isinstance(members, dict):
        members[member] = condition
    elif members is None or members[0] == member:
        there[key] = (member, condition)
    else:
        there[key] = dict((members, (member, condition)))


def _drop(index: Index, name: str, key: str, member: str) -> None:
    there = index[name]
    members = there[key]
    if isinstance(members, dict):
        del members[member]
    if isinstance(members, tuple) or not members:
        del there[key]


def _members(index: Index, name: str, key: str) -> Pairs:
    there = index.get(name)
    members = None if there is None else there.get(key)
    if members is None:
        return ()
    return members.items() if isinstance(members, dict) else (members,)
