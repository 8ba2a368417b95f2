"""The doctor: one line for each thing, and for what is not well a sentence that helps."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtime.conftest import Make
from twins.runtime.doctor import examine
from twins.runtime.log.segments import path_of


def levels(directory: Path) -> dict[str, str]:
    return {finding.name: finding.level for finding in examine(directory)}


def test_a_twin_that_is_well_has_no_failing_line_asleep_or_awake(make: Make) -> None:
    machine = make()
    assert machine.run("snapshot").returncode == 0
    asleep = machine.run("doctor", "--deep")
    assert asleep.returncode == 0
    assert "fail" not in asleep.stdout
    assert "the twin sleeps" in asleep.stdout
    assert re.search(r"kernel: Landlock \S+, seccomp (there|missing)", asleep.stdout)
    assert f"{1:020d}.json holds" in asleep.stdout
    machine.start()
    assert machine.process is not None
    told = json.loads(machine.run("doctor", "--json").stdout)
    found = {one["name"]: one for one in told["findings"]}
    assert told["ok"]
    assert f"process {machine.process.pid} has the twin open" in found["process"]["says"]
    assert found["core dumps"]["level"] == "ok"
    assert all(one["remedy"] for one in told["findings"] if one["level"] != "ok")


def test_what_is_broken_is_named_with_a_remedy_and_exit_code_1(make: Make) -> None:
    machine = make()
    assert set(levels(machine.directory).values()) <= {"ok", "warn"}
    log = path_of(machine.directory)
    whole = log.read_bytes()
    log.write_bytes(whole[:60] + bytes([whole[60] ^ 1]) + whole[61:])
    done = machine.run("doctor")
    assert done.returncode == 1
    assert [line for line in done.stdout.splitlines() if line.startswith("fail") and "Restore" in line]
    log.write_bytes(whole)
    (machine.directory / "keys").chmod(0o755)
    assert levels(machine.directory)["modes"] == "fail"
    (machine.directory / "keys").chmod(0o700)
    (machine.directory / "keys" / "vault.key").unlink()
    assert levels(machine.directory)["vault"] == "fail"
    assert levels(machine.directory / "nowhere") == {"directory": "fail"}


def test_a_twin_that_crashes_leaves_no_memory_behind(make: Make) -> None:
    machine = make()
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    if limits[1] == 0:
        pytest.skip("core dumps are forbidden here anyway")
    resource.setrlimit(resource.RLIMIT_CORE, (limits[1], limits[1]))
    try:
        machine.start(fresh=True)
        plain = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, cwd=machine.directory
        )
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, limits)
    assert isinstance(machine.process, subprocess.Popen)
    assert not dumped(machine.process)
    if not dumped(plain):
        pytest.skip("this machine dumps nothing, so nothing was shown")


def dumped(process: subprocess.Popen[bytes]) -> bool:
    process.send_signal(signal.SIGABRT)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = -signal.SIGABRT
    if process.stdin is not None:
        process.stdin.close()
    return os.WCOREDUMP(status)


AS_NOBODY = "import ctypes, os, time; os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534); "
# What a change of the user takes away, an exec would give back.
DUMPABLE = "ctypes.CDLL(None).prctl(4, 1, 0, 0, 0); "
HARDENED = "from twins.runtime.hardening import no_core_dumps; " + AS_NOBODY + DUMPABLE + "no_core_dumps(); "
WAITING = "print(flush=True); time.sleep(60)"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_process_that_holds_keys_cannot_be_looked_into_by_another_of_its_user() -> None:
    refused = []
    for code in (AS_NOBODY + DUMPABLE, HARDENED):
        with subprocess.Popen([sys.executable, "-c", code + WAITING], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            look = AS_NOBODY + f"open('/proc/{process.pid}/environ', 'rb')"
            seen = subprocess.run([sys.executable, "-c", look], capture_output=True, check=False)
            refused.append(b"PermissionError" in seen.stderr)
            process.kill()
    assert refused == [False, True]
