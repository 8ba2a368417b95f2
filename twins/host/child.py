"""What runs in a forked process: a twin, or the making of one."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from setproctitle import setproctitle

from twins.host.placement import Placement
from twins.runtime import serve

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
_PR_SET_PDEATHSIG = 1
_EX_SOFTWARE = 70
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def fork(title: str, leave_host: Callable[[], None], work: Callable[[], int]) -> int:
    """Run `work` in a new process that ends with its result; return the new process's id.

    `leave_host` closes what the new process must not inherit. The process ends when the host ends.
    Raises OSError when the machine has no room for another process.
    """
    host = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    # A signal between fork and the child's own handlers would be told to the host through its socket.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        pid = os.fork()
        if pid == 0:
            _become(title, host, before, leave_host, work)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def serve_twin(directory: Path, sock: socket.socket, placement: Placement, allow: Sequence[str]) -> int:
    """Serve a twin on the host's socket until it is idle or told to stop."""
    idle = None if placement.keep_awake else placement.idle_seconds
    return serve.run(directory, sock, idle_seconds=idle, allow=allow, module=placement.module)


def _become(
    title: str, host: int, mask: set[Any], leave_host: Callable[[], None], work: Callable[[], int]
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
        leave_host()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        code = work()
    except BaseException as error:  # noqa: BLE001 - whatever it is, it must not return into the host's loop
        print(f"{title}: {type(error).__name__}: {error}", file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _end_with(host: int) -> None:
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != host:
        os._exit(_EX_SOFTWARE)
