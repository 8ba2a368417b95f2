"""Epoch: which copy of a twin may write.

The file `epoch` in the twin's directory holds a whole number. Whoever moves the twin raises it with
`fence`; a process that opened the twin at a lower epoch writes nothing from then on.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from twins.runtime import files

FIRST = 1
_SECONDS_BETWEEN_CHECKS = 0.05


class TwinMoved(Exception):
    """The twin is kept elsewhere: this copy of it is older than its epoch allows."""


def path_of(directory: Path) -> Path:
    """The file that holds the epoch."""
    return directory / "epoch"


def stored(directory: Path) -> int:
    """The epoch of the directory.

    Raises:
        TwinMoved: the file is missing or holds no epoch, so that nobody can tell who may write.
    """
    path = path_of(directory)
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        raise TwinMoved(f"{path} does not hold the twin's epoch") from None


def write(directory: Path, epoch: int) -> None:
    """Set the epoch, durably."""
    files.write_private(path_of(directory), f"{epoch}\n".encode())


def fence(directory: Path) -> int:
    """Raise the epoch, so that every process that has the twin open now writes no more; the new epoch.

    Raises:
        TwinMoved: there is no epoch.
    """
    epoch = stored(directory) + 1
    write(directory, epoch)
    return epoch


class Fence:
    """Whether the epoch at which the twin was opened still holds, cheaply.

    Raises:
        TwinMoved: the file holds no epoch.
        OSError: it cannot be read.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # Opened before it is read, so that no change in between is missed.
        try:
            self._fd = os.open(path_of(directory), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise TwinMoved(f"{path_of(directory)} is missing") from None
        self._checked = time.monotonic()
        self.epoch = stored(directory)

    def holds(self) -> bool:
        """Whether this process may write; looks at the file at most every 50 ms."""
        now = time.monotonic()
        if now - self._checked < _SECONDS_BETWEEN_CHECKS:
            return True
        self._checked = now
        # The file is only ever replaced as a whole, and then nothing links to the one that is open.
        if os.fstat(self._fd).st_nlink:
            return True
        try:
            return stored(self._directory) <= self.epoch
        except TwinMoved:
            return False

    def close(self) -> None:
        os.close(self._fd)
