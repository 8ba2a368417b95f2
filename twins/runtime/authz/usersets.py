"""Usersets: sets of users as listing needs them: some by name, perhaps everybody, perhaps without some."""

from __future__ import annotations

from typing import NamedTuple

Names = frozenset[str]
NONE: Names = frozenset()


class Found(NamedTuple):
    """Users.

    Attributes:
        named: users whom a tuple names.
        everybody: whether a wildcard includes everybody else.
        but: who is left out of everybody.
        in_circle: whether the search came back to where it was.
    """

    named: Names = NONE
    everybody: bool = False
    but: Names = NONE
    in_circle: bool = False

    def has(self, user: str) -> bool:
        return user in self.named or (self.everybody and user not in self.but)

    def __or__(self, other: Found) -> Found:
        but = frozenset(u for u in self.but | other.but if not self.has(u) and not other.has(u))
        return Found(
            self.named | other.named,
            self.everybody or other.everybody,
            but,
            self.in_circle or other.in_circle,
        )

    def __and__(self, other: Found) -> Found:
        """Who is in both; a name may come from either when the other has everybody."""
        named = frozenset(u for u in self.named | other.named if self.has(u) and other.has(u))
        everybody = self.everybody and other.everybody
        return Found(named, everybody, (self.but | other.but) - named if everybody else NONE)

    def without(self, other: Found) -> Found:
        """Who is here and not there; whom `other` leaves out of its everybody is named again."""
        if other.in_circle:
            return EMPTY
        candidates = self.named | (other.but if self.everybody else NONE)
        named = frozenset(u for u in candidates if self.has(u) and not other.has(u))
        everybody = self.everybody and not other.everybody
        return Found(named, everybody, (self.but | other.named) - named if everybody else NONE)


EMPTY = Found()
CIRCLE = Found(in_circle=True)


def union(parts: list[Found]) -> Found:
    """Who is in one of them."""
    total = EMPTY
    for part in parts:
        total = total | part
    return total


def intersection(parts: list[Found]) -> Found:
    """Who is in each of them."""
    total, *others = parts
    for part in others:
        total = total & part
    return total._replace(in_circle=False)
