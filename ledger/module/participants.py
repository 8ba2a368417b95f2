"""Participants: the twins that submit documents and read their own."""

from __future__ import annotations

from typing import Any

from twins.runtime.authz import tuples
from twins.runtime.callers import KEYS
from twins.runtime.module import Context, reducer
from twins.runtime.modules.twin import custody
from twins.runtime.modules.twin.people import know
from twins.runtime.modules.twin.types import Name, PublicKey, TwinId
from twins.runtime.problems import conflict

PARTICIPANT = "participant"
TABLE = "participant"


def genesis(ctx: Context, given: dict[str, Any]) -> None:
    """Begin under a custody, as any twin does, with the one slice that holds the documents."""
    documents = {"name": "documents", "title": "Documents", "kind": "documents", "listed": False}
    custody.genesis(ctx, {**given, "slices": [documents]})


@reducer(relation="can_register")
def register(ctx: Context, twin: TwinId, name: Name, key: PublicKey) -> None:
    """Let a twin take part, under its key. The ledger's keepers cannot put another key in its place.

    Raises:
        Problem: the twin takes part under another key.
    """
    held = ctx.tx.get(KEYS, twin)
    if held is not None and held["x"] != key:
        raise conflict(f"{twin} takes part under another key, which only that key could replace.")
    know(ctx, twin, name, key)
    instance = f"instance:{ctx.twin}"
    row = tuples.row(instance, PARTICIPANT, twin)
    ctx.tx.put(tuples.TABLE, tuples.key_of(instance, PARTICIPANT, twin), row)
    ctx.tx.put(TABLE, twin, {"name": name, "since": ctx.now})
