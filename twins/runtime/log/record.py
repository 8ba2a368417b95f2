"""Record: what one frame of the commitlog holds, in a head and in parts.

The head is what survives an erasure. A part holds arguments, result and values of rows, or some of them. A
record that writes at most one object, and nothing else but the answer that is kept for a retry, has one part.
Otherwise the first part has arguments, result and kept answers, then one has the rows of other tables,
and each object has a part of its own, so that an object can be erased without anything else.

Both are MessagePack arrays; JSON values inside are canonical JSON bytes, as the state keeps them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from twins.runtime import codec
from twins.runtime.answers import TABLE as ANSWERS
from twins.runtime.keytree import Shredded
from twins.runtime.log.damage import LogDamaged
from twins.runtime.log.frame import Frame
from twins.runtime.log.seal import Seal
from twins.runtime.slices import TABLE_PREFIX as OBJECTS
from twins.runtime.state import Effect

Kind = Literal["call", "denied", "failed", "read", "recovered"]
PUT, DELETE = "put", "del"
ERASED = {"erased": True}


class Record(msgspec.Struct):
    """One call: who asked for what, when, and what it changed.

    Attributes:
        role: a role that the twin's own key vouched for, or "".
        effects: `(table, key, canonical JSON or None)`.
        erased: the numbers of the parts whose keys were destroyed.
    """

    seq: int
    at: str
    kind: Kind
    caller: str
    reducer: str
    args: Any
    act: str = ""
    role: str = ""
    idempotency_key: str = ""
    by_custody: bool = False
    seed: str = ""
    prepared: dict[str, str] | None = None
    result: Any = None
    problem: dict[str, Any] | None = None
    effects: Sequence[Effect] = ()
    erased: tuple[int, ...] = ()


class Head(msgspec.Struct, array_like=True, gc=False):
    """What of a record is sealed under the data key; effects are `[op, table, key, part]`."""

    seq: int
    at: str
    kind: Kind
    caller: str
    act: str
    role: str
    reducer: str
    idempotency_key: str
    by_custody: bool
    seed: str
    prepared: dict[str, str] | None
    problem: bytes
    effects: list[tuple[str, str, str, int]]


class Part(msgspec.Struct, array_like=True, gc=False):
    """What of a record is sealed under a key of its own; `values` in the order of the effects."""

    args: bytes = b""
    result: bytes = b""
    values: list[bytes] = []


_encode = msgspec.msgpack.Encoder().encode
_decode_head = msgspec.msgpack.Decoder(Head).decode
_decode_part = msgspec.msgpack.Decoder(Part).decode


def encode(record: Record) -> tuple[bytes, list[bytes]]:
    """The head and the parts of a record, to be sealed."""
    first = Part(codec.encode(record.args), b"" if record.result is None else codec.encode(record.result), [])
    effects, parts = _spread(record.effects, first)
    head = Head(
        record.seq,
        record.at,
        record.kind,
        record.caller,
        record.act,
        record.role,
        record.reducer,
        record.idempotency_key,
        record.by_custody,
        record.seed,
        record.prepared,
        b"" if record.problem is None else codec.encode(record.problem),
        effects,
    )
    return _encode(head), [_encode(part) for part in parts]


def _spread(effects: Sequence[Effect], first: Part) -> tuple[list[tuple[str, str, str, int]], list[Part]]:
    """The effects as a head has them, and the parts with their values."""
    if len(effects) == 1:
        table, key, only = effects[0]
        if only is not None:
            first.values.append(only)
        return [(DELETE if only is None else PUT, table, key, 0)], [first]
    puts = [table for table, _, value in effects if value is not None and table != ANSWERS]
    objects = sum(map(_is_object, puts))
    together = objects == 0 or len(puts) == 1
    parts, others, named = [first], 0, []
    for table, key, value in effects:
        n = 0
        if value is None:
            named.append((DELETE, table, key, 0))
            continue
        if not together and table != ANSWERS:
            if _is_object(table) or not others:
                parts.append(Part(values=[]))
                n = len(parts) - 1
                others = others if _is_object(table) else n
            else:
                n = others
        parts[n].values.append(value)
        named.append((PUT, table, key, n))
    return named, parts


def _is_object(table: str) -> bool:
    return table.startswith(OBJECTS)


class Opened:
    """A record whose head was read; the parts are opened when they are asked for."""

    __slots__ = ("_nonce", "_parts", "_seal", "_segment", "erased", "frame", "head")

    def __init__(self, seal: Seal, frame: Frame, segment: str) -> None:
        """Raises LogDamaged when the head is no head, or another record's."""
        plain, self._nonce, self._parts = seal.open_head(frame, segment)
        self._seal, self._segment, self.frame = seal, segment, frame
        self.erased: list[int] = []
        try:
            self.head = _decode_head(plain)
        except msgspec.DecodeError:
            raise self.damaged("its content is no record") from None
        if self.head.seq != frame.seq:
            raise self.damaged(f"its content names record {self.head.seq}")

    def damaged(self, reason: str) -> LogDamaged:
        """The damage that this record has."""
        return LogDamaged(self.frame.seq, self._segment, self.frame.offset, reason)

    def part(self, n: int) -> Part | None:
        """Part `n`, or None when it was erased.

        Raises:
            LogDamaged: it is not what was written.
        """
        try:
            return _decode_part(
                self._seal.open_part(self.frame, self._segment, n, self._nonce, self._parts[n])
            )
        except Shredded:
            self.erased.append(n)
            return None
        except (msgspec.DecodeError, IndexError):
            raise self.damaged(f"its part {n} cannot be read") from None

    def effects(self, parts: Sequence[Part | None]) -> list[Effect]:
        """The row changes; a value that was erased is a deletion.

        Raises:
            LogDamaged: head and parts do not fit each other.
        """
        named, said = self.head.effects, parts[0] if parts else None
        try:
            if len(named) == 1 and named[0][0] == PUT and len(parts) == 1 and said is not None:
                return [Effect(named[0][1], named[0][2], said.values[0])]
            left = [iter(part.values) if part is not None else None for part in parts]
            return [
                Effect(table, key, None if op == DELETE else _value(left[n]))
                for op, table, key, n in self.head.effects
            ]
        except (IndexError, StopIteration, RuntimeError):
            raise self.damaged("its effects and its values do not fit each other") from None

    def parts(self) -> list[Part | None]:
        """Every part, None where it was erased."""
        return [self.part(n) for n in range(len(self._parts))]

    def record(self) -> Record:
        """The whole record."""
        parts, head = self.parts(), self.head
        said = parts[0] if parts else Part()
        return Record(
            seq=head.seq,
            at=head.at,
            kind=head.kind,
            caller=head.caller,
            act=head.act,
            role=head.role,
            reducer=head.reducer,
            idempotency_key=head.idempotency_key,
            by_custody=head.by_custody,
            seed=head.seed,
            prepared=head.prepared,
            problem=codec.decode(head.problem) if head.problem else None,
            args=ERASED if said is None else codec.decode(said.args),
            result=ERASED if said is None else codec.decode(said.result) if said.result else None,
            effects=self.effects(parts),
            erased=tuple(self.erased),
        )

    def describe(self) -> dict[str, Any]:
        """The record as `GET /v1/log` and `audit` show it: effects without their values."""
        head, said = self.head, self.part(0)
        problem = codec.decode(head.problem) if head.problem else None
        return {
            "seq": head.seq,
            "time": head.at,
            "kind": head.kind,
            "caller": head.caller,
            "act": head.act or None,
            "reducer": head.reducer,
            "args": ERASED if said is None else codec.decode(said.args),
            "idempotency_key": head.idempotency_key or None,
            "by_custody": head.by_custody,
            "error": problem["detail"] if problem else None,
            "problem": problem,
            "effects": [list(effect[:3]) for effect in head.effects],
            "hash": self.frame.hash.hex(),
        }


def _value(left: Any) -> bytes | None:
    return None if left is None else next(left)
