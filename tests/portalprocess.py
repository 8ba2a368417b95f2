"""`manage.py up` as a process that tests start, look at and end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 180.0
STOP_SECONDS = 60.0


class PortalProcess:
    """One `manage.py up` with a home and a port of its own; `log` holds what it printed."""

    def __init__(self, home: Path, port: int, *options: str, env: dict[str, str] | None = None) -> None:
        self.home = home
        self.url = f"http://127.0.0.1:{port}"
        self._log = home.parent / f"{home.name}.log"
        command = [sys.executable, "manage.py", "up", "--port", str(port), *options]
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=_environment(home) | (env or {}),
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in a test reaches it alone
            )

    @property
    def log(self) -> str:
        """Everything that it printed so far."""
        return self._log.read_text()

    def health(self) -> tuple[int, dict[str, str]] | None:
        """Status and body of `/healthz`; None while nobody listens."""
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        except OSError:
            return None

    def wait_until_ready(self) -> None:
        """Returns when everything serves. Fails with the log when it ended or takes too long."""
        end = time.monotonic() + START_SECONDS
        while (health := self.health()) is None or health[0] != 200:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < end, self.log
            time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends the signal and returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def open_files(self) -> set[int]:
        """The processes that hold a file of the home open: portal, host and each twin that is awake."""
        holders = set()
        for link in Path("/proc").glob("[0-9]*/fd/*"):
            try:
                if link.readlink().is_relative_to(self.home):
                    holders.add(int(link.parts[2]))
            except OSError:
                continue
        return holders

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.stop()


def _environment(home: Path) -> dict[str, str]:
    """This run's services, but a database and a Redis database of the tests' own; feeds may have any port."""
    env = {**os.environ, "MYCELIUM_HOME": str(home), "MYCELIUM_OUTBOUND_PORTS": "any"}
    if env.get("REDIS_URL"):
        env["REDIS_URL"] += "?db=1"
    return env
