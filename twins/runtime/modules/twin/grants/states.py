"""States: the life of a grant as one table. What is not in it cannot happen; what has ended stays ended."""

from __future__ import annotations

from typing import NamedTuple

from twins.runtime.granted import (
    ACTIVE,
    DENIED,
    EXPIRED,
    LAPSED,
    OFFERED,
    REQUESTED,
    REVOKED,
    SCHEDULED,
    SUPERSEDED,
    SURRENDERED,
    SUSPENDED,
    WITHDRAWN,
)
from twins.runtime.problems import conflict

OWNER, READER, CLOCK = "owner", "reader", "clock"
NEW = ""
OPENED = (SCHEDULED, ACTIVE)


class Move(NamedTuple):
    """One way on; `actor` owner is also the curator of a twin that nobody has claimed."""

    source: str
    action: str
    actor: str
    targets: tuple[str, ...]


MOVES = (
    Move(NEW, "request", READER, (REQUESTED,)),
    Move(NEW, "offer", OWNER, (OFFERED,)),
    Move(NEW, "grant", OWNER, OPENED),
    Move(NEW, "renew", OWNER, OPENED),
    Move(NEW, "break_glass", OWNER, (ACTIVE,)),
    Move(REQUESTED, "approve", OWNER, (REQUESTED, *OPENED)),
    Move(REQUESTED, "counter", OWNER, (OFFERED,)),
    Move(REQUESTED, "deny", OWNER, (DENIED,)),
    Move(REQUESTED, "withdraw", READER, (WITHDRAWN,)),
    Move(REQUESTED, "lapse", CLOCK, (LAPSED,)),
    Move(OFFERED, "approve", OWNER, (OFFERED,)),
    Move(OFFERED, "counter", READER, (REQUESTED,)),
    Move(OFFERED, "accept", READER, OPENED),
    Move(OFFERED, "decline", READER, (DENIED,)),
    Move(OFFERED, "withdraw", OWNER, (WITHDRAWN,)),
    Move(OFFERED, "lapse", CLOCK, (LAPSED,)),
    Move(SCHEDULED, "begin", CLOCK, (ACTIVE,)),
    Move(SCHEDULED, "revoke", OWNER, (REVOKED,)),
    Move(SCHEDULED, "surrender", READER, (SURRENDERED,)),
    Move(SCHEDULED, "supersede", OWNER, (SUPERSEDED,)),
    Move(SCHEDULED, "supersede", READER, (SUPERSEDED,)),
    Move(SCHEDULED, "expire", CLOCK, (EXPIRED,)),
    Move(ACTIVE, "suspend", OWNER, (SUSPENDED,)),
    Move(ACTIVE, "revoke", OWNER, (REVOKED,)),
    Move(ACTIVE, "surrender", READER, (SURRENDERED,)),
    Move(ACTIVE, "renew", OWNER, (SUPERSEDED,)),
    Move(ACTIVE, "supersede", OWNER, (SUPERSEDED,)),
    Move(ACTIVE, "supersede", READER, (SUPERSEDED,)),
    Move(ACTIVE, "expire", CLOCK, (EXPIRED,)),
    Move(SUSPENDED, "resume", OWNER, (ACTIVE,)),
    Move(SUSPENDED, "revoke", OWNER, (REVOKED,)),
    Move(SUSPENDED, "surrender", READER, (SURRENDERED,)),
    Move(SUSPENDED, "supersede", OWNER, (SUPERSEDED,)),
    Move(SUSPENDED, "expire", CLOCK, (EXPIRED,)),
)
_TARGETS = {(move.source, move.action, move.actor): move.targets for move in MOVES}


def after(source: str, action: str, actor: str, wanted: str = "") -> str:
    """The state that follows; `wanted` chooses where the table leaves a choice.

    Raises:
        Problem: 409, the table has no such move.
    """
    targets = _TARGETS.get((source, action, actor), ())
    target = wanted or (targets[0] if targets else "")
    if target not in targets:
        named = source or "new"
        raise conflict(f"A grant that is {named} cannot be moved on by `{action}` of the {actor}.")
    return target
