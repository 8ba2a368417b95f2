"""What a log acknowledged is on disk, whichever way it writes; what the disk refuses ends the process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.logs import Open, make
from twins.runtime.log.disk import Pace

EXIT_IO_ERROR = 74
WAYS = [("aio", "uvloop"), ("aio", "asyncio"), ("thread", "uvloop"), ("thread", "asyncio")]


def write(
    home: Path, kind: str, loop: str, callers: int, records: int, **environment: str
) -> tuple[int, list[int], str]:
    """Write in a process of its own: its exit code, what it acknowledged and what it complained of."""
    command = [sys.executable, "-m", "tests.runtime.logs", str(home), kind, loop, str(callers), str(records)]
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
    )
    return run.returncode, [int(line) for line in run.stdout.split()], run.stderr


@pytest.mark.parametrize(("kind", "loop"), WAYS)
def test_everything_acknowledged_is_there_across_segments(tmp_path: Path, kind: str, loop: str) -> None:
    code, told, complaints = write(make(tmp_path), kind, loop, 8, 40)
    assert (code, complaints) == (0, "")
    assert told == list(range(2, 322))
    opened = Open(tmp_path)
    assert (opened.log.seq, opened.log.damage, opened.found.torn) == (321, None, 0)
    assert len(list((tmp_path / "log").glob("*.mlog"))) >= 2


def test_the_quickest_way_is_taken_where_the_system_has_it(tmp_path: Path) -> None:
    if "CS_GNU_LIBC_VERSION" not in os.confstr_names or sys.platform != "linux":
        pytest.skip("not glibc: writes go through a thread")
    program = (
        "import asyncio, os, sys; from pathlib import Path; from twins.runtime.log.disk import open_disk\n"
        "async def run():\n"
        " disk, done = open_disk(Path(sys.argv[1])), asyncio.Event()\n"
        " fd = os.open(Path(sys.argv[1], 'file'), os.O_RDWR | os.O_CREAT)\n"
        " threads = len(os.listdir('/proc/self/task'))\n"
        " disk.write(fd, b'bolt', 0, lambda failed: done.set())\n"
        " await done.wait(); print(threads, os.pread(fd, 9, 0), type(disk.way).__name__); disk.close()\n"
        "asyncio.run(run())"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "1 b'bolt' AioDisk\n"


@pytest.mark.parametrize("callers", [1, 8])
@pytest.mark.parametrize(
    ("kind", "loop", "fault"),
    [
        ("aio", "uvloop", {}),
        ("thread", "uvloop", {}),
        ("aio", "asyncio", {"SHORT": "1"}),
        ("thread", "asyncio", {"SHORT": "1"}),
    ],
)
def test_a_write_that_fails_ends_the_process_and_is_not_acknowledged(
    tmp_path: Path, shim: Path, kind: str, loop: str, callers: int, fault: dict[str, str]
) -> None:
    faults = {"LD_PRELOAD": str(shim), "WRITES_THAT_GO_WELL": "5", **fault}
    code, told, complaints = write(make(tmp_path), kind, loop, callers, 40, **faults)
    assert code == EXIT_IO_ERROR
    assert "the commitlog cannot be written" in complaints
    assert told
    opened = Open(tmp_path)
    assert opened.log.damage is None
    assert opened.log.seq >= told[-1]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount: the full disk was not tried")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here: the full disk was not tried")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("kind", ["aio", "thread"])
def test_a_full_disk_ends_the_process_and_loses_nothing_acknowledged(small_disk: Path, kind: str) -> None:
    code, told, complaints = write(make(small_disk), kind, "uvloop", 4, 2000)
    assert code == EXIT_IO_ERROR
    assert "the commitlog cannot be written" in complaints
    opened = Open(small_disk)
    assert opened.log.damage is None
    assert opened.log.seq >= told[-1] > 100


def test_a_disk_is_quick_while_it_is_slow_only_now_and_then_and_slow_until_it_was_quick_again() -> None:
    pace = Pace()
    for number in range(100):
        pace.note(0.004 if number % 4 == 0 else 0.0001)
        assert pace.is_quick
    for _ in range(4):
        pace.note(0.003)
    assert not pace.is_quick
    pace.note(0.0001)
    assert pace.is_quick
