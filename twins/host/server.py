"""The host itself: it opens a home, answers its control socket and stops without leaving a process."""

from __future__ import annotations

import gc
import logging
import os
import resource
import signal
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from twins.host import nursery, paths
from twins.host.control import Control, Reply
from twins.host.lock import lock_home
from twins.host.loop import Loop
from twins.host.placement import Placement
from twins.host.pool import MOST_AWAKE, Pool
from twins.host.requests import Create, List, Ping, Request, Sleep, Wake, parse
from twins.host.seat import Seat
from twins.runtime.module import load

_log = logging.getLogger(__name__)


class Host:
    """Serves every twin under `<home>/twins`, from construction until `run` returns.

    `allow` are the private networks that the twins' outbound fetches may reach, `most_awake` is how many
    twins may be awake at once. Raises HomeInUse when another host serves this home, PermissionError when a
    folder is not private.
    """

    def __init__(self, home: Path, allow: Sequence[str] = (), most_awake: int = MOST_AWAKE) -> None:
        os.umask(0o077)
        _allow_many_sockets()
        self._twins = paths.twins_dir(home)
        self._twins.mkdir(parents=True, exist_ok=True)
        self._lock = lock_home(home)
        self._run = paths.run_dir(home)
        self._run.mkdir(exist_ok=True)
        self._run.chmod(0o700)
        nursery.sweep(self._twins)
        self._births: dict[str, _Birth] = {}
        self._loop = Loop()
        self._pool = Pool(self._loop, home, allow, most_awake, self._leave)
        self._control = Control(self._loop, paths.host_socket(home), self._answer)

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; every process of this host has ended when this returns 0."""
        self._loop.on_signal(signal.SIGCHLD, self._pool.reap)
        self._loop.on_signal(signal.SIGTERM, self._pool.stop)
        self._loop.on_signal(signal.SIGINT, self._pool.stop)
        # What is loaded now is shared by all twins for as long as no collection writes to its pages.
        load(Placement().module)
        gc.collect()
        gc.freeze()
        for directory in sorted(self._twins.iterdir()):
            self._pool.seat(directory.name)
        _log.info("the host serves %d twins", len(self._pool.seats))
        while not self._pool.stopped:
            self._loop.turn()
        self._control.close()
        self._pool.close()
        with suppress(OSError):
            self._run.rmdir()
        self._loop.close()
        os.close(self._lock)
        return 0

    def _leave(self) -> None:
        self._loop.close()
        self._control.leave()
        for birth in self._births.values():
            os.close(birth.out)
        os.close(self._lock)

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
                reply({"ok": True, "pid": os.getpid(), "twins": len(self._pool.seats)})
            case List():
                reply({"twins": [seat.status() for _, seat in sorted(self._pool.seats.items())]})
            case Wake():
                self._wake(self._known(request.slug), reply)
            case Sleep():
                self._put_to_sleep(self._known(request.slug), reply)
            case Create():
                self._create(request, reply)

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
            self._pool.run(f"mycelium-twin {request.slug}", work, partial(self._born, request.slug))
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
