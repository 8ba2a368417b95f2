"""Record: what one frame of the commitlog holds."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from twins.runtime import codec
from twins.runtime.log.frame import Frame, LogDamaged

Kind = Literal["call", "denied", "failed", "read", "recovered"]


class Record(msgspec.Struct, omit_defaults=True):
    """One call: who asked for what, when, and what it changed."""

    seq: int
    at: str
    kind: Kind
    caller: str
    reducer: str
    args: Any
    act: str = ""
    idempotency_key: str = ""
    by_custody: bool = False
    seed: str = ""
    prepared: dict[str, str] | None = None
    result: Any = None
    problem: dict[str, Any] | None = None
    effects: list[list[Any]] = []


_decoder = msgspec.json.Decoder(Record)


def encode(record: Record) -> bytes:
    """The canonical JSON of a record."""
    return codec.encode(record)


def decode(frame: Frame, plain: bytes) -> Record:
    """The record of a frame that was opened.

    Raises:
        LogDamaged: the content is no record, or names another seq.
    """
    try:
        record = _decoder.decode(plain)
    except msgspec.DecodeError:
        raise LogDamaged(frame.seq, frame.offset, "its content is no record") from None
    if record.seq != frame.seq:
        raise LogDamaged(frame.seq, frame.offset, f"its content names record {record.seq}")
    return record


def describe(record: Record, frame: Frame) -> dict[str, Any]:
    """The record as `GET /v1/log` and `audit` show it: effects without their values."""
    return {
        "seq": record.seq,
        "time": record.at,
        "kind": record.kind,
        "caller": record.caller,
        "act": record.act or None,
        "reducer": record.reducer,
        "args": record.args,
        "idempotency_key": record.idempotency_key or None,
        "by_custody": record.by_custody,
        "error": record.problem["detail"] if record.problem else None,
        "problem": record.problem,
        "effects": [effect[:3] for effect in record.effects],
        "hash": frame.hash.hex(),
    }
