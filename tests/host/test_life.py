"""Twins sleep, wake, die and come back with everything they acknowledged."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.host.machine import PATIENCE_SECONDS, Machine, eventually, gone, kill
from twins.host.paths import run_dir, socket_of
from twins.runtime.client import TwinUnreachable


def test_twins_are_separate_processes_with_separate_files(machine: Machine) -> None:
    for slug in ("acme", "beta"):
        machine.create(slug)
        machine.put(slug, "bolt")
    pids = {slug: machine.status(slug)["pid"] for slug in ("acme", "beta")}
    assert len({*pids.values(), machine.host.pid}) == 3
    for slug, pid in pids.items():
        files = open_files(pid)
        own = {name for name in files if name.startswith(str(machine.folder(slug)))}
        assert own
        held = {name for name in files if name.startswith(str(machine.home))}
        assert held - own == {str(socket_of(machine.home, slug))}
    assert not any(name.startswith(str(machine.folder("acme"))) for name in open_files(machine.host.pid))


def test_a_sleeping_twin_wakes_when_somebody_calls(machine: Machine) -> None:
    assert machine.create("acme")["state"] == "asleep"
    assert machine.twin("acme").about()["slug"] == "acme"
    assert machine.status("acme")["state"] == "awake"


def test_a_twin_that_slept_has_all_its_data(machine: Machine) -> None:
    machine.create("acme")
    machine.put("acme", "bolt")
    asleep = machine.client.sleep("acme")
    assert (asleep["state"], asleep["pid"]) == ("asleep", None)
    awake = machine.client.wake("acme")
    assert awake["state"] == "awake"
    assert awake["log_bytes"] > 0
    assert machine.stock("acme") == ["bolt"]


def test_a_twin_that_is_told_to_sleep_in_its_first_moment_ends_and_wakes_again(machine: Machine) -> None:
    machine.create("acme")
    machine.put("acme", "bolt")
    for _ in range(10):
        machine.client.sleep("acme")
        machine.client.wake("acme")
    asleep = machine.client.sleep("acme")
    # Neither deaf until it is killed, nor ended with an error of its own.
    assert (asleep["state"], asleep["last_exit"] in (0, -signal.SIGTERM)) == ("asleep", True)
    assert machine.stock("acme") == ["bolt"]


def test_an_unused_twin_falls_asleep_and_answers_again(machine: Machine) -> None:
    machine.create("acme", idle_seconds=0.2)
    machine.put("acme", "bolt")
    eventually(lambda: machine.status("acme")["state"] == "asleep")
    assert machine.stock("acme") == ["bolt"]


def test_a_killed_twin_keeps_every_acknowledged_write(machine: Machine) -> None:
    machine.create("acme")
    acknowledged = []
    for turn in range(5):
        for part in range(5):
            machine.put("acme", f"bolt-{turn}-{part}")
            acknowledged.append(f"bolt-{turn}-{part}")
        kill(machine.status("acme")["pid"])
        assert machine.stock("acme") == acknowledged


def test_a_twin_that_is_kept_awake_starts_at_once_and_again(machine: Machine) -> None:
    machine.create("acme", keep_awake=True)
    first = machine.status("acme")["pid"]
    assert first is not None
    kill(first)
    eventually(lambda: machine.status("acme")["pid"] not in (first, None))


def test_a_twin_that_is_kept_awake_sleeps_only_when_told_and_until_called(machine: Machine) -> None:
    machine.create("acme", keep_awake=True)
    assert machine.client.sleep("acme")["state"] == "asleep"
    assert machine.status("acme")["state"] == "asleep"
    assert machine.twin("acme").about()["slug"] == "acme"
    assert machine.status("acme")["state"] == "awake"


def test_a_killed_host_takes_its_twins_along_and_a_new_one_serves_the_same_data(machine: Machine) -> None:
    machine.create("acme")
    machine.put("acme", "bolt")
    pid = machine.status("acme")["pid"]
    machine.kill()
    eventually(lambda: gone(pid))
    assert socket_of(machine.home, "acme").exists()
    machine.start()
    assert machine.stock("acme") == ["bolt"]


def test_ctrl_c_leaves_no_process_and_no_socket(machine: Machine) -> None:
    machine.create("acme", keep_awake=True)
    machine.create("beta")
    machine.put("beta", "bolt")
    assert len(machine.session()) == 3
    os.killpg(machine.host.pid, signal.SIGINT)
    assert machine.host.wait(PATIENCE_SECONDS) == 0
    assert machine.session() == set()
    assert not run_dir(machine.home).exists()
    machine.start()
    assert machine.stock("beta") == ["bolt"]


def test_a_twin_that_cannot_start_is_tried_less_and_less_and_harms_no_other(machine: Machine) -> None:
    machine.create("acme", keep_awake=True)
    machine.create("beta")
    machine.put("acme", "bolt")
    machine.client.sleep("acme")
    (log,) = (machine.folder("acme") / "log").glob("*.mlog")
    sound = log.read_bytes()
    log.write_bytes(sound[:40] + bytes([sound[40] ^ 1]) + sound[41:])
    machine.client.wake("acme")
    eventually(lambda: refused(machine, "acme"))
    assert machine.status("acme")["state"] == "failed"
    machine.put("beta", "nut")
    log.write_bytes(sound)
    eventually(lambda: not refused(machine, "acme"))
    assert machine.stock("acme") == ["bolt"]


def refused(machine: Machine, slug: str) -> bool:
    """Is a caller sent away at once instead of being kept waiting?"""
    try:
        machine.twin(slug).about()
    except TwinUnreachable:
        return True
    return False


def open_files(pid: int) -> set[str]:
    """Paths of the files and unix sockets that a process has open."""
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    sockets = {f"socket:[{line[6]}]": line[7] for line in lines if len(line) > 7}
    names = {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    return {sockets.get(name, name) for name in names}
