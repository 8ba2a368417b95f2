"""`manage.py bench`: what this installation costs on this machine, as one table of raw numbers."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tests.conftest import unused_port
from tests.portalprocess import PortalProcess
from twins.host.client import HostClient
from twins.host.paths import socket_of
from twins.runtime.client import TwinClient

Row = tuple[str, float, str]


class Command(BaseCommand):
    """Starts the demo mesh in a folder of its own, measures, and removes it. Linux only (reads /proc)."""

    help = "Measure start-up, memory and waking of twins; prints a table."

    def add_arguments(self, parser: CommandParser) -> None:
        """The options of the command."""
        parser.add_argument("--wakes", type=int, default=20, help="how often a twin is woken (default: 20)")

    def handle(self, *, wakes: int, **options: Any) -> None:
        """Prints one row a measurement."""
        home = Path(tempfile.mkdtemp(prefix="mycelium-bench-")) / "home"
        home.mkdir(mode=0o700)
        try:
            rows = _measure(home, max(wakes, 2))
        finally:
            shutil.rmtree(home.parent)
        for name, value, unit in rows:
            self.stdout.write(f"{name:44} {value:10.1f} {unit}")


def _measure(home: Path, wakes: int) -> list[Row]:
    started = time.monotonic()
    with PortalProcess(home, unused_port()) as portal:
        while portal.health() is None:
            time.sleep(0.01)
        first_page = time.monotonic() - started
        portal.wait_until_ready()
        ready = time.monotonic() - started
        with urllib.request.urlopen(f"{portal.url}/", timeout=30) as page:  # noqa: S310  (our own)
            page.read()
        host = HostClient(home)
        twins = host.list()
        asleep = [twin for twin in twins if not twin["placement"]["keep_awake"]]
        waking = sorted(_wake(host, home, asleep[number % len(asleep)]) for number in range(wakes))
        host.wake(asleep[0]["slug"])
        awake = [twin["pid"] for twin in host.list() if twin["pid"] is not None]
        return [
            ("`up` to the first answer", first_page, "s"),
            (f"`up` to a planted mesh of {len(twins)} twins", ready, "s"),
            ("memory of the portal, worker and beat (PSS)", _pss_mib(portal.process.pid), "MiB"),
            ("memory of the host (PSS)", _pss_mib(host.ping()["pid"]), "MiB"),
            (
                f"memory of one of {len(awake)} awake twins (PSS)",
                statistics.mean(map(_pss_mib, awake)),
                "MiB",
            ),
            (f"waking a twin to its first answer, median of {wakes}", 1000 * statistics.median(waking), "ms"),
            (f"waking a twin to its first answer, worst of {wakes}", 1000 * waking[-1], "ms"),
        ]


def _wake(host: HostClient, home: Path, twin: dict[str, Any]) -> float:
    """Seconds from a call at a sleeping twin's socket to the answer."""
    host.sleep(twin["slug"])
    client = TwinClient(socket_of(home, twin["slug"]), twin["twin_id"], None)
    started = time.monotonic()
    client.about()
    return time.monotonic() - started


def _pss_mib(pid: int) -> float:
    """Proportional set size: shared pages are divided among those who share them (proc_pid_smaps(5))."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))
