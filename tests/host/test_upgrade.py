"""The host runs new code while callers keep calling: none is refused, none gets no answer."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.host.machine import ROOT, Machine, eventually, gone
from twins.host.client import HostError

OLD, NEW = '"mycelium/1"', '"mycelium/2"'


@pytest.fixture
def copied() -> Iterator[Machine]:
    """A machine whose host runs a copy of the program, which a test may change."""
    with TemporaryDirectory() as folder:
        for package in ("host", "runtime"):
            shutil.copytree(ROOT / "twins" / package, Path(folder) / "twins" / package)
        (Path(folder) / "twins" / "__init__.py").touch()
        machine = Machine(Path(folder) / "home", program=Path(folder))
        machine.start()
        yield machine
        machine.close()


class Callers(threading.Thread):
    """Calls a twin again and again, each time on a connection of its own, and keeps what it is told."""

    def __init__(self, machine: Machine, slug: str) -> None:
        super().__init__()
        self.twin = machine.twin(slug)
        self.over = threading.Event()
        self.written: list[str] = []
        self.failures: list[str] = []

    def run(self) -> None:
        while not self.over.is_set():
            name = f"bolt-{len(self.written):05}"
            try:
                self.twin.call("put", {"slice": "stock", "id": name, "body": {}})
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not happen
                self.failures.append(repr(error))
            self.written.append(name)


def test_an_upgrade_refuses_no_caller_loses_no_call_and_brings_the_new_code(copied: Machine) -> None:
    copied.create("acme")
    copied.create("beta", keep_awake=True)
    copied.create("core", tier="dedicated")
    callers = [Callers(copied, slug) for slug in ("acme", "beta", "core")]
    for slug in ("acme", "core"):
        copied.put(slug, "first")
    before = copied.client.ping()
    pids = {slug: copied.status(slug)["pid"] for slug in ("acme", "beta", "core")}
    about = copied.program / "twins" / "runtime" / "server" / "about.py"
    assert OLD in about.read_text()
    about.write_text(about.read_text().replace(OLD, NEW))
    for caller in callers:
        caller.start()
    copied.client.upgrade()
    eventually(partial(renewed_host, copied, before["since"]))
    eventually(lambda: all(renewed(copied, slug, pid) for slug, pid in pids.items()))
    for caller in callers:
        caller.over.set()
        caller.join()
    assert [caller.failures for caller in callers] == [[], [], []]
    assert copied.client.ping()["pid"] == before["pid"]
    for caller, slug in zip(callers, pids, strict=True):
        assert set(caller.written) <= set(stock(copied, slug))
        assert copied.twin(slug).about()["protocol"] == "mycelium/2"


def test_a_hangup_signal_upgrades_too_and_twice_in_a_row(copied: Machine) -> None:
    for slug in ("acme", "beta"):
        copied.create(slug)
    copied.put("beta", "bolt")
    pid = copied.status("beta")["pid"]
    # A placement that cannot be read costs this twin its place, and nobody else's.
    (copied.folder("beta") / "placement.json").write_text("{")
    for name in ("bolt", "nut"):
        since = copied.client.ping()["since"]
        copied.put("acme", name)
        copied.host.send_signal(signal.SIGHUP)
        eventually(partial(renewed_host, copied, since))
    assert copied.stock("acme") == ["bolt", "nut"]
    eventually(lambda: gone(pid))
    assert [one["slug"] for one in copied.client.list()] == ["acme"]


def test_a_program_that_does_not_start_is_not_upgraded_to(copied: Machine) -> None:
    copied.create("acme")
    copied.put("acme", "bolt")
    before, pid = copied.client.ping(), copied.status("acme")["pid"]
    (copied.program / "twins" / "host" / "server.py").write_text("this is no program")
    with pytest.raises(HostError, match="does not start"):
        copied.client.upgrade()
    assert copied.client.ping() == before
    assert copied.status("acme")["pid"] == pid
    assert copied.stock("acme") == ["bolt"]


def renewed_host(machine: Machine, since: str) -> bool:
    return bool(machine.client.ping()["since"] != since)


def renewed(machine: Machine, slug: str, pid: int) -> bool:
    return machine.status(slug)["pid"] not in (None, pid)


def stock(machine: Machine, slug: str) -> list[str]:
    """All of it, page by page."""
    found: list[str] = []
    after = None
    while True:
        page = machine.twin(slug).objects("stock", 1000, after)
        found += [one["id"] for one in page["objects"]]
        after = page["next"]
        if after is None:
            return found
