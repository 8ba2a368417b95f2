"""Identity: what a twin is, the one row `meta/twin`."""

from __future__ import annotations

from functools import lru_cache

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
    return _read(state.raw(TABLE, KEY) or b"{}")


@lru_cache(maxsize=64)
def _read(row: bytes) -> Identity:
    return msgspec.json.decode(row, type=Identity)
