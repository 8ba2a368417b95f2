"""The pool: every seat of a machine, and the processes that are forked for them."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from pathlib import Path

import msgspec

from twins.host import paths, users
from twins.host.child import fork, serve_twin
from twins.host.loop import Loop
from twins.host.options import Options
from twins.host.placement import read_placement, write_placement
from twins.host.seat import Legacy, Seat, inherited

_GRACE_SECONDS = 10.0
_ROOM_SECONDS = 0.05
# A twin that always says that it is due must not keep the host busy.
_DUE_SECONDS = 1.0
_log = logging.getLogger(__name__)


class Pool:
    """Starts a process when somebody calls, takes the socket back when it ends.

    When as many run as may be awake, the twin that woke first goes to sleep before another wakes; twins that
    are kept awake stay, and when there are no others the pool grows past its limit.
    """

    def __init__(
        self,
        loop: Loop,
        home: Path,
        options: Options,
    ) -> None:
        self._loop = loop
        self._home = home
        self._twins = paths.twins_dir(home)
        self._options = options
        self._queue: deque[Seat] = deque()
        self._old: deque[tuple[Seat, int]] = deque()
        self._making_room = False
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
            seat = self._seat(slug, directory)
        except (ValueError, OSError) as error:
            _log.error("%s is left alone: %s", directory, error)
            return None
        self._settle(seat)
        return seat

    def _seat(self, slug: str, directory: Path, listener: socket.socket | None = None) -> Seat:
        path, placement = paths.socket_of(self._home, slug), read_placement(directory)
        taken = {seat.placement.user for seat in self.seats.values()}
        user = users.choose(placement.twin_id or slug, placement.user, taken)
        # A host that is not root's leaves the number that another host chose.
        if user not in (None, placement.user):
            placement = msgspec.structs.replace(placement, user=user)
            write_placement(directory, placement)
        seat = self.seats[slug] = Seat(
            slug, directory, msgspec.structs.replace(placement, user=user), path, listener
        )
        return seat

    def legacy(self) -> dict[str, Legacy]:
        """Every seat, as the next program of this host inherits it."""
        return {slug: seat.legacy() for slug, seat in self.seats.items()}

    def inherit(self, legacies: dict[str, Legacy]) -> None:
        """Take the seats over; twins that are awake run old code, so they sleep once, one after the other."""
        for slug, legacy in legacies.items():
            try:
                seat = self._seat(slug, self._twins / slug, inherited(legacy.descriptor))
            except (ValueError, OSError) as error:
                _log.error("twin %s is given up: %s", slug, error)
                self._give_up(legacy)
                continue
            seat.inherit(legacy)
            if seat.pid is None:
                self._settle(seat)
            else:
                self._processes[seat.pid] = partial(self._ended, seat)
                self._old.append((seat, seat.pid))
        self.reap()
        self._renew()

    def _give_up(self, legacy: Legacy) -> None:
        if legacy.pid is not None:
            self._processes[legacy.pid] = lambda _: None
            os.kill(legacy.pid, signal.SIGTERM)

    def _renew(self) -> None:
        if not self._old or self._stopping:
            return
        seat, pid = self._old.popleft()
        if seat.pid != pid:
            self._renew()
            return
        self.end(seat)
        seat.waiting.append(partial(self._renewed, seat))

    def _renewed(self, seat: Seat) -> None:
        if seat.placement.stays_awake and seat.pid is None and not self._stopping:
            self.start(seat)
        self._renew()

    def start(self, seat: Seat) -> None:
        """Fork the twin's process and leave its socket to it, now or when there is room."""
        self._loop.unwatch(seat.listener)
        if seat not in self._queue:
            self._queue.append(seat)
            self._admit()
        if self._queue and not self._making_room:
            self._make_room()

    def queued(self, seat: Seat) -> bool:
        """Does the twin wait for room?"""
        return seat in self._queue

    def end(self, seat: Seat) -> None:
        """Tell the twin's process to end and kill it when it does not."""
        seat.told_to_sleep = True
        if seat in self._queue:
            self._queue.remove(seat)
            self._settle(seat)
            seat.resume()
        if seat.pid is not None:
            os.kill(seat.pid, signal.SIGTERM)
            self._loop.later(_GRACE_SECONDS, partial(self._kill, seat, seat.pid))

    def run(
        self, title: str, work: Callable[[], int], ended: Callable[[int], None], keep: int | None = None
    ) -> None:
        """Do other work in a process of its own, with `keep` open; OSError when there is no room for one."""
        self._processes[fork(title, keep, work)] = ended

    def reap(self) -> None:
        """Take note of every process that has ended."""
        while self._processes:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            self._processes.pop(pid)(os.waitstatus_to_exitcode(status))
        self._admit()

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

    def _admit(self) -> None:
        while self._queue and not self._stopping:
            awake = [seat for seat in self.seats.values() if seat.pid is not None]
            if len(awake) >= self._options.most_awake and not all(
                seat.placement.stays_awake for seat in awake
            ):
                return
            self._fork(self._queue.popleft())

    def _make_room(self) -> None:
        self._making_room = bool(self._queue) and not self._stopping
        if not self._making_room:
            return
        ending = sum(seat.pid is not None and seat.told_to_sleep for seat in self.seats.values())
        able = sorted(filter(Seat.can_make_room, self.seats.values()), key=attrgetter("began"))
        for seat in able[: max(0, len(self._queue) - ending)]:
            self.end(seat)
        self._loop.later(_ROOM_SECONDS, self._make_room)

    def _fork(self, seat: Seat) -> None:
        serve = partial(serve_twin, seat.directory, seat.listener, seat.placement, self._options)
        try:
            pid = fork(f"mycelium-twin {seat.slug}", seat.listener.fileno(), serve)
        except OSError as error:
            _log.error("twin %s cannot be started: %s", seat.slug, error.strerror)
            self._ended(seat, error.errno or 1)
            return
        seat.started(pid)
        self._processes[pid] = partial(self._ended, seat)
        seat.resume()

    def _settle(self, seat: Seat) -> None:
        if self._stopping or seat.pid is not None:
            return
        if seat.placement.stays_awake and not seat.told_to_sleep:
            self.start(seat)
            return
        self._loop.watch(seat.listener, partial(self.start, seat))
        self._set_alarm(seat)

    def _set_alarm(self, seat: Seat) -> None:
        """Wake the sleeping twin when one of its senses is due; one timer per twin is enough."""
        due = seat.due
        if due is not None and (seat.alarm is None or due < seat.alarm):
            seat.alarm = due
            self._loop.later(max(due - time.time(), _DUE_SECONDS), partial(self._ring, seat, due))

    def _ring(self, seat: Seat, alarm: float) -> None:
        if seat.alarm == alarm:
            seat.alarm = None
        if seat.pid is not None or self._stopping:
            return
        due = seat.due
        if due is not None and due <= time.time():
            self.start(seat)
        else:
            self._set_alarm(seat)

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
        seat.resume()

    def _kill(self, seat: Seat, pid: int) -> None:
        if seat.pid == pid:
            os.kill(pid, signal.SIGKILL)

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in self._processes:
            os.kill(pid, number)
