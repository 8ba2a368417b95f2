"""A disk that takes no rename, or does not keep a folder's entries, costs nothing that was acknowledged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from errno import EIO, ENOSPC
from pathlib import Path

import pytest

from tests.runtime.conftest import Make
from tests.runtime.faults import FailingDisk
from tests.runtime.forked import run
from tests.runtime.logs import Open, make
from tests.runtime.machine import Machine
from tests.runtime.test_disk import EXIT_IO_ERROR, write
from twins.runtime.client import TwinError

FAULTS = [("rename", ENOSPC), ("fsync", EIO), ("rename", EIO), ("fsync", ENOSPC)]
# What a program does between the lines: each command's exit code, then the fence's failure.
COMMANDS = """
import json, sys
from pathlib import Path
from twins.runtime.cli import main
from twins.runtime.log.epoch import fence
home, other = sys.argv[1:]
for command in (["snapshot", home], ["vault", "rewrap", home, "--to", "file", "--set", f"path={other}/key"],
                ["init", f"{other}/new", "--twin", "new"]):
    print(main(command))
try:
    fence(Path(home))
except OSError as error:
    print(error.strerror, error.filename)
"""
all_faults = pytest.mark.parametrize(("call", "error"), FAULTS if os.environ.get("CI") else FAULTS[:2])


@pytest.fixture
def disk(shim: Path, tmp_path: Path) -> FailingDisk:
    return FailingDisk(shim, tmp_path / "fault")


def complaints(machine: Machine) -> str:
    return machine.errors.read_text() if machine.errors.exists() else ""


def served(machine: Machine, disk: FailingDisk) -> Machine:
    machine.environment = disk.environment
    return machine.start(fresh=True)


def stays_whole(machine: Machine) -> None:
    """It opens on a disk that works, with what was acknowledged, and takes more."""
    assert machine.start().mine.object("catalogue", "kept")["body"] == {}
    machine.mine.call("put", {"slice": "catalogue", "id": "more", "body": {}})
    assert machine.stop() == 0
    assert machine.run("verify").returncode == 0


@all_faults
def test_a_segment_that_cannot_be_begun_ends_the_process_and_loses_nothing_acknowledged(
    tmp_path: Path, disk: FailingDisk, call: str, error: int
) -> None:
    home = make(tmp_path / "home")
    with disk.fails(call, error, ".mlog" if call == "rename" else "/log/"):
        code, told, said = write(home, "best", "uvloop", 8, 40, **disk.environment)
    assert code == EXIT_IO_ERROR
    assert f"the commitlog cannot be written ({os.strerror(error)}); stopping" in said
    opened = Open(home)
    assert (opened.log.damage, opened.found.torn) == (None, 0)
    assert opened.log.seq >= told[-1] > 100


@all_faults
def test_a_key_that_cannot_be_kept_replaces_none_and_the_call_is_told_why(
    make: Make, disk: FailingDisk, call: str, error: int
) -> None:
    machine = served(make(), disk)
    machine.mine.call("put", {"slice": "catalogue", "id": "kept", "body": {}})
    before = machine.mine.about()["kid"]
    with disk.fails(call, error, "/keys/"):
        with pytest.raises(TwinError) as refused:
            machine.mine.call("rotate_key", {})
        assert (refused.value.status, refused.value.type) == (503, "/problems/disk-failed")
        machine.mine.call("put", {"slice": "catalogue", "id": "kept", "body": {}})
    assert machine.mine.about()["kid"] == before
    last = machine.mine.get("/v1/log", {"order": "desc", "limit": 2})["records"][1]
    assert (last["kind"], last["reducer"]) == ("failed", "rotate_key")
    machine.mine.call("rotate_key", {})
    assert machine.mine.about()["kid"] != before
    with disk.fails(call, error, "/log/"):
        machine.mine.call("put", {"slice": "catalogue", "id": "kept", "body": {}})
        assert machine.stop() == EXIT_IO_ERROR
    assert os.strerror(error) in complaints(machine)
    assert "Traceback" not in complaints(machine)
    stays_whole(machine)


@all_faults
def test_an_erasure_that_the_disk_refuses_is_completed_when_it_works_again(
    make: Make, disk: FailingDisk, call: str, error: int
) -> None:
    machine = served(make(), disk)
    for id_ in ("kept", "p7"):
        machine.mine.call("put", {"slice": "catalogue", "id": id_, "body": {}})
    with disk.fails(call, error, "/keys/"):
        machine.mine.call("erase", {"slice": "catalogue", "id": "p7", "reason": "asked"})
        while "an erasure cannot be completed yet" not in complaints(machine):
            assert machine.process is not None
            assert machine.process.poll() is None
        machine.stop()
    assert os.strerror(error) in complaints(machine)
    machine.start()
    while "erased" not in [row["reducer"] for row in machine.mine.get("/v1/log")["records"]]:
        assert machine.process is not None
        assert machine.process.poll() is None
    machine.stop()
    stays_whole(machine)


@all_faults
def test_a_command_that_the_disk_refuses_says_so_and_leaves_the_twin_as_it_was(
    make: Make, disk: FailingDisk, tmp_path: Path, call: str, error: int
) -> None:
    machine = make().start()
    machine.mine.call("put", {"slice": "catalogue", "id": "kept", "body": {}})
    machine.stop()
    (tmp_path / "other").mkdir()
    arguments = [sys.executable, "-c", COMMANDS, str(machine.directory), str(tmp_path / "other")]
    with disk.fails(call, error, "/"):
        told = subprocess.run(
            arguments,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, **disk.environment},
        )
    *codes, fenced = told.stdout.splitlines()
    assert codes == ["1", "1", "1"], told
    assert os.strerror(error) in fenced
    errors = told.stderr.splitlines()
    assert [line.startswith("error: /") and os.strerror(error) in line for line in errors] == [True] * 3
    stays_whole(machine)
    assert json.loads(machine.run("snapshot", "--json").stdout)["rows"] > 0
    assert run(["init", str(tmp_path / "other" / "new"), "--twin", "new"]).returncode == 0
