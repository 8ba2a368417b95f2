"""Reader: finds records again in a log that is on disk."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from twins.runtime.log import frame as frames
from twins.runtime.log import segments
from twins.runtime.log.damage import LogDamaged
from twins.runtime.log.frame import HASH_BYTES, Frame
from twins.runtime.log.record import Head, Opened
from twins.runtime.log.scan import Scan
from twins.runtime.log.seal import Seal
from twins.runtime.log.segments import HEADER_BYTES


class Query(NamedTuple):
    """What to look for: `since` inclusive and `until` exclusive, both RFC 3339 texts of the log's form."""

    start: int = 1
    limit: int | None = None
    caller: str = ""
    since: str = ""
    until: str = ""
    newest_first: bool = False

    def wants(self, head: Head) -> bool:
        return (
            self.caller in ("", head.caller)
            and head.at >= self.since
            and (not self.until or head.at < self.until)
        )


class Index:
    """Where the records of the segments lie that were looked into last."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._offsets: dict[int, array[int]] = {}

    def walk(self, end: tuple[int, int], start: int, last: int, *, backwards: bool) -> Iterator[Frame]:
        """The frames from record `start` on, up to `last` or back to the first; `end` is the first seq of the
        newest segment and how much of that is on disk.
        """
        firsts = [segments.first_of(path) for path in segments.list_segments(self._directory)]
        firsts = [first for first in firsts if first <= end[0]]
        bounds = list(zip(firsts, [*(first - 1 for first in firsts[1:]), last], strict=True))
        for first, final in reversed(bounds) if backwards else bounds:
            if (first if backwards else start) <= (start if backwards else final):
                seqs = (
                    range(min(start, final), first - 1, -1)
                    if backwards
                    else range(max(start, first), final + 1)
                )
                yield from self._segment(first, end[1] if first == end[0] else None, seqs)

    def _segment(self, first: int, size: int | None, seqs: range) -> Iterator[Frame]:
        path = segments.path_of(self._directory, first)
        with segments.mapped(path, size) as data:
            offsets = self._known(first, data)
            for seq in seqs:
                if seq - first >= len(offsets):
                    raise LogDamaged(seq, path.name, len(data), "it is missing")
                offset = offsets[seq - first]
                frame = frames.parse(data, offset)
                if frame is None or frame.seq != seq:
                    raise LogDamaged(seq, path.name, offset, "its bytes changed while the twin ran")
                yield frame

    def _known(self, first: int, data: memoryview) -> array[int]:
        offsets = self._offsets.pop(first, None) or array("Q", [HEADER_BYTES])
        at, unpack = offsets.pop(), frames.FIELDS.unpack_from
        rest = frames.HEADER_BYTES + HASH_BYTES
        while at + rest <= len(data):
            offsets.append(at)
            at += rest + unpack(data, at)[0]
        # Two are enough to page through a log; the last entry is where the next record will lie.
        self._offsets = dict([*self._offsets.items()][-1:])
        self._offsets[first] = array("Q", [*offsets, at])
        return offsets


def search(seal: Seal, query: Query, found: Iterable[Frame]) -> dict[str, Any]:
    """Those of the frames that the query wants, and the seq to continue from, or null."""
    records: list[dict[str, Any]] = []
    for frame in found:
        if query.limit is not None and len(records) >= query.limit:
            return {"records": records, "next": frame.seq}
        opened = Opened(seal, frame, "the log")
        if query.wants(opened.head):
            records.append(opened.describe())
    return {"records": records, "next": None}


def read(directory: Path, seal: Seal) -> Iterator[Opened]:
    """Every record of a log.

    Raises:
        LogMissing, LogDamaged: as the names say.
    """
    for frame, segment in Scan(directory):
        yield Opened(seal, frame, segment)
