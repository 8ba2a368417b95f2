"""Key use: every command that opens a twin's keys leaves a line, and the twin records it.

`keys/uses` holds a line of JSON for each use that is not in the log yet. Whoever copies the files and opens
them elsewhere leaves no line, and whoever may write the folder could remove one: the vault's own audit, where
it has one, sees more.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from twins.runtime import clock, files
from twins.runtime.callers import VAULT
from twins.runtime.ids import new_ulid
from twins.runtime.problems import Problem
from twins.runtime.twin import Twin

REDUCER = "used_key"
SECONDS = 1.0
logger = logging.getLogger(__name__)


class Use(msgspec.Struct):
    """One use: the operating system's user, the command, and when; `id` is so that it is recorded once."""

    id: str
    who: str
    command: str
    at: str


def note(directory: Path, command: str) -> None:
    """Leave a line, durably, before the keys are opened.

    Raises:
        OSError: it cannot be written; the keys must not be opened then.
    """
    use = Use(new_ulid(), _user(), command, clock.now())
    with _held(_path(directory), os.O_WRONLY | os.O_APPEND | os.O_CREAT) as fd:
        files.write_all(fd, msgspec.json.encode(use) + b"\n")
        os.fsync(fd)


def _user() -> str:
    uid = os.getuid()
    try:
        return f"{pwd.getpwuid(uid).pw_name} ({uid})"
    except KeyError:
        return str(uid)


def _path(directory: Path) -> Path:
    return directory / "keys" / "uses"


@contextmanager
def _held(path: Path, flags: int) -> Iterator[int]:
    """The file, open and locked, and owned by whoever owns the folder: the twin may run as another user."""
    while True:
        fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            # Taken away between open and lock: what is written now would be lost.
            if os.fstat(fd).st_nlink == 0:
                continue
            if os.geteuid() == 0:
                owner = path.parent.stat()
                os.fchown(fd, owner.st_uid, owner.st_gid)
            yield fd
            return
        finally:
            os.close(fd)


class KeyUses:
    """One task that records, within a second, what commands left in the folder of a twin that runs."""

    def __init__(self, twin: Twin, directory: Path) -> None:
        self._twin = twin
        self._path = _path(directory)
        self._task = asyncio.create_task(self._watch())

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            try:
                if self._path.exists():
                    await self._record()
            except (OSError, Problem) as error:
                logger.warning("the uses in %s cannot be recorded: %s", self._path, error)
            await asyncio.sleep(SECONDS)

    async def _record(self) -> None:
        """Record every line, then remove them: a crash in between records none twice, by the line's id."""
        with _held(self._path, os.O_RDWR) as fd:
            lines = os.pread(fd, os.fstat(fd).st_size, 0).splitlines()
            for use in filter(None, map(_decode, lines)):
                args = {"who": use.who, "command": use.command, "at": use.at}
                await self._twin.call(VAULT, REDUCER, args, use.id)
            self._path.unlink()


def _decode(line: bytes) -> Use | None:
    """A line's use, or None for half a line that a crash left."""
    try:
        return msgspec.json.decode(line, type=Use)
    except msgspec.DecodeError:
        return None
