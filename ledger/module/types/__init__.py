"""Types of documents. One folder per type: copy the folder to add one, and name it here."""

from __future__ import annotations

from typing import Any

import msgspec

from ledger.module.types import message
from twins.runtime.problems import invalid

TYPES: dict[str, type[msgspec.Struct]] = {"message": message.Message}


def check(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """The body as its type has it.

    Raises:
        Problem: no such type, or the body does not fit; the detail says where and what was expected.
    """
    if name not in TYPES:
        raise invalid(f"`type`: {name[:40]!r} is none of {', '.join(sorted(TYPES))}.")
    try:
        fitting = msgspec.convert(body, TYPES[name])
    except msgspec.ValidationError as error:
        raise invalid(f"`body`: {error}.") from None
    found: dict[str, Any] = msgspec.to_builtins(fitting)
    return found
