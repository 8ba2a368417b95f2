"""Identity: what a twin is, the one row `meta/twin`."""

from __future__ import annotations

from typing import Any

import msgspec

from twins.runtime.state import State

TABLE = "meta"
KEY = "twin"


class Identity(msgspec.Struct, frozen=True):
    """A twin's ULID, slug, name, module, the time of its genesis and its present signing key."""

    id: str
    slug: str
    name: str
    module: str
    since: str
    kid: str
    x: str


def identity_of(state: State) -> Identity:
    """The twin's identity as its log has it now."""
    row: dict[str, Any] = state.get(TABLE, KEY)
    return msgspec.convert(row, Identity)
