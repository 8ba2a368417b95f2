"""Erasure: the owner alone asks for it, and exactly the parts that hold the object's values are found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest

from tests.runtime.conftest import Make
from tests.runtime.machine import Machine, entry, person
from twins.runtime import codec
from twins.runtime.client import TwinError
from twins.runtime.erasure import find_parts
from twins.runtime.keys import KeyStore
from twins.runtime.keytree import Shredded
from twins.runtime.module import load
from twins.runtime.twin import Twin

ASKED = {"slice": "catalogue", "id": "p7", "reason": "asked by the person"}


class Head(NamedTuple):
    seq: int
    kind: str
    effects: Sequence[tuple[str, str, str, int]]


class Said(NamedTuple):
    args: bytes
    result: bytes = b"null"


class Line(NamedTuple):
    """A record as the log opens it."""

    head: Head
    said: Said | None

    def part(self, n: int, /) -> Said | None:
        return self.said if n == 0 else None


def line(seq: int, kind: str, args: Any, *effects: tuple[str, str, str, int], erased: bool = False) -> Line:
    return Line(Head(seq, kind, effects), None if erased else Said(codec.encode(args)))


ROW = "object/catalogue"
ONE = {"slice": "catalogue", "id": "p7", "body": {"name": "Eve"}}
MANY = {"slice": "catalogue", "objects": [{"id": "p6", "body": {}}, {"id": "p7", "body": {}}]}
LOG = [
    line(1, "call", {"slug": "acme"}),
    line(2, "call", ONE, ("put", ROW, "p7", 0), ("put", "answer", "user:a k", 0)),
    line(3, "call", ONE, ("put", "object/margins", "p7", 0)),
    line(4, "call", MANY, ("put", ROW, "p6", 1), ("put", ROW, "p7", 2), ("put", "answer", "user:a l", 0)),
    line(5, "call", {"sha256": "…"}, ("put", "origin", "catalogue/p7", 1), ("put", ROW, "p7", 2)),
    line(6, "failed", ONE),
    line(7, "denied", {**ONE, "slice": "margins"}),
    line(8, "read", {"slice": "catalogue", "id": "p7"}),
    line(9, "call", {"slice": "catalogue", "id": "p7"}, ("del", ROW, "p7", 0)),
    line(10, "call", MANY, ("put", ROW, "p6", 1), ("put", ROW, "p7", 2), erased=True),
    line(11, "call", ONE, ("put", ROW, "p7", 0)),
]


def test_every_part_that_holds_the_objects_values_is_found_and_no_other() -> None:
    found = find_parts(LOG, ROW, "p7", 10)
    assert found.parts == [(2, 0), (4, 0), (4, 2), (5, 2), (6, 0), (10, 2)]
    assert found.answers == ["user:a k", "user:a l"]
    assert found.records == 5
    assert find_parts(LOG, ROW, "nobody", 10).parts == []


def test_an_object_leaves_the_memory_and_the_log_says_who_asked(make: Make) -> None:
    machine = make().start()
    machine.mine.call("put", {"slice": "catalogue", "id": "p7", "body": {"name": "Eve"}})
    done = machine.mine.call("erase", ASKED)
    with pytest.raises(TwinError) as gone:
        machine.mine.object("catalogue", "p7")
    assert gone.value.status == 404
    machine.stop()
    state = Twin(machine.directory, load("twin")).state
    row = state.get("erasure", done.result["erasure"])
    assert (row["by"], row["seq"], row["reason"]) == (machine.owner.subject, done.seq, ASKED["reason"])
    assert (row["slice"], row["id"]) == ("catalogue", "p7")


def test_only_an_owner_erases_and_nobody_speaks_for_the_vault(make: Make) -> None:
    admin = person()
    machine = make(admins=entry(admin)).start()
    machine.mine.call("put", {"slice": "catalogue", "id": "p7", "body": {}})
    calls: list[tuple[Any, str, dict[str, Any]]] = [
        (admin, "erase", ASKED),
        (machine.owner, "shred", {"erasure": "x", "answers": []}),
        (machine.owner, "erased", {"erasure": "x", "parts": 0, "records": 0}),
        (machine.owner, "unlocked", {"vault": "file"}),
        (machine.owner, "used_key", {"who": "x", "command": "x", "at": "x"}),
    ]
    for signer, reducer, args in calls:
        with pytest.raises(TwinError) as refused:
            machine.client(signer).call(reducer, args)
        assert refused.value.status == 403
    with pytest.raises(TwinError) as missing:
        machine.mine.call("erase", {**ASKED, "slice": "nowhere"})
    assert missing.value.status == 404
    assert machine.mine.object("catalogue", "p7")["body"] == {}


def test_the_command_erases_while_the_twin_sleeps(make: Make) -> None:
    machine = make().start()
    machine.mine.call("put", {"slice": "catalogue", "id": "p7", "body": {}})
    options = ["--slice", "catalogue", "--id", "p7", "--reason", "asked", "--json"]
    assert "another process" in machine.run("erase", *options).stderr
    machine.stop()
    told = json.loads(machine.run("erase", *options).stdout)
    assert told["seq"] > 1
    asked = next(record for record in machine.records() if record["reducer"] == "erase")
    assert (asked["caller"], asked["args"]["id"]) == ("user:keeper", "p7")


def test_destroyed_keys_stay_destroyed_for_every_later_process(make: Make) -> None:
    machine: Machine = make()
    found = find_parts(LOG, ROW, "p7", 10)
    KeyStore(machine.directory).puncture(found.parts)
    keys = KeyStore(machine.directory)
    for part in found.parts:
        with pytest.raises(Shredded):
            keys.part_key(*part)
    assert keys.part_key(4, 1) != keys.part_key(5, 0)
