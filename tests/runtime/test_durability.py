"""What a twin has acknowledged is there, whatever happened to its process or its disk."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.conftest import Make
from tests.runtime.machine import Machine, grant_args, person, raw
from twins.runtime.client import TwinError, TwinUnreachable
from twins.runtime.log.epoch import fence
from twins.runtime.log.frame import close as close_frame
from twins.runtime.log.scan import Scan
from twins.runtime.log.segments import HEADER_BYTES, list_segments, path_of
from twins.runtime.module import load
from twins.runtime.twin import Twin

KILLS = int(os.environ.get("MYCELIUM_KILLS", "200" if os.environ.get("CI") else "25"))
KILLS_A_TWIN = 25
WRITERS = 3
PAIR = 2


def write_until_gone(machine: Machine, name: str, acknowledged: list[str]) -> None:
    client = machine.mine
    for number in range(100_000):
        id_ = f"{name}-{number}"
        try:
            client.call("put", {"slice": "catalogue", "id": id_, "body": {"n": number}})
        except TwinUnreachable:
            return
        acknowledged.append(id_)


def write_pairs_until_gone(machine: Machine, name: str, acknowledged: list[str], tried: list[str]) -> None:
    """Two objects a call, each call with its own idempotency key."""
    client = machine.mine
    for number in range(100_000):
        id_ = f"{name}-{number}"
        tried.append(id_)
        try:
            client.call("put_many", {"slice": "catalogue", "objects": pair(id_)}, id_)
        except TwinUnreachable:
            return
        acknowledged.append(id_)


def pair(id_: str) -> list[dict[str, Any]]:
    return [{"id": f"{id_}-{half}", "body": {}} for half in range(PAIR)]


def all_ids(machine: Machine) -> set[str]:
    found: set[str] = set()
    after: str | None = None
    while True:
        page = machine.mine.objects("catalogue", limit=1000, after=after)
        found |= {row["id"] for row in page["objects"]}
        after = page["next"]
        if after is None:
            return found


@pytest.mark.parametrize("first", range(0, KILLS, KILLS_A_TWIN))
def test_a_twin_killed_at_any_moment_loses_nothing_halves_nothing_and_doubles_nothing(
    make: Make, first: int
) -> None:
    machine = make()
    acknowledged: list[str] = []
    tried: list[str] = []
    luck = random.Random(first)
    for number in range(min(KILLS - first, KILLS_A_TWIN)):
        machine.start()
        before = len(acknowledged)
        names = [f"{number}-{writer}" for writer in range(WRITERS)]
        threads = [
            threading.Thread(target=write_pairs_until_gone, args=(machine, name, acknowledged, tried))
            for name in names
        ]
        for thread in threads:
            thread.start()
        while len(acknowledged) < before + 3:
            assert machine.process is not None
            assert machine.process.poll() is None
        time.sleep(luck.uniform(0, 0.1))
        machine.kill()
        for thread in threads:
            thread.join()
    machine.start()
    for id_ in tried[-WRITERS:]:
        machine.mine.call("put_many", {"slice": "catalogue", "objects": pair(id_)}, id_)
    found = Counter(id_.rpartition("-")[0] for id_ in all_ids(machine))
    assert set(acknowledged) <= found.keys() <= set(tried)
    assert set(found.values()) == {PAIR}
    machine.stop()
    keys = Counter(
        record["idempotency_key"] for record in machine.records() if record["reducer"] == "put_many"
    )
    assert set(keys) == set(found)
    assert set(keys.values()) == {1}


def test_a_torn_tail_costs_only_the_record_that_was_never_acknowledged(make: Make) -> None:
    machine = make()
    machine.start().mine.call("put", {"slice": "catalogue", "id": "kept", "body": {}})
    machine.stop()
    path = path_of(machine.directory)
    whole = path.read_bytes()
    head = [frame for frame, _ in Scan(machine.directory)][-1]
    torn = head.seq + 1
    path.write_bytes(whole + close_frame(torn, torn, head.hash, b"x" * 200)[0][:100])
    assert "bytes of an unfinished write: 100" in machine.run("verify").stdout
    assert machine.start().mine.object("catalogue", "kept")["body"] == {}
    cut = machine.mine.get("/v1/log", {"order": "desc", "limit": 10})["records"]
    recovered = [record for record in cut if record["kind"] == "recovered"]
    assert [record["args"] for record in recovered] == [{"cut_bytes": 100, "after": head.seq}]


def test_a_damaged_middle_leaves_a_twin_that_is_read_up_to_there_and_never_written(make: Make) -> None:
    reader = person("twin")
    machine = make().start()
    machine.mine.call("grant", grant_args(reader))
    puts = [
        machine.mine.call("put", {"slice": "catalogue", "id": f"o{number}", "body": {}}).seq
        for number in range(5)
    ]
    machine.stop()
    path = path_of(machine.directory)
    data = bytearray(path.read_bytes())
    (third,) = [frame for frame, _ in Scan(machine.directory) if frame.seq == puts[2]]
    data[third.offset + 70] ^= 1
    path.write_bytes(data)
    verified = machine.run("verify")
    assert verified.returncode == 1
    assert f"record {third.seq} at byte {third.offset} of {path.name}" in verified.stdout
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    machine.start()
    assert all_ids(machine) == {"o0", "o1"}
    assert json.loads(raw(machine, "/healthz", "")[1]) == {"status": "damaged"}
    assert machine.mine.about()["damaged"]["record"] == third.seq
    assert len(machine.mine.get("/v1/log")["records"]) == third.seq - 1
    for refuse in (
        lambda: machine.mine.call("put", {"slice": "catalogue", "id": "x", "body": {}}),
        lambda: machine.client(reader).objects("catalogue"),
    ):
        with pytest.raises(TwinError) as refused:
            refuse()
        assert refused.value.status == 503
        assert f"record {third.seq}" in str(refused.value)
    with pytest.raises(TwinError) as stranger:
        machine.client(reader).objects("margins")
    assert stranger.value.status == 403
    assert machine.stop() == 0
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


def test_a_log_of_which_nothing_can_be_read_is_not_served(make: Make) -> None:
    machine = make()
    path = path_of(machine.directory)
    data = bytearray(path.read_bytes())
    data[HEADER_BYTES + 70] ^= 1
    path.write_bytes(data)
    assert machine.spawn().wait(30) == 65
    assert "record 1" in machine.errors.read_text()
    assert path.read_bytes() == bytes(data)


def test_a_copy_that_was_fenced_takes_no_more_writes_and_an_older_one_does_not_open(
    make: Make, place: Path
) -> None:
    machine = make().start()
    machine.mine.call("put", {"slice": "catalogue", "id": "a", "body": {}})
    assert fence(machine.directory) == 2
    time.sleep(0.1)
    with pytest.raises(TwinError) as moved:
        machine.mine.call("put", {"slice": "catalogue", "id": "b", "body": {}})
    assert (moved.value.status, moved.value.type) == (410, "/problems/moved")
    machine.stop()
    shutil.copytree(machine.directory, place / "0" / "old")
    machine.start().mine.call("put", {"slice": "catalogue", "id": "c", "body": {}})
    assert all_ids(machine) == {"a", "c"}
    machine.stop()
    assert len(list_segments(machine.directory)) == 2
    assert machine.run("verify").returncode == 0
    (machine.directory / "epoch").write_text("1\n")
    assert machine.spawn().wait(30) == 69
    assert "its epoch is 1, yet its log was written at 2" in machine.errors.read_text()


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
