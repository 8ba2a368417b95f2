"""Room: blocks that a segment has been given before anything is written to them.

A durable write into room costs about half of one that makes the file grow, because the file's size need not
become durable with it. Room reads as zeros; whatever reads a segment takes zeros at its end for room.
"""

from __future__ import annotations

import os

# A twin that writes a few records and sleeps again needs none.
WITHOUT, MOST = 16 * 1024, 4 * 1024 * 1024


class Room:
    """What an open segment has ahead of its end; `began` is where this process began to write."""

    def __init__(self, fd: int, began: int) -> None:
        self._fd = fd
        self._began = began
        self._end = os.fstat(fd).st_size

    def make(self, end: int) -> None:
        """Have room up to `end` at least, and as much again as was written so far, when it pays."""
        written = end - self._began
        if end <= self._end or written < WITHOUT:
            return
        try:
            os.posix_fallocate(self._fd, self._end, end - self._end + min(written, MOST))
        except OSError:
            # The write itself finds out whether the disk is full; some file systems give no room.
            self._end = end
        else:
            self._end = os.fstat(self._fd).st_size

    def leave(self, end: int) -> None:
        """Give back what was not written to."""
        if end < self._end:
            os.ftruncate(self._fd, end)


def used(data: memoryview, step: int = 1 << 16) -> int:
    """How much of a segment was written to; up to 32 zeros that follow are counted, they may end a hash."""
    end = len(data)
    while end:
        start = max(end - step, 0)
        written = len(bytes(data[start:end]).rstrip(b"\0"))
        if written:
            return min(start + written + 32, len(data))
        end = start
    return 0
