"""Answers: what a call with an idempotency key was answered, so that a retry gets the same."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from twins.runtime import clock, codec
from twins.runtime.problems import Problem, invalid
from twins.runtime.state import State, Transaction

TABLE = "answer"
LONGEST_KEY = 200
KEPT = timedelta(hours=24)
PRUNED_AT_ONCE = 10


def fingerprint(reducer: str, args: object) -> str:
    """SHA-256 over the call; equal calls have equal fingerprints."""
    return hashlib.sha256(codec.encode([reducer, args])).hexdigest()


def hashed(reducer: str, args: object) -> dict[str, Any]:
    """What stands in a record for arguments that it does not keep."""
    return {"sha256": fingerprint(reducer, args), "bytes": len(codec.encode(args))}


def find(state: State, caller: str, key: str, reducer: str, args: object) -> dict[str, Any] | None:
    """The answer that the caller's first call with this key got: `{"seq", "result", …}`.

    Raises:
        Problem: 422, the key is too long or was used for another call.
    """
    if len(key) > LONGEST_KEY:
        raise invalid(f"The idempotency key has {len(key)} characters; at most {LONGEST_KEY} fit.")
    found: dict[str, Any] | None = state.get(TABLE, f"{caller} {key}") if key else None
    if found is not None and found["call"] != fingerprint(reducer, args):
        raise Problem(422, "idempotency-key-reused", "The first call with this key had other arguments.")
    return found


def remember(tx: Transaction, now: str, caller: str, key: str, call: str, answer: dict[str, Any]) -> None:
    """Keep an answer, and forget a few that are older than a day."""
    horizon = clock.write(clock.parse(now) - KEPT)
    for old in tx.oldest(TABLE, PRUNED_AT_ONCE):
        if tx.get(TABLE, old)["at"] < horizon:
            tx.delete(TABLE, old)
    tx.put(TABLE, f"{caller} {key}", {"call": call, "at": now, **answer})
