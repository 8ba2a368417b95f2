"""Verify: reads a log again and says whether it is what was written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from twins.runtime.log import tree
from twins.runtime.log.checkpoints import kept
from twins.runtime.log.damage import LogDamaged
from twins.runtime.log.notes import Checkpoint, NoteRefused, open_checkpoint, origin_of
from twins.runtime.log.record import Opened, Part
from twins.runtime.log.recovery import Lost
from twins.runtime.log.scan import Scan
from twins.runtime.log.seal import Seal
from twins.runtime.state import Effect

Visit = Callable[[Opened, list[Part | None], list[Effect]], None]
Known = Callable[[], tuple[str, Iterable[str]]]


class Verification:
    """One pass over a log.

    Args:
        known: called after the pass: the twin's ULID, and every public key it ever had.
        witnessed: checkpoints of this twin that somebody kept.
        until: as `Scan` has it; what is newer is left out.
    """

    def __init__(
        self,
        directory: Path,
        seal: Seal,
        visit: Visit,
        known: Known,
        witnessed: Iterable[str] = (),
        until: tuple[int, int] | None = None,
    ) -> None:
        self._directory, self._seal, self._visit, self._known = directory, seal, visit, known
        self._notes = [
            ("the last checkpoint", kept(directory)),
            *(("the witness's checkpoint", n) for n in witnessed),
        ]
        self._until = until
        self._edge: list[bytes] = []
        self._roots: dict[int, bytes] = {}
        self._claimed = {_size(note) for _, note in self._notes}
        self.records = self.erased = self.segments = self.torn = 0
        self.head = b""
        self.checkpoint: dict[str, Any] | None = None
        self.problem: LogDamaged | str | None = None

    def run(self) -> None:
        """Read everything; `problem` says what is wrong."""
        scan = Scan(self._directory, until=self._until)
        try:
            self._read(scan)
            self.torn = scan.torn if self._until is None else 0
        except LogDamaged as damage:
            self.problem = damage
            return
        for name, note in self._notes:
            if note and self.problem is None:
                self._check(name, note, scan)

    def _read(self, scan: Scan) -> None:
        seal, visit, edge, claimed, lost = self._seal, self._visit, self._edge, self._claimed, Lost()
        grow, segment_before = tree.grow, ""
        for frame, segment in scan:
            opened = Opened(seal, frame, segment)
            parts = opened.parts()
            effects = opened.effects(parts)
            if opened.erased:
                self.erased += len(opened.erased)
            lost.follow(opened, effects)
            visit(opened, parts, effects)
            seq = frame.seq
            grow(seq - 1, edge, (frame.hash,))
            if seq in claimed:
                self._roots[seq] = tree.root_of(edge)
            if segment is not segment_before:
                self.segments, segment_before = self.segments + 1, segment
            self.records, self.head = seq, frame.hash
        if not self.records:
            raise LogDamaged(1, scan.end.path.name, scan.end.offset, "the first record is missing")
        lost.refuse()

    def _check(self, name: str, note: str, scan: Scan) -> None:
        twin, keys = self._known()
        try:
            found = open_checkpoint(note, origin_of(twin), keys)
        except NoteRefused as refused:
            self.problem = f"{name}: {refused}"
            return
        if found.size > self.records and self._until is None:
            end = scan.end
            reason = f"it is missing, yet {name} covers {found.size} records"
            self.problem = LogDamaged(self.records + 1, end.path.name, end.offset, reason)
        elif found.size <= self.records and self._roots[found.size] != found.root:
            self.problem = f"the first {found.size} records are not those that {name} was signed over"
        elif self.checkpoint is None:
            self.checkpoint = _described(found)

    def summary(self) -> dict[str, Any]:
        """`{"ok", "records", "segments", "head", "checkpoint", "erased_parts", "torn_bytes", "problem"}`."""
        return {
            "ok": self.problem is None,
            "records": self.records,
            "segments": self.segments,
            "head": {"seq": self.records, "hash": self.head.hex()} if self.records else None,
            "checkpoint": self.checkpoint,
            "erased_parts": self.erased,
            "torn_bytes": self.torn,
            "problem": None if self.problem is None else str(self.problem),
        }


def _size(note: str) -> int:
    """The size that an unverified checkpoint names, or 0."""
    lines = note.split("\n", 2)
    return int(lines[1]) if len(lines) > 1 and lines[1].isascii() and lines[1].isdigit() else 0


def _described(checkpoint: Checkpoint) -> dict[str, Any]:
    return {"size": checkpoint.size, "root": checkpoint.root.hex()}
