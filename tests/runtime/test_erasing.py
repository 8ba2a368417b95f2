"""An erasure, whole: nothing that is left on the disk shows the object, and everything else holds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.conftest import Make
from tests.runtime.machine import Machine
from twins.runtime.client import TwinError
from twins.runtime.module import load
from twins.runtime.twin import Twin

CANARY = "eve-and-her-secret"
ASKED = {"slice": "catalogue", "id": "p7", "reason": "asked by the person"}


def stocked(make: Make) -> Machine:
    machine = make().start()
    mine = machine.mine
    mine.call("put", {"slice": "catalogue", "id": "p7", "body": {"name": CANARY}}, "k1")
    mine.call("patch", {"slice": "catalogue", "id": "p7", "body": {"note": CANARY}})
    many = [{"id": "p6", "body": {"name": "Adam"}}, {"id": "p7", "body": {"name": CANARY}}]
    mine.call("put_many", {"slice": "catalogue", "objects": many}, "k2")
    with pytest.raises(TwinError):
        mine.call("put", {"slice": "catalogue", "id": "p7", "body": {"name": CANARY}, "more": 1})
    mine.call("put", {"slice": "catalogue", "id": "p8", "body": {"name": "Cain"}})
    return machine


def reducers(machine: Machine) -> list[str]:
    records = machine.mine.get("/v1/log", {"limit": 1000})["records"]
    return [record["reducer"] for record in records]


def wait_for(machine: Machine, reducer: str) -> None:
    while reducer not in reducers(machine):
        assert machine.process is not None
        assert machine.process.poll() is None


def rest_of(machine: Machine) -> dict[str, Any]:
    return {row["id"]: row["body"] for row in machine.mine.objects("catalogue")["objects"]}


def test_an_erased_object_is_in_no_record_any_more_and_the_log_still_holds(make: Make, place: Path) -> None:
    machine = stocked(make)
    machine.stop()
    assert machine.run("snapshot").returncode == 0
    shutil.copytree(machine.directory, place / "before")
    machine.start().mine.call("erase", ASKED)
    wait_for(machine, "erased")
    assert rest_of(machine) == {"p6": {"name": "Adam"}, "p8": {"name": "Cain"}}
    shown = machine.mine.get("/v1/log", {"limit": 1000})
    assert CANARY not in json.dumps(shown)
    assert [row["args"] for row in shown["records"]].count({"erased": True}) == 4
    last = next(row for row in shown["records"] if row["reducer"] == "erased")
    assert (last["args"]["records"], last["args"]["parts"]) == (4, 5)
    machine.stop()
    verified = json.loads(machine.run("verify", "--json").stdout)
    assert (verified["ok"], verified["problem"]) == (True, None)
    state = Twin(machine.directory, load("twin")).state
    assert state.digest() == verified["digest"]
    (row,) = (value for _, value in state.scan("erasure"))
    assert row["status"] == "erased"
    # Neither do the snapshots from before help: the vault wraps another key now.
    shutil.copytree(place / "before" / "snapshots", machine.directory / "snapshots", dirs_exist_ok=True)
    assert rest_of(machine.start()) == {"p6": {"name": "Adam"}, "p8": {"name": "Cain"}}
    assert CANARY not in json.dumps(machine.mine.get("/v1/log", {"limit": 1000}))


def test_a_retry_of_an_erased_call_is_a_new_call_and_other_answers_stay(make: Make) -> None:
    machine = stocked(make)
    kept = machine.mine.call("put", {"slice": "catalogue", "id": "p9", "body": {}}, "k3")
    machine.mine.call("erase", ASKED)
    wait_for(machine, "erased")
    again = machine.mine.call("put", {"slice": "catalogue", "id": "p9", "body": {}}, "k3")
    assert again.seq == kept.seq
    state_before = reducers(machine).count("put")
    machine.mine.call("put", {"slice": "catalogue", "id": "p7", "body": {"name": "new"}}, "k1")
    assert reducers(machine).count("put") == state_before + 1
    machine.kill()
    assert rest_of(machine.start())["p7"] == {"name": "new"}


def test_an_erasure_that_a_crash_interrupts_is_completed(make: Make) -> None:
    machine = stocked(make)
    for _ in range(3):
        machine.mine.call("erase", ASKED)
        machine.kill()
        machine.start()
    while reducers(machine).count("erased") < 3:
        assert machine.process is not None
        assert machine.process.poll() is None
    assert CANARY not in json.dumps(machine.mine.get("/v1/log", {"limit": 1000}))
    machine.stop()
    assert machine.run("verify").returncode == 0


def test_a_twin_starts_from_its_snapshot_and_reads_nothing_before(make: Make) -> None:
    machine = stocked(make)
    machine.stop()
    saved = json.loads(machine.run("snapshot", "--json").stdout)
    whole = Twin(machine.directory, load("twin"))
    assert whole.snapshot is not None
    assert whole.snapshot.seq == saved["seq"]
    digest = whole.state.digest()
    shutil.rmtree(machine.directory / "snapshots")
    full = Twin(machine.directory, load("twin"))
    assert full.snapshot is None
    assert full.state.digest() == digest


def test_a_snapshot_that_is_ahead_of_the_log_is_passed_over(make: Make, place: Path) -> None:
    machine = stocked(make)
    machine.stop()
    shutil.copytree(machine.directory / "log", place / "log")
    machine.start().mine.call("put", {"slice": "catalogue", "id": "late", "body": {}})
    machine.stop()
    machine.run("snapshot")
    shutil.rmtree(machine.directory / "log")
    shutil.copytree(place / "log", machine.directory / "log")
    assert "late" not in rest_of(machine.start())
    assert "is passed over" in machine.errors.read_text()
