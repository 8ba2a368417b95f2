"""Projection: only some members of each body."""

from __future__ import annotations

import msgspec

from twins.runtime import codec
from twins.runtime.problems import Problem

MOST = 50
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Projection:
    """Named members (`names`) of a body's top level; those that a body lacks are left out."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names

    @classmethod
    def parse(cls, text: str) -> Projection:
        """The projection of `fields=a,b`.

        Raises:
            Problem: 400, a name is empty or there are too many.
        """
        names = text.split(",")
        if not all(names) or len(names) > MOST:
            raise Problem(400, "bad-request", f"`fields` must be 1 to {MOST} names with commas between.")
        return cls(frozenset(names))

    def of(self, body: msgspec.Raw | bytes) -> msgspec.Raw:
        """The body's canonical JSON with nothing but these members."""
        members = _members.decode(body)
        return msgspec.Raw(codec.encode({name: members[name] for name in self.names & members.keys()}))
