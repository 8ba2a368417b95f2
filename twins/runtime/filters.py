"""Filters: which objects of a slice a subscription wants. For now, members that equal plain values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import msgspec

from twins.runtime import codec
from twins.runtime.problems import invalid

MOST_CONDITIONS = 20
Plain = str | int | bool | None


class Filter(Protocol):
    """A compiled `where`.

    Attributes:
        text: its canonical form; equal filters have equal texts.
        equality: a member's dotted path and the value that it must have, when there is one such condition.
    """

    @property
    def text(self) -> str: ...

    @property
    def equality(self) -> tuple[str, Plain] | None: ...

    def matches(self, body: bytes) -> bool: ...


@dataclass(frozen=True)
class Equalities:
    """All of these members have these values."""

    text: str
    wanted: tuple[tuple[str, Plain], ...]

    @property
    def equality(self) -> tuple[str, Plain] | None:
        return self.wanted[0] if self.wanted else None

    def matches(self, body: bytes) -> bool:
        return all(same(member(path)(body), value) for path, value in self.wanted)


def compile(where: Any, _declaration: Any) -> Filter:  # noqa: A001 - as the query language names it
    """The filter that a `where` describes.

    Raises:
        Problem: 422, naming the member.
    """
    if not isinstance(where, dict) or len(where) > MOST_CONDITIONS:
        raise invalid(f"`where` must be an object of at most {MOST_CONDITIONS} members.")
    for path, value in where.items():
        if not isinstance(value, str | int | bool | None):
            raise invalid(f"`where.{path[:60]}` must be a text, a whole number, true, false or null.")
    return Equalities(codec.encode(where).decode(), tuple(sorted(where.items())))


def same(found: Any, wanted: Any) -> bool:
    """Whether two plain values are equal; 1 is not true."""
    return type(found) is type(wanted) and bool(found == wanted)


@lru_cache(1024)
def member(path: str) -> Callable[[bytes], Any]:
    """What reads one member, at a dotted path, of an object in JSON; None when it has none."""
    kind: Any = Any
    for name in reversed(path.split(".")):
        kind = msgspec.defstruct("Partial", [("value", kind, None)], rename={"value": name})
    decoder = msgspec.json.Decoder(kind)
    depth = path.count(".") + 1

    def read(body: bytes) -> Any:
        try:
            found: Any = decoder.decode(body)
        except msgspec.ValidationError:
            return None
        for _ in range(depth):
            found = None if found is None else found.value
        return found

    return read
