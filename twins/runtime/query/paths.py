"""Paths: dotted names of members in a body, and the reading of just these members."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

import msgspec

MISSING = msgspec.UNSET
LONGEST = 200
_MEMBER = r'[^\x00-\x1f"\\.]+'
PATTERN = rf"\A{_MEMBER}(\.{_MEMBER}){{0,7}}\Z"
_path = re.compile(PATTERN)
Getter = Callable[[Any], Any]


def is_path(text: str) -> bool:
    """Whether the text can be a path: members without quotes, backslashes and control characters."""
    return len(text) <= LONGEST and _path.match(text) is not None


class Fields:
    """Reads some members of an object's body and skips the others without building them.

    Attributes:
        of_row: what the getters take, from an object's row.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        tops = sorted({path.partition(".")[0] for path in paths})
        names = {top: f"m{n}" for n, top in enumerate(tops)}
        members = [(name, Any, MISSING) for name in names.values()]
        renamed = {name: top for top, name in names.items()}
        body = msgspec.defstruct("Body", members, rename=renamed)
        row = msgspec.defstruct("Row", [("body", body)])
        self._names = names
        self.of_row: Callable[[bytes], Any] = msgspec.json.Decoder(row).decode

    def getter(self, path: str) -> Getter:
        """The function that gives the member's value, or MISSING."""
        top, *inner = path.split(".")
        first = attrgetter(f"body.{self._names[top]}")
        if not inner:
            return first

        def get(row: Any) -> Any:
            value = first(row)
            for name in inner:
                if type(value) is not dict:
                    return MISSING
                value = value.get(name, MISSING)
            return value

        return get
