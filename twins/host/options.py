"""What a host is told once, for all of its twins."""

from __future__ import annotations

from typing import NamedTuple

MOST_AWAKE = 200


class Options(NamedTuple):
    """`allow`: private networks that senses may reach. `ports`: TCP ports besides 80 and 443, None for all.
    `most_awake`: how many twins may be awake at once. `require_sandbox`: no twin runs in a sandbox with
    parts missing.
    """

    allow: tuple[str, ...] = ()
    ports: tuple[int, ...] | None = ()
    most_awake: int = MOST_AWAKE
    require_sandbox: bool = False
