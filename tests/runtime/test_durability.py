"""What a twin has acknowledged is there, whatever happened to its process or its disk."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runtime.conftest import Make
from tests.runtime.machine import Machine
from twins.runtime.client import TwinError, TwinUnreachable
from twins.runtime.log.frame import MAGIC, START, UNWRITTEN, LogDamaged, Seal, walk
from twins.runtime.log.reader import path_of
from twins.runtime.module import load
from twins.runtime.twin import Twin

ROUNDS, WRITERS = 10, 3


def write_until_gone(machine: Machine, name: str, acknowledged: list[str]) -> None:
    client = machine.mine
    for number in range(100_000):
        id_ = f"{name}-{number}"
        try:
            client.call("put", {"slice": "catalogue", "id": id_, "body": {"n": number}})
        except TwinUnreachable:
            return
        acknowledged.append(id_)


def all_ids(machine: Machine) -> set[str]:
    found: set[str] = set()
    after: str | None = None
    while True:
        page = machine.mine.objects("catalogue", limit=1000, after=after)
        found |= {row["id"] for row in page["objects"]}
        after = page["next"]
        if after is None:
            return found


def test_a_killed_twin_keeps_every_acknowledged_write(make: Make) -> None:
    machine = make()
    acknowledged: list[str] = []
    for number in range(ROUNDS):
        machine.start()
        before = len(acknowledged)
        names = [f"{number}-{writer}" for writer in range(WRITERS)]
        threads = [threading.Thread(target=write_until_gone, args=(machine, n, acknowledged)) for n in names]
        for thread in threads:
            thread.start()
        while len(acknowledged) < before + 20:
            assert machine.process is not None
            assert machine.process.poll() is None
        machine.kill()
        for thread in threads:
            thread.join()
    assert len(acknowledged) >= ROUNDS * 20
    assert set(acknowledged) <= all_ids(machine.start())


def test_a_torn_tail_costs_only_the_record_that_was_never_acknowledged(make: Make) -> None:
    machine = make()
    machine.start().mine.call("put", {"slice": "catalogue", "id": "kept", "body": {}})
    machine.kill()
    path = path_of(machine.directory)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[len(MAGIC) : len(MAGIC) + 100])
    assert machine.start().mine.object("catalogue", "kept")["body"] == {}
    cut = machine.mine.get("/v1/log", {"order": "desc", "limit": 10})["records"]
    recovered = [record for record in cut if record["kind"] == "recovered"]
    assert [record["args"] for record in recovered] == [{"cut_bytes": 100, "after": 3}]


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=5), st.data())
@settings(max_examples=60)
def test_whatever_part_of_the_last_frame_is_missing_the_earlier_ones_are_read(
    bodies: list[bytes], data: st.DataObject
) -> None:
    seal, head, log, ends = Seal(bytes(32)), START, b"", [0]
    for seq, body in enumerate(bodies, 1):
        frame = seal.close(seq, head, body)
        head, log = frame[-32:], log + frame
        ends.append(len(log))
    zeros = data.draw(st.booleans())
    size = data.draw(st.integers(ends[-2], ends[-1] - (UNWRITTEN if zeros else 1)))
    torn = log[:size] + (bytes(len(log) - size) if zeros else b"")
    found = [seal.open(frame) for frame in walk(memoryview(torn), 0, 1, START)]
    assert found == bodies[:-1]


@given(st.data())
@settings(max_examples=80)
def test_a_flipped_bit_before_the_last_frame_is_never_taken_for_a_torn_tail(data: st.DataObject) -> None:
    seal, head, log, ends = Seal(bytes(32)), START, b"", [0]
    for seq in range(1, 5):
        frame = seal.close(seq, head, b"x" * 20 * seq)
        head, log = frame[-32:], log + frame
        ends.append(len(log))
    bit = data.draw(st.integers(0, ends[-2] * 8 - 1))
    flipped = bytearray(log)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(LogDamaged) as caught:
        list(walk(memoryview(bytes(flipped)), 0, 1, START))
    assert caught.value.seq == next(seq for seq in range(1, 5) if bit // 8 < ends[seq])


def test_a_flipped_byte_in_the_middle_is_named_and_the_twin_refuses_to_serve(make: Make) -> None:
    machine = make().start()
    for number in range(5):
        machine.mine.call("put", {"slice": "catalogue", "id": f"o{number}", "body": {}})
    machine.stop()
    path = path_of(machine.directory)
    data = bytearray(path.read_bytes())
    third = list(walk(memoryview(bytes(data)), len(MAGIC), 1, START))[2]
    data[third.offset + 60] ^= 1
    path.write_bytes(data)
    verified = machine.run("verify")
    assert verified.returncode == 1
    assert f"record 3 at byte {third.offset}" in verified.stdout
    process = machine.spawn()
    assert process.wait(30) == 65
    assert "record 3" in machine.errors.read_text()
    assert path.read_bytes() == bytes(data)


def test_a_second_process_cannot_open_the_same_twin(twin: Machine) -> None:
    other = Machine(twin.directory, twin.owner, twin.id)
    command = [sys.executable, "-m", "twins.runtime", "serve", str(other.directory), "--port", "0"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 75
    assert "another process has this twin open" in second.stderr
    assert "Traceback" not in second.stderr
    assert twin.mine.about()["id"] == twin.id


def test_replaying_the_log_gives_the_same_state(twin: Machine, place: Path) -> None:
    twin.mine.call("put", {"slice": "catalogue", "id": "a", "body": {"deep": {"x": [1, "é", None]}}}, "key")
    twin.mine.call("patch", {"slice": "catalogue", "id": "a", "body": {"y": True}})
    twin.mine.call("put", {"slice": "catalogue", "id": "b", "body": {}})
    twin.mine.call("delete", {"slice": "catalogue", "id": "b"})
    twin.mine.call("rotate_key", {})
    twin.stop()
    shutil.copytree(twin.directory, place / "copy")
    first, second = (Twin(where, load("twin")).state for where in (twin.directory, place / "copy"))
    assert first.digest() == second.digest()
    assert first.get("object/catalogue", "a")["body"] == {"deep": {"x": [1, "é", None]}, "y": True}


def test_a_disk_that_refuses_a_write_stops_the_twin_without_an_answer(make: Make) -> None:
    machine = make().start()
    assert machine.process is not None
    limit = path_of(machine.directory).stat().st_size + 2000
    resource.prlimit(machine.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    acknowledged: list[str] = []
    write_until_gone(machine, "o", acknowledged)
    assert machine.process.wait(30) == os.EX_IOERR
    assert "the commitlog cannot be written" in machine.errors.read_text()
    assert acknowledged
    assert set(acknowledged) <= all_ids(machine.start())


def test_a_call_that_the_disk_refused_leaves_no_trace_behind(make: Make) -> None:
    machine = make().start()
    assert machine.process is not None
    size = path_of(machine.directory).stat().st_size
    resource.prlimit(machine.process.pid, resource.RLIMIT_FSIZE, (size, size))
    with pytest.raises(TwinUnreachable):
        machine.mine.call("put", {"slice": "catalogue", "id": "lost", "body": {}})
    machine.process.wait(30)
    with pytest.raises(TwinError) as refused:
        machine.start().mine.object("catalogue", "lost")
    assert refused.value.status == 404
