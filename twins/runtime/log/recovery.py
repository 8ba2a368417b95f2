"""Recovery: reads a log when a twin opens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from twins.runtime.log.damage import LogDamaged
from twins.runtime.log.record import PUT, Opened
from twins.runtime.log.scan import End, Position, Scan
from twins.runtime.log.seal import Seal
from twins.runtime.state import Effect

Replay = Callable[[int, Sequence[Effect]], None]


class Recovered(NamedTuple):
    """What was read.

    Attributes:
        at: when the last record was made.
        torn: bytes of an unfinished last write.
        hashes: the chain hashes of the records that were read, one after the other.
        damage: why the rest cannot be read, or None.
    """

    end: End
    at: str
    torn: int
    hashes: bytes
    damage: LogDamaged | None


def recover(directory: Path, seal: Seal, replay: Replay, start: Position | None = None) -> Recovered:
    """Hand the effects of every record behind `start` to `replay`, as far as the log is sound.

    Raises:
        LogMissing: no log is there.
        LogDamaged: nothing can be read, not even the first record.
        PositionUnfit: `start` is no place in this log; nothing was replayed.
    """
    scan = Scan(directory, start)
    at, hashes, lost = start.at if start else "", bytearray(), Lost()
    damage: LogDamaged | None = None
    last: Opened | None = None
    try:
        for frame, segment in scan:
            opened = Opened(seal, frame, segment)
            parts = opened.parts()
            effects = opened.effects(parts)
            lost.follow(opened, effects)
            replay(frame.seq, effects)
            hashes += frame.hash
            last = opened
        lost.refuse()
    except LogDamaged as found:
        damage = found
    end = scan.end
    if last is None and start is None:
        raise damage or LogDamaged(1, end.path.name, end.offset, "the first record is missing")
    return Recovered(end, last.head.at if last else at, scan.torn, bytes(hashes), damage)


class Lost:
    """Rows whose values were erased from the log; a later record must have deleted or replaced each."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Opened] = {}

    def follow(self, opened: Opened, effects: Sequence[Effect]) -> None:
        """Take in one more record."""
        if not self._rows and not opened.erased:
            return
        for (op, *_), (table, key, value) in zip(opened.head.effects, effects, strict=True):
            if op == PUT and value is None:
                self._rows[table, key] = opened
            else:
                self._rows.pop((table, key), None)

    def refuse(self) -> None:
        """Return when nothing is missing.

        Raises:
            LogDamaged: a row that was never deleted has no value.
        """
        for (table, key), opened in self._rows.items():
            raise opened.damaged(f"the value of {key[:80]!r} in {table} was erased, yet never deleted")
