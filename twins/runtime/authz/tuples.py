"""Tuples: the state's table `tuple`, indexed for checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from twins.runtime import codec
from twins.runtime.state import Change

TABLE = "tuple"
Window = Mapping[str, str]
Condition = tuple[str, Window]
Users = Mapping[str, Condition | None]


def key_of(object_: str, relation: str, user: str) -> str:
    """A tuple's key; its condition is not part of it."""
    return f"{object_}#{relation}@{user}"


def row(object_: str, relation: str, user: str, window: Window | None = None) -> dict[str, Any]:
    """A tuple's row; `window` is `{"not_before", "expires_at"}`."""
    plain: dict[str, Any] = {"object": object_, "relation": relation, "user": user}
    if window is not None:
        plain["condition"] = {"name": "grant_window", "context": dict(window)}
    return plain


class Tuples:
    """The users of each (object, relation), and the objects of each type."""

    def __init__(self) -> None:
        self._users: dict[tuple[str, str], dict[str, Condition | None]] = {}

    def observe(self, changes: Sequence[Change]) -> None:
        """Follow the state."""
        for change in changes:
            if change.table == TABLE:
                if change.before is not None:
                    self.remove(codec.decode(change.before))
                if change.after is not None:
                    self.add(codec.decode(change.after))

    def add(self, tuple_: Mapping[str, Any]) -> None:
        condition = tuple_.get("condition")
        users = self._users.setdefault((tuple_["object"], tuple_["relation"]), {})
        users[tuple_["user"]] = (condition["name"], condition["context"]) if condition else None

    def remove(self, tuple_: Mapping[str, Any]) -> None:
        where = (tuple_["object"], tuple_["relation"])
        del self._users[where][tuple_["user"]]
        if not self._users[where]:
            del self._users[where]

    def users(self, object_: str, relation: str) -> Users:
        return self._users.get((object_, relation), {})

    def objects(self, type_: str) -> list[str]:
        """Every object of the type that some tuple is about, in order."""
        return sorted({object_ for object_, _ in self._users if object_.startswith(f"{type_}:")})

    def expiries(self) -> Iterator[str]:
        """The end of every window."""
        for users in self._users.values():
            for condition in users.values():
                if condition is not None:
                    yield condition[1]["expires_at"]
