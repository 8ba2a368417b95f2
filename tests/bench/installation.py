"""The installation: start-up, memory and waking of a whole demo mesh. Linux only (reads /proc)."""

from __future__ import annotations

import statistics
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.bench.sheet import Goal, Sheet
from tests.conftest import unused_port
from tests.portalprocess import PortalProcess
from twins.host.client import HostClient
from twins.host.paths import socket_of
from twins.runtime.client import TwinClient

WAKES = 20
GOALS: list[Goal] = []


def run(sheet: Sheet, folder: Path, runs: int) -> None:
    """Start the mesh once; the wakes are repeated for each run."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    started = time.monotonic()
    with PortalProcess(home, unused_port()) as portal:
        while portal.health() is None:
            time.sleep(0.01)
        sheet.add("`up` to the first answer", "s", time.monotonic() - started)
        portal.wait_until_ready()
        sheet.add("`up` to a planted mesh", "s", time.monotonic() - started)
        with urllib.request.urlopen(f"{portal.url}/", timeout=30) as page:
            page.read()
        host = HostClient(home)
        for _ in range(runs):
            _wakes(sheet, host, home)
        sheet.add("memory of the portal, worker and beat (PSS)", "MiB", pss_mib(portal.process.pid))
        sheet.add("memory of the host (PSS)", "MiB", pss_mib(host.ping()["pid"]))
        host.wake(host.list()[0]["slug"])
        awake = [pss_mib(twin["pid"]) for twin in host.list() if twin["pid"] is not None]
        sheet.add("twins awake", "", len(awake))
        sheet.add("memory of a twin (PSS), median", "MiB", statistics.median(awake))


def _wakes(sheet: Sheet, host: HostClient, home: Path) -> None:
    asleep = [twin for twin in host.list() if not twin["placement"]["keep_awake"]]
    waking = sorted(_wake(host, home, asleep[number % len(asleep)]) for number in range(WAKES))
    sheet.add(f"waking a twin to its first answer, median of {WAKES}", "ms", 1000 * statistics.median(waking))
    sheet.add(f"waking a twin to its first answer, worst of {WAKES}", "ms", 1000 * waking[-1])


def _wake(host: HostClient, home: Path, twin: dict[str, Any]) -> float:
    """Seconds from a call at a sleeping twin's socket to the answer."""
    host.sleep(twin["slug"])
    client = TwinClient(socket_of(home, twin["slug"]), twin["twin_id"], None)
    started = time.monotonic()
    client.about()
    return time.monotonic() - started


def pss_mib(pid: int) -> float:
    """Proportional set size: shared pages are divided among those who share them (proc_pid_smaps(5))."""
    return memory_mib(pid)["Pss"]


def memory_mib(pid: int) -> dict[str, float]:
    """`Rss`, `Pss`, `Private_Dirty` and the like (proc_pid_smaps(5)); zeros for a process that ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except FileNotFoundError:
        lines = []
    found = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
    return {"Rss": 0.0, "Pss": 0.0, "Private_Clean": 0.0, "Private_Dirty": 0.0, **found}
