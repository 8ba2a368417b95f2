"""Serve: one twin's process, from opening its directory to a clean end.

Everything that serving needs is imported here, also what others import late: a host imports this module
once and forks, and its twins share the memory.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import uvloop
from setproctitle import setproctitle

import twins.runtime.modules.keyuse
import twins.runtime.modules.twin  # noqa: F401
from twins.runtime import sandbox
from twins.runtime.expiry import Expiry
from twins.runtime.hardening import no_core_dumps
from twins.runtime.keeper import Keeper
from twins.runtime.keys import KeysUnusable
from twins.runtime.log.damage import LogDamaged, LogMissing
from twins.runtime.log.epoch import TwinMoved
from twins.runtime.memory import give_back_zeros
from twins.runtime.module import ModuleMissing, load
from twins.runtime.senses.runner import Runner
from twins.runtime.server.app import App
from twins.runtime.server.fast import FastWire
from twins.runtime.server.wire import Wire
from twins.runtime.twin import Twin
from twins.runtime.vault.box import Box

# As sysexits.h has them.
EXIT_DAMAGED, EXIT_UNAVAILABLE, EXIT_IO_ERROR, EXIT_LOCKED = 65, 69, 74, 75
logger = logging.getLogger(__name__)


class Options(NamedTuple):
    """How a twin is served; see `run`."""

    idle_seconds: float | None
    allow: Sequence[str]
    wire: str
    own: bool


class TwinLocked(Exception):
    """Another process has this twin open."""


def run(
    directory: Path,
    sock: socket.socket,
    *,
    idle_seconds: float | None = None,
    allow: Sequence[str] = (),
    module: str = "twin",
    policy: sandbox.Policy | None = None,
    wire: str = "fast",
    own: bool = False,
) -> int:
    """Serve a twin on a listening socket until SIGTERM, or until nobody was there for `idle_seconds`.

    Args:
        allow: private networks that senses may reach.
        policy: the sandbox that the process enters before it reads anything of the twin.
        wire: `fast`, or `aiohttp` for the second implementation.
        own: nobody else holds the socket; otherwise who comes at the end is left in its queue.

    Returns:
        An exit code: 0 after a clean end, 65 for a log of which nothing can be read, 69 when keys, module or
        a required part of the sandbox are missing or a newer copy of the twin has written, 75 when another
        process has the twin open. A disk that fails ends the process with 74.
    """
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )
    try:
        no_core_dumps()
        loaded = load(module)
        directory = sandbox.enter(directory, policy)
        with locked(directory):
            if policy is not None:
                Box(directory / "keys").check_confined()
            options = Options(idle_seconds, allow, wire, own)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                give_back_zeros(runner.get_loop())
                twin = Twin(directory, loaded)
                setproctitle(f"mycelium-twin {twin.identity.slug}")
                runner.run(live(twin, sock, options))
    except TwinLocked as error:
        return _failed(directory, error, EXIT_LOCKED)
    except LogDamaged as error:
        return _failed(directory, error, EXIT_DAMAGED)
    except (LogMissing, KeysUnusable, ModuleMissing, TwinMoved, sandbox.SandboxMissing) as error:
        return _failed(directory, error, EXIT_UNAVAILABLE)
    except OSError as error:
        return _failed(directory, error, EXIT_IO_ERROR)
    return 0


def _failed(directory: Path, error: Exception, code: int) -> int:
    logger.error("%s cannot be served: %s", directory, error)
    return code


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep every other process out of the twin.

    Raises:
        TwinLocked: another process is in.
        LogMissing: the directory is not there.
    """
    try:
        fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise LogMissing(f"{directory} holds no twin: {error.strerror}") from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise TwinLocked("another process has this twin open") from None
    finally:
        os.close(fd)


async def live(twin: Twin, sock: socket.socket, options: Options) -> None:
    """From the first record to the last; see `run`."""
    twin.start()
    expiry, runner, keeper = Expiry(twin), Runner(twin, options.allow), Keeper(twin, twin.directory)
    app = App(twin)
    wire = _wire(options.wire, app)
    presence = Presence(app, wire, runner)
    await wire.start(sock)
    try:
        await presence.until_over(options.idle_seconds)
        async with asyncio.TaskGroup() as ending:
            ending.create_task(wire.stop(drain=options.own))
            ending.create_task(app.close())
    finally:
        await runner.close()
        await expiry.close()
        await keeper.close()
        await twin.close()


def _wire(name: str, app: App) -> Wire:
    if name == "aiohttp":
        from twins.runtime.server.aiohttp_wire import AiohttpWire

        return AiohttpWire(app)
    return FastWire(app)


class Presence:
    """Whether somebody is there, and whether it is time to end."""

    def __init__(self, app: App, wire: Wire, runner: Runner) -> None:
        self._app = app
        self._wire = wire
        self._runner = runner
        self._told = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._told.set)
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            loop.add_signal_handler(signal.SIGINT, self._told.set)

    async def until_over(self, idle_seconds: float | None) -> None:
        """Return when the process was told to end, or when nobody was there for long enough."""
        step = None if idle_seconds is None else max(min(idle_seconds / 4, 1.0), 0.05)
        last, served = time.monotonic(), 0
        while not self._told.is_set():
            try:
                async with asyncio.timeout(step):
                    await self._told.wait()
            except TimeoutError:
                if self._runner.busy or self._wire.connections or self._app.served != served:
                    last, served = time.monotonic(), self._app.served
                elif idle_seconds is not None and time.monotonic() - last >= idle_seconds:
                    return
