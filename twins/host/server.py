"""The host itself: it opens a home, answers its control socket and stops without leaving a process."""

from __future__ import annotations

import gc
import logging
import os
import resource
import signal
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from twins.host import nursery, paths
from twins.host.control import Control, Reply
from twins.host.handover import SIGNALS, Estate, check, hand_over
from twins.host.lock import lock_home
from twins.host.loop import Loop
from twins.host.options import Options
from twins.host.placement import Placement
from twins.host.pool import Pool
from twins.host.requests import Create, List, Ping, Request, Sleep, Upgrade, Wake, parse
from twins.host.seat import Seat, inherited
from twins.host.trial import told, trial
from twins.host.warm import warm
from twins.runtime import clock
from twins.runtime.module import load

_TURN_SECONDS = 0.02
_WAIT_SECONDS = 5.0
_log = logging.getLogger(__name__)


class Host:
    """Serves every twin under `<home>/twins`, from construction until `run` returns.

    `estate` is what an earlier program of the same host handed over. Raises HomeInUse when another host
    serves this home, PermissionError when a folder is not private.
    """

    def __init__(self, home: Path, options: Options, estate: Estate | None = None) -> None:
        os.umask(0o077)
        _allow_many_sockets()
        self._twins = paths.twins_dir(home)
        self._twins.mkdir(parents=True, exist_ok=True)
        self._lock = lock_home(home) if estate is None else estate.lock
        self._run = paths.run_dir(home)
        self._run.mkdir(exist_ok=True)
        self._run.chmod(0o700)
        nursery.sweep(self._twins)
        self._since = clock.now()
        self._in_force = trial(self._run, options)
        self._births: dict[str, _Birth] = {}
        self._estate = estate
        warm(load(Placement().module))
        self._loop = Loop()
        self._pool = Pool(self._loop, home, options)
        listener = None if estate is None else inherited(estate.control)
        self._control = Control(self._loop, paths.host_socket(home), self._answer, listener)

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; every process of this host has ended when this returns 0."""
        self._loop.on_signal(signal.SIGCHLD, self._pool.reap)
        self._loop.on_signal(signal.SIGTERM, self._pool.stop)
        self._loop.on_signal(signal.SIGINT, self._pool.stop)
        self._loop.on_signal(signal.SIGHUP, partial(self._upgrade, _log_reply))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        # What is loaded now is shared by all twins for as long as no collection writes to its pages.
        gc.collect()
        gc.freeze()
        if self._estate is not None:
            self._pool.inherit(self._estate.seats)
        for directory in sorted(self._twins.iterdir()):
            self._pool.seat(directory.name)
        _log.info("the host serves %d twins; %s", len(self._pool.seats), told(self._in_force))
        while not self._pool.stopped:
            self._loop.turn()
        self._control.close()
        self._pool.close()
        with suppress(OSError):
            self._run.rmdir()
        self._loop.close()
        os.close(self._lock)
        return 0

    def _answer(self, line: bytes, reply: Reply) -> None:
        try:
            if self._pool.stopping:
                raise ValueError("the host is stopping")
            self._do(parse(line), reply)
        except (ValueError, OSError) as error:
            reply({"error": str(error)})

    def _do(self, request: Request, reply: Reply) -> None:
        match request:
            case Ping():
                reply(self._about())
            case List():
                reply({"twins": [seat.status() for _, seat in sorted(self._pool.seats.items())]})
            case Wake():
                self._wake(self._known(request.slug), reply)
            case Sleep():
                self._put_to_sleep(self._known(request.slug), reply)
            case Upgrade():
                self._upgrade(reply)
            case Create():
                self._create(request, reply)

    def _about(self) -> dict[str, Any]:
        return {
            "ok": True,
            "pid": os.getpid(),
            "twins": len(self._pool.seats),
            "since": self._since,
            "sandbox": self._in_force._asdict(),
        }

    def _upgrade(self, reply: Reply) -> None:
        """Hand over to the program as its files are now, if it starts at all."""

        def checked(code: int) -> None:
            if code:
                reply({"error": f"the new program does not start, it ended with {code}; this one goes on"})
                return
            reply({"ok": True})
            self._loop.later(_TURN_SECONDS, partial(self._hand_over, time.monotonic() + _WAIT_SECONDS))

        self._pool.run("mycelium-host check", check, checked)

    def _hand_over(self, deadline: float) -> None:
        """Go when every question is answered and no twin is being made; questions must not take for ever."""
        if self._pool.stopping:
            return
        if self._births or not (self._control.quiet or time.monotonic() > deadline):
            self._loop.later(_TURN_SECONDS, partial(self._hand_over, deadline))
            return
        try:
            hand_over(Estate(self._lock, self._control.legacy(), self._pool.legacy()))
        except OSError as error:
            _log.error("the program cannot be started anew: %s", error)

    def _known(self, slug: str) -> Seat:
        seat = self._pool.seat(slug)
        if seat is None:
            raise ValueError(f"there is no twin {slug!r} on this host")
        return seat

    def _wake(self, seat: Seat, reply: Reply) -> None:
        if seat.pid is not None and seat.told_to_sleep:
            seat.waiting.append(partial(self._wake, seat, reply))
            return
        if seat.pid is None:
            self._pool.start(seat)
        if self._pool.queued(seat):
            seat.waiting.append(lambda: reply(dict(seat.status())))
        else:
            reply(dict(seat.status()))

    def _put_to_sleep(self, seat: Seat, reply: Reply) -> None:
        if seat.pid is not None:
            seat.waiting.append(lambda: reply(dict(seat.status())))
        self._pool.end(seat)
        if seat.pid is None:
            reply(dict(seat.status()))

    def _create(self, request: Create, reply: Reply) -> None:
        seat, birth = self._pool.seat(request.slug), self._births.get(request.slug)
        known = seat.placement.twin_id if seat else birth.twin_id if birth else request.twin_id
        if known != request.twin_id:
            raise ValueError(
                f"another twin {request.slug!r} is on this host, its id is {known or 'not known'}"
            )
        if seat is not None:
            reply(dict(seat.status()))
        elif birth is not None:
            birth.replies.append(reply)
        else:
            self._bear(request, reply)

    def _bear(self, request: Create, reply: Reply) -> None:
        out, into = os.pipe()
        self._births[request.slug] = _Birth(request.twin_id, out, reply)
        try:
            work = partial(nursery.work, self._twins, request, into)
            self._pool.run(f"mycelium-twin {request.slug}", work, partial(self._born, request.slug), into)
        except OSError:
            del self._births[request.slug]
            os.close(out)
            raise
        finally:
            os.close(into)

    def _born(self, slug: str, code: int) -> None:
        birth = self._births.pop(slug)
        with os.fdopen(birth.out, "rb") as pipe:
            problem = pipe.read().decode(errors="replace")
        seat = None if code or self._pool.stopping else self._pool.seat(slug)
        if seat is not None:
            answer: dict[str, Any] = dict(seat.status())
        else:
            answer = {"error": problem or f"twin {slug!r} was not made, its process ended with {code}"}
        for reply in birth.replies:
            reply(answer)


def _log_reply(answer: dict[str, Any]) -> None:
    if "error" in answer:
        _log.error("no upgrade: %s", answer["error"])


def _allow_many_sockets() -> None:
    """A host holds one descriptor per twin; the usual soft limit is 1024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class _Birth:
    """A twin that is being made, and who waits for it."""

    def __init__(self, twin_id: str, out: int, reply: Reply) -> None:
        self.twin_id = twin_id
        self.out = out
        self.replies = [reply]
