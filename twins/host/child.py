"""What runs in a forked process: a twin, or the making of one."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from setproctitle import setproctitle

from twins.host.options import Options
from twins.host.placement import PLACEMENT, Placement
from twins.runtime import sandbox, serve
from twins.runtime.sandbox import identity

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
_PR_SET_PDEATHSIG = 1
_EX_SOFTWARE = 70
_FIRST_FILE, _MOST_FILES = 3, 2**31 - 1
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def fork(title: str, keep: int | None, work: Callable[[], int]) -> int:
    """Run `work` in a new process that ends with its result; return the new process's id.

    Of the open files it inherits the standard ones and `keep`. The process ends when the host ends.
    Raises OSError when the machine has no room for another process.
    """
    host = os.getpid()
    # Where a twin is, it calls its own folder "."; the lines that it writes say whose it is.
    lines = logging.Formatter(f"%(levelname)s {title}: %(message)s")
    sys.stdout.flush()
    sys.stderr.flush()
    # A signal between fork and the child's own handlers would be told to the host through its socket.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        pid = os.fork()
        if pid == 0:
            _become(title, host, before, keep, work, lines)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def serve_twin(directory: Path, sock: socket.socket, placement: Placement, options: Options) -> int:
    """Serve a twin on the host's socket until it is idle or told to stop.

    Raises OSError when its folder cannot be given to its user.
    """
    if placement.user is not None:
        identity.own(directory, placement.user, keep=PLACEMENT)
    if placement.tier == "dedicated":
        _execute(directory, sock, placement, options)
    return serve.run(
        directory,
        sock,
        idle_seconds=None if placement.stays_awake else placement.idle_seconds,
        allow=options.allow,
        module=placement.module,
        policy=sandbox.Policy(placement.user, options.ports, options.require_sandbox),
    )


def _execute(directory: Path, sock: socket.socket, placement: Placement, options: Options) -> NoReturn:
    """The same program in an interpreter of its own, with a memory layout and a hash seed of its own."""
    command = [sys.executable, "-m", "twins.runtime", "serve", str(directory), "--fd", str(sock.fileno())]
    command += ["--module", placement.module]
    command += ["--require-sandbox" if options.require_sandbox else "--sandbox"]
    command += [] if placement.user is None else ["--user", str(placement.user)]
    command += [word for network in options.allow for word in ("--allow", network)]
    ports = ["any"] if options.ports is None else options.ports
    command += [word for port in ports for word in ("--allow-port", str(port))]
    sock.set_inheritable(True)
    os.execv(command[0], command)


def _become(
    title: str,
    host: int,
    mask: set[Any],
    keep: int | None,
    work: Callable[[], int],
    lines: logging.Formatter,
) -> NoReturn:
    code = _EX_SOFTWARE
    try:
        setproctitle(title)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # Ctrl-C reaches the whole terminal; the host alone decides and then sends SIGTERM.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _end_with(host)
        _close_all_but(keep)
        for handler in logging.getLogger().handlers:
            handler.formatter = lines
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        code = work()
    except BaseException as error:  # noqa: BLE001 - whatever it is, it must not return into the host's loop
        print(f"{title}: {type(error).__name__}: {error}", file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _close_all_but(keep: int | None) -> None:
    """Close what is the host's, by number: to touch each socket's object would copy its page of memory."""
    if keep is None:
        os.closerange(_FIRST_FILE, _MOST_FILES)
    else:
        os.closerange(_FIRST_FILE, keep)
        os.closerange(max(keep + 1, _FIRST_FILE), _MOST_FILES)


def _end_with(host: int) -> None:
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != host:
        os._exit(_EX_SOFTWARE)
