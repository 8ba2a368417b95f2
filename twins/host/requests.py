"""What may be asked of a host on its control socket: one JSON object with `do`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from twins.host.paths import check_slug
from twins.host.placement import Placement
from twins.runtime.ids import is_ulid

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class _Request(msgspec.Struct, forbid_unknown_fields=True, tag_field="do", tag=str.lower):
    pass


class Ping(_Request):
    """Is the host there?"""


class List(_Request):
    """Every twin of this machine."""


class Wake(_Request):
    """Start a twin's process now."""

    slug: str


class Sleep(_Request):
    """End a twin's process and answer when it has ended; the next caller wakes it."""

    slug: str


class Upgrade(_Request):
    """Run the program anew from its files, with every socket and every twin kept."""


class Create(_Request):
    """Make a twin. `genesis` is what `twins.runtime.init.create` takes; it holds public keys only."""

    slug: str
    name: Name
    twin_id: str
    genesis: dict[str, Any]
    placement: Placement = Placement()


Request = Ping | List | Wake | Sleep | Upgrade | Create


def parse(line: bytes) -> Request:
    """Read one request; ValueError with a plain sentence when it is not one."""
    try:
        request: Request = msgspec.json.decode(line, type=Request)
    except msgspec.DecodeError as error:
        raise ValueError(f"the request is not understood: {error}") from error
    if isinstance(request, Wake | Sleep | Create):
        check_slug(request.slug)
    if isinstance(request, Create) and not is_ulid(request.twin_id):
        raise ValueError(f"{request.twin_id[:60]!r} is not a twin_id: expected a ULID")
    return request
