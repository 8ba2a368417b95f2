"""A seat: one twin's place on this machine, with its folder, its socket and, while awake, its process."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypedDict

from twins.host.placement import Placement
from twins.runtime import clock
from twins.runtime.senses import due

_BACKLOG = 1024
_FIRST_DELAY = 0.1
_LONGEST_DELAY = 10.0
_HEALTHY_SECONDS = 10.0
_PATIENCE = 5
_STAY_SECONDS = 0.5


class SeatStatus(TypedDict):
    """One line of the host's list.

    `since` is when `state` began, `failures` how often in a row the process ended by itself with an error,
    `last_exit` its last exit code (below 0: the signal that ended it). `rss_kib` is null while asleep, and
    where /proc does not exist.
    """

    slug: str
    twin_id: str | None
    pid: int | None
    state: str
    since: str
    failures: int
    last_exit: int | None
    rss_kib: int | None
    log_bytes: int
    placement: dict[str, object]


class Legacy(NamedTuple):
    """A seat, handed from one program of the host to the next; `began` is monotonic time."""

    descriptor: int
    pid: int | None
    began: float
    since: float
    failures: int
    last_exit: int | None


class Seat:
    """Keeps what must outlive the twin's process: the socket, the failures and who waits for its turn."""

    def __init__(
        self,
        slug: str,
        directory: Path,
        placement: Placement,
        path: Path,
        listener: socket.socket | None = None,
    ) -> None:
        self.slug = slug
        self.directory = directory
        self.placement = placement
        self.path = path
        self.listener = listener or listen(path)
        self.pid: int | None = None
        self.told_to_sleep = False
        self.waiting: list[Callable[[], None]] = []
        self._failures = 0
        self._was_killed = False
        self._stays_until = 0.0
        self.alarm: float | None = None
        self._last_exit: int | None = None
        self._since = time.time()
        self.began = 0.0

    @property
    def state(self) -> str:
        """`awake`, `asleep`, or `failed` when the last process ended with an error."""
        if self.pid is not None:
            return "awake"
        return "failed" if self._failures else "asleep"

    @property
    def hopeless(self) -> bool:
        """Did it end by itself so often that callers are better sent away than kept waiting?"""
        return self._failures >= _PATIENCE and not self._was_killed

    def started(self, pid: int) -> None:
        """A process serves the twin now."""
        self.pid = pid
        self.told_to_sleep = False
        self._since = time.time()
        self.began = time.monotonic()
        self._stays_until = self.began + _STAY_SECONDS

    def resume(self) -> None:
        """Tell who waited that the process has started or ended."""
        waiting, self.waiting = self.waiting, []
        for resume in waiting:
            resume()

    def can_make_room(self) -> bool:
        """May another twin have its place? Not before those who woke it had the time to be answered."""
        if self.pid is None or self.told_to_sleep or self.placement.stays_awake:
            return False
        poll = select.poll()
        poll.register(self.listener, select.POLLIN)
        now = time.monotonic()
        # Callers still wait on the socket: ended now, the twin would only be woken for them again.
        if poll.poll(0):
            self._stays_until = now + _STAY_SECONDS
        return now >= self._stays_until

    def ended(self, code: int) -> float:
        """The process ended (below 0: by a signal) or could not start; return the seconds until the next."""
        self._was_killed = code < 0
        lived = 0.0 if self.pid is None else time.monotonic() - self.began
        self.pid = None
        self._last_exit, self._since = code, time.time()
        if code == 0 or self.told_to_sleep:
            self._failures = 0
            return 0.0
        self._failures = 1 if lived > _HEALTHY_SECONDS else self._failures + 1
        return min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(self._failures - 1, 16))

    def send_away(self) -> None:
        """Close every connection that waits on the socket, so that callers fail now and not at a timeout."""
        while True:
            try:
                connection, _ = self.listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            connection.close()

    @property
    def due(self) -> float | None:
        """When the sleeping twin wants to be woken, in seconds since 1970; it may be wrong."""
        return due.read(self.directory)

    def legacy(self) -> Legacy:
        """What the next program of the host has to know; the socket becomes inheritable."""
        self.listener.set_inheritable(True)
        return Legacy(
            self.listener.fileno(), self.pid, self.began, self._since, self._failures, self._last_exit
        )

    def inherit(self, legacy: Legacy) -> None:
        """Go on where the last program of the host stopped."""
        self.pid, self.began, self._since = legacy.pid, legacy.began, legacy.since
        self._failures, self._last_exit = legacy.failures, legacy.last_exit

    def close(self) -> None:
        """Give the socket up."""
        self.listener.close()
        self.path.unlink(missing_ok=True)

    def status(self) -> SeatStatus:
        """The seat as the control socket reports it."""
        placement = self.placement
        return {
            "slug": self.slug,
            "twin_id": placement.twin_id,
            "pid": self.pid,
            "state": self.state,
            "since": clock.write(datetime.fromtimestamp(self._since, UTC)),
            "failures": self._failures,
            "last_exit": self._last_exit,
            "rss_kib": None if self.pid is None else _rss_kib(self.pid),
            "log_bytes": sum(map(_size, (self.directory / "log").glob("*.mlog"))),
            "placement": {
                "tier": placement.tier,
                "region": placement.region,
                "keep_awake": placement.keep_awake,
                "idle_seconds": placement.idle_seconds,
                "module": placement.module,
                "user": placement.user,
            },
        }


def listen(path: Path) -> socket.socket:
    """A private unix socket at this path; a socket file that a dead host left behind is replaced."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(os.fspath(path))
    # Nobody can connect between bind and listen, so the mode is right before the first caller.
    path.chmod(0o600)
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return listener


def inherited(descriptor: int) -> socket.socket:
    """A listening socket that the last program of this host left open."""
    listener = socket.socket(fileno=descriptor)
    listener.set_inheritable(False)
    return listener


def _size(file: Path) -> int:
    """0 for a file that its twin has just taken away."""
    try:
        return file.lstat().st_size
    except OSError:
        return 0


def _rss_kib(pid: int) -> int | None:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024
