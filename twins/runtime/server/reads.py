"""Reads of slices: who may, what of it goes into the log, and what an answer says of itself."""

from __future__ import annotations

from typing import Any

from twins.runtime import codec
from twins.runtime.callers import Caller
from twins.runtime.granted import READ
from twins.runtime.problems import Problem
from twins.runtime.server.wire import Answer
from twins.runtime.sight import Sight
from twins.runtime.twin import Twin
from twins.runtime.usage import counted

EPOCH, AS_OF = "Mycelium-Grant-Epoch", "Mycelium-As-Of"


def require(
    twin: Twin, caller: Caller, read: str, args: dict[str, Any], verb: str = READ, *, past: bool = False
) -> Sight:
    """The caller's sight of `args["slice"]`; who may not read is refused and recorded. A grant shows no past.

    Raises:
        Problem: the refusal.
    """
    try:
        twin.rights.require_read(caller, args["slice"], verb)
        if past:
            twin.rights.require(caller, "can_read", f"slice:{args['slice']}")
    except Problem as problem:
        twin.refused(caller, read, args, problem)
        raise
    return twin.sights.of(caller, args["slice"])


async def settle(
    twin: Twin, caller: Caller, read: str, args: dict[str, Any], sight: Sight, rows: int, shown: Any
) -> Answer:
    """The answer, once what it shows is on disk; another twin's read is recorded with what it got."""
    seq, body = twin.log.seq, codec.encode(shown)
    headers = {}
    if caller.is_twin:
        headers = {EPOCH: str(twin.granted.epoch(caller.id)), AS_OF: str(seq)}
        note(twin, caller, read, args, sight.grant_id, rows, len(body))
    await twin.log.wait(seq)
    return Answer(200, body, headers=headers)


def note(
    twin: Twin, caller: Caller, read: str, args: dict[str, Any], grant_id: str | None, rows: int, size: int
) -> None:
    """Record a twin's read, and count it for its grant."""
    if grant_id is None:
        twin.noted(caller, read, args)
        return
    now = twin.log.now()
    said = {**args, "grant_id": grant_id, "rows": rows, "bytes": size}
    twin.noted(caller, read, said, [counted(twin.state, grant_id, now, rows, size)])
