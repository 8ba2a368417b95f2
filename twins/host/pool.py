"""The pool: every seat of a machine, and the processes that are forked for them."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from twins.host import paths
from twins.host.child import fork, serve_twin
from twins.host.loop import Loop
from twins.host.placement import read_placement
from twins.host.seat import Seat

_GRACE_SECONDS = 10.0
_log = logging.getLogger(__name__)


class Pool:
    """Starts a process when somebody calls, takes the socket back when it ends.

    `leave_host` closes, in a forked process, what the rest of the host has open.
    """

    def __init__(self, loop: Loop, home: Path, allow: Sequence[str], leave_host: Callable[[], None]) -> None:
        self._loop = loop
        self._home = home
        self._twins = paths.twins_dir(home)
        self._allow = tuple(allow)
        self._leave_host = leave_host
        self._processes: dict[int, Callable[[int], None]] = {}
        self._stopping = False
        self.seats: dict[str, Seat] = {}

    @property
    def stopped(self) -> bool:
        """Was it told to stop, and has every process ended?"""
        return self._stopping and not self._processes

    @property
    def stopping(self) -> bool:
        """Was it told to stop?"""
        return self._stopping

    def seat(self, slug: str) -> Seat | None:
        """The seat of a twin whose folder is here; a folder that was brought here gets one now."""
        directory = self._twins / slug
        if slug in self.seats or not directory.is_dir():
            return self.seats.get(slug)
        try:
            path = paths.socket_of(self._home, slug)
            seat = self.seats[slug] = Seat(slug, directory, read_placement(directory), path)
        except ValueError as error:
            _log.error("%s is left alone: %s", directory, error)
            return None
        self._settle(seat)
        return seat

    def start(self, seat: Seat) -> None:
        """Fork the twin's process and leave its socket to it."""
        self._loop.unwatch(seat.listener)
        serve = partial(serve_twin, seat.directory, seat.listener, seat.placement, self._allow)
        try:
            pid = fork(f"mycelium-twin {seat.slug}", partial(self._leave, seat), serve)
        except OSError as error:
            _log.error("twin %s cannot be started: %s", seat.slug, error.strerror)
            self._ended(seat, error.errno or 1)
            return
        seat.started(pid)
        self._processes[pid] = partial(self._ended, seat)

    def end(self, seat: Seat) -> None:
        """Tell the twin's process to end and kill it when it does not."""
        seat.told_to_sleep = True
        if seat.pid is not None:
            os.kill(seat.pid, signal.SIGTERM)
            self._loop.later(_GRACE_SECONDS, partial(self._kill, seat, seat.pid))

    def run(self, title: str, work: Callable[[], int], ended: Callable[[int], None]) -> None:
        """Do other work in a process of its own; OSError when there is no room for one."""
        self._processes[fork(title, partial(self._leave, None), work)] = ended

    def reap(self) -> None:
        """Take note of every process that has ended."""
        while self._processes:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._processes.pop(pid)(os.waitstatus_to_exitcode(status))

    def stop(self) -> None:
        """Tell every process to end, kill what is left after a while, or at once when told again."""
        if self._stopping:
            self._signal_all(signal.SIGKILL)
            return
        self._stopping = True
        for seat in self.seats.values():
            self._loop.unwatch(seat.listener)
        self._signal_all(signal.SIGTERM)
        self._loop.later(_GRACE_SECONDS, partial(self._signal_all, signal.SIGKILL))

    def close(self) -> None:
        """Give every socket up."""
        for seat in self.seats.values():
            seat.close()

    def _settle(self, seat: Seat) -> None:
        if self._stopping or seat.pid is not None:
            return
        if seat.placement.keep_awake and not seat.told_to_sleep:
            self.start(seat)
        else:
            self._loop.watch(seat.listener, partial(self.start, seat))

    def _ended(self, seat: Seat, code: int) -> None:
        delay = seat.ended(code)
        if delay and not self._stopping:
            _log.warning(
                "twin %s ended with %d; next start in %.1f s at the earliest", seat.slug, code, delay
            )
            if seat.hopeless:
                self._loop.watch(seat.listener, seat.send_away)
            self._loop.later(delay, partial(self._settle, seat))
        else:
            self._settle(seat)
        waiting, seat.waiting = seat.waiting, []
        for resume in waiting:
            resume()

    def _leave(self, own: Seat | None) -> None:
        self._leave_host()
        for seat in self.seats.values():
            if seat is not own:
                seat.listener.close()

    def _kill(self, seat: Seat, pid: int) -> None:
        if seat.pid == pid:
            os.kill(pid, signal.SIGKILL)

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in self._processes:
            os.kill(pid, number)
