"""Scan: every frame of a log that is on disk, in order, across its segments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from twins.runtime.log import segments
from twins.runtime.log.damage import LogDamaged
from twins.runtime.log.frame import HASH_BYTES, START, Frame, walk
from twins.runtime.log.segments import HEADER_BYTES, Header


class Position(NamedTuple):
    """A place in a log, after record `seq`, from which it can be read without anything before it.

    Attributes:
        head: the chain hash of record `seq`.
        edge: the right edge of the tree over the records up to there.
        segment: the first seq of the segment.
        offset: where the next frame lies in it.
        at: when record `seq` was made.
    """

    seq: int
    head: bytes
    edge: tuple[bytes, ...]
    segment: int
    offset: int
    at: str


class PositionUnfit(Exception):
    """A position is not one of this log."""


class End(NamedTuple):
    """Where the next frame of a log goes."""

    seq: int
    head: bytes
    path: Path
    header: Header
    offset: int


class Scan:
    """One pass over a log; `end` is where it stands, also after damage, and `torn` counts the bytes of an
    unfinished last write.

    Args:
        start: where to begin; at the first record by default.
        until: the first seq of the last segment to look at, and how many bytes of it; everything by default.

    Raises:
        LogMissing, LogDamaged: as the names say.
        PositionUnfit: `start` is no place in this log.
    """

    def __init__(
        self, directory: Path, start: Position | None = None, until: tuple[int, int] | None = None
    ) -> None:
        paths = segments.list_segments(directory)
        self._until = until
        if until is not None:
            paths = [path for path in paths if segments.first_of(path) <= until[0]]
        self._seq, self._head, self._offset = 0, START, HEADER_BYTES
        if start is not None:
            paths = [path for path in paths if segments.first_of(path) >= start.segment]
            self._seq, self._head, self._offset = start.seq, start.head, start.offset
            _check(paths[:1], start)
        self._paths = paths
        self._header: Header | None = None
        self._path = paths[0]
        self.torn = 0

    @property
    def end(self) -> End:
        """Where the scan stands.

        Raises:
            LogDamaged: nothing could be read, not even a header.
        """
        if self._header is None:
            raise LogDamaged(1, self._path.name, 0, "the first segment cannot be read")
        return End(self._seq, self._head, self._path, self._header, self._offset)

    def __iter__(self) -> Iterator[tuple[Frame, str]]:
        """The frames, each with its segment's name."""
        for path in self._paths:
            last = path == self._paths[-1]
            limit = self._until[1] if self._until is not None and last else None
            with segments.mapped(path, limit) as data:
                self._enter(path, data)
                for frame in walk(data, self._offset, self._seq + 1, self._head, path.name):
                    yield frame, path.name
                    self._seq, self._head, self._offset = frame.seq, frame.hash, frame.end
                self.torn = len(bytes(data[self._offset :]).rstrip(b"\0"))
            if self.torn and not last:
                raise LogDamaged(
                    self._seq + 1, path.name, self._offset, "it is torn, yet another segment follows"
                )

    def _enter(self, path: Path, data: memoryview) -> None:
        header = segments.read_header(path, data)
        if self._header is not None:
            segments.follow(path, header, self._header, self._seq + 1, self._head)
            self._offset = HEADER_BYTES
        elif self._seq == 0 and (header.first != 1 or header.previous != START):
            raise LogDamaged(1, path.name, 0, f"the log begins with record {header.first}")
        self._header, self._path = header, path


def _check(paths: list[Path], start: Position) -> None:
    """Return when the record before the position ends there with its hash."""
    if not paths or segments.first_of(paths[0]) != start.segment:
        raise PositionUnfit(f"there is no segment that begins with record {start.segment}")
    with segments.mapped(paths[0]) as data:
        header = segments.read_header(paths[0], data)
        before = bytes(data[start.offset - HASH_BYTES : start.offset])
        at_start = start.offset == HEADER_BYTES and header.previous == start.head
        if not at_start and (start.offset <= HEADER_BYTES or before != start.head):
            raise PositionUnfit(f"record {start.seq} does not end at byte {start.offset}")
