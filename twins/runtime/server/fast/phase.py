"""Phase: where a connection is; each phase has its own limit of time."""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """What a connection waits for; `WORK` and `IDLE` lie between two messages."""

    HEAD = "head"
    BODY = "body"
    WORK = "work"
    IDLE = "idle"
    OVER = "over"


HEAD, BODY, WORK, IDLE, OVER = Phase
