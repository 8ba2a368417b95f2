"""Tuples: who has which relation to which object, indexed both ways."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from twins.runtime import codec
from twins.runtime.authz.conditions import Conditioned
from twins.runtime.authz.names import key_of, type_of
from twins.runtime.state import Change

__all__ = ["TABLE", "Given", "Overlay", "Reader", "Tuples", "key_of", "row"]

TABLE = "tuple"
Pairs = Iterable[tuple[str, Conditioned | None]]
_NOTHING: dict[str, Conditioned | None] = {}


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

    def find(self, object_: str, relation: str, user: str) -> Pairs:
        """The tuple, or nothing."""

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
    """Every tuple of a store."""

    def __init__(self) -> None:
        self.by_object: dict[tuple[str, str], dict[str, Conditioned | None]] = {}
        self._by_user: dict[tuple[str, str, str], dict[str, Conditioned | None]] = {}
        self._usersets: dict[tuple[str, str], dict[str, Conditioned | None]] = {}

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
        there = (object_, relation)
        self.by_object.setdefault(there, {})[user] = condition
        self._by_user.setdefault((user, type_of(object_), relation), {})[object_] = condition
        if "#" in user:
            self._usersets.setdefault(there, {})[user] = condition

    def remove(self, tuple_: Mapping[str, Any]) -> None:
        """Take a tuple away that is there."""
        object_, relation, user = tuple_["object"], tuple_["relation"], tuple_["user"]
        _drop(self.by_object, (object_, relation), user)
        _drop(self._by_user, (user, type_of(object_), relation), object_)
        if "#" in user:
            _drop(self._usersets, (object_, relation), user)

    def find(self, object_: str, relation: str, user: str) -> Pairs:
        users = self.by_object.get((object_, relation), _NOTHING)
        return ((user, users[user]),) if user in users else ()

    each = find

    def users(self, object_: str, relation: str) -> Pairs:
        return self.by_object.get((object_, relation), _NOTHING).items()

    def usersets(self, object_: str, relation: str) -> Pairs:
        return self._usersets.get((object_, relation), _NOTHING).items()

    def objects(self, user: str, type_: str, relation: str) -> Pairs:
        return self._by_user.get((user, type_, relation), _NOTHING).items()

    def expiries(self) -> Iterator[str]:
        """The end of every window."""
        for users in self.by_object.values():
            for condition in users.values():
                if condition is not None:
                    yield condition.context["expires_at"]


class Overlay:
    """Tuples and a few more that hold for one question; where both have a tuple, these are found first."""

    def __init__(self, under: Reader, given: Sequence[Given]) -> None:
        self._under = under
        self._given = given

    def find(self, object_: str, relation: str, user: str) -> Pairs:
        for one in self._given:
            if (one.user, one.object, one.relation) == (user, object_, relation):
                return ((user, one.condition),)
        return self._under.find(object_, relation, user)

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


def _drop(index: dict[Any, dict[str, Conditioned | None]], where: Any, name: str) -> None:
    members = index[where]
    del members[name]
    if not members:
        del index[where]
