"""The host of this machine's twins as a child process of `manage.py up`."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from twins.host.client import HostClient, HostUnreachable

log = logging.getLogger(__name__)
START_SECONDS = 30.0
STOP_SECONDS = 15.0
LONGEST_PAUSE = 30.0
# What names a database or a key is not for the process that all twins are copies of.
_ENVIRONMENT = ("PATH", "PYTHON", "HOME", "LANG", "LC_", "TZ", "TMPDIR", "SSL_CERT_", "COVERAGE_")
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class HostProcess:
    """The host of this machine's twins, in a session of its own so that Ctrl-C reaches the portal only.

    All methods are for the main thread: the child ends with the thread that started it.
    """

    def __init__(self, home: Path, allow: Sequence[str], ports: Sequence[str]) -> None:
        self._home = home
        self._command = [sys.executable, "-m", "twins.host", "serve", "--home", str(home)]
        self._command += [word for network in allow for word in ("--allow", network)]
        for port in ports:
            self.allow_port(port)
        self._process: subprocess.Popen[bytes] | None = None
        self._pause = 0.5
        self._not_before = 0.0

    def allow_port(self, port: str) -> None:
        """Lets twins fetch from a TCP port besides 80 and 443, or from `any`; to be said before the start."""
        self._command += ["--allow-port", port]

    def start(self) -> None:
        """Starts the host."""
        before_exec = _end_with_parent if sys.platform == "linux" else None
        self._process = subprocess.Popen(
            self._command,
            env={name: value for name, value in os.environ.items() if name.startswith(_ENVIRONMENT)},
            start_new_session=True,
            preexec_fn=before_exec,  # noqa: PLW1509  (one system call, no lock)
        )

    def keep(self) -> None:
        """Starts the host again when it has ended; the pause doubles each time."""
        if self._process is None or self._process.poll() is None or time.monotonic() < self._not_before:
            return
        log.error("the host ended with code %s; starting it again", self._process.returncode)
        self._not_before = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        self.start()

    def wait(self) -> None:
        """Returns when the host answers; may be called by any thread. Raises HostUnreachable after 30 s."""
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                HostClient(self._home).ping()
                return
            except HostUnreachable:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def stop(self) -> None:
        """Ends the host and with it every twin."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _end_with_parent() -> None:
    """Linux: the child gets SIGTERM when the thread that made it ends, however it ends (prctl(2))."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
