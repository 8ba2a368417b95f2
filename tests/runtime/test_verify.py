"""Anybody with the log, or with a proof from it, can see whether it is what the twin signed."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime import restless as restless_module
from tests.runtime.conftest import Make
from tests.runtime.machine import SLICES, Machine, entry, grant_args, person, raw
from tests.runtime.restless import FINE, WAYS_OUT
from twins.runtime.client import TwinError
from twins.runtime.init import create
from twins.runtime.log.notes import NoteRefused, read_checkpoint
from twins.runtime.log.offline import verify_text
from twins.runtime.log.proofs import ProofRefused, consistency, roots_by_consistency
from twins.runtime.log.scan import Scan
from twins.runtime.log.tree import Tree
from twins.runtime.reexecution import Reexecution
from twins.runtime.state import State
from twins.runtime.twin import Twin


def put(machine: Machine, *ids: str) -> int:
    """Write some objects; the last record's seq."""
    args = ({"slice": "catalogue", "id": id_, "body": {"n": 1}} for id_ in ids)
    seqs: list[int] = [machine.mine.call("put", each).seq for each in args]
    return seqs[-1]


def checkpoint(machine: Machine, size: int) -> str:
    """The twin's checkpoint, as soon as it covers so many records."""
    while True:
        status, body = raw(machine, "/v1/checkpoint", "")
        if status == 200 and int(body.split(b"\n")[1]) >= size:
            return body.decode()


def verified(machine: Machine, *options: str) -> tuple[int, dict[str, object]]:
    run = machine.run("verify", "--json", *options)
    return run.returncode, json.loads(run.stdout)


def test_a_twin_that_sleeps_has_signed_everything(twin: Machine) -> None:
    last = put(twin, "a", "b")
    twin.stop()
    code, found = verified(twin)
    assert (code, found["ok"], found["records"], found["segments"]) == (0, True, last, 1)
    assert found["checkpoint"] is not None
    assert found["checkpoint"]["size"] == last  # type: ignore[index]
    assert len(str(found["digest"])) == 64
    assert (found["erased_parts"], found["torn_bytes"]) == (0, 0)


def test_a_reader_can_check_a_record_and_two_checkpoints_without_the_twin(twin: Machine) -> None:
    earlier = put(twin, "a", "b", "c")
    first = checkpoint(twin, earlier)
    x = twin.mine.about()["key"]["x"]
    token = twin.owner.token(twin.id)
    status, proof = raw(twin, "/v1/proof/inclusion?seq=3", token)
    assert status == 200
    later = put(twin, "d", "e")
    second = checkpoint(twin, later)
    path = twin.mine.get("/v1/proof/consistency", {"from": earlier, "to": later})["path"]
    heads = [read_checkpoint(text.partition("\n\n")[0] + "\n") for text in (first, second)]
    nodes = [bytes.fromhex(node) for node in path]
    assert roots_by_consistency(earlier, later, heads[0].root, nodes) == (heads[0].root, heads[1].root)
    assert len(twin.mine.get("/v1/proof/inclusion", {"seq": 3, "size": 6})["path"]) == 3
    record = twin.mine.get("/v1/log", {"from": 3, "limit": 1})["records"][0]
    for text in (proof.decode(), first):
        assert verify_text(text, [x]).startswith(f"mycelium/{twin.id} ")
        with pytest.raises((NoteRefused, ProofRefused)):
            verify_text(text.replace("\n\n", "\n\n\n"), [x])
    twin.stop()
    (twin.directory.parent / "proof").write_text(twin.run("prove", "--seq", "3").stdout)
    run = Machine(twin.directory.parent / "proof", twin.owner, twin.id).run("verify", "--key", x)
    assert record["hash"] in run.stdout


def test_proofs_are_for_whoever_may_read_the_audit_and_checkpoints_for_all(twin: Machine) -> None:
    checkpoint(twin, 1)
    stranger = person()
    for address in ("/v1/proof/inclusion?seq=1", "/v1/proof/consistency?from=1&to=1"):
        assert raw(twin, address, stranger.token(twin.id))[0] == 401
        assert raw(twin, address, twin.owner.token(twin.id))[0] == 200
    for address in (
        "/v1/proof/inclusion?seq=9",
        "/v1/proof/consistency?from=2&to=1",
        "/v1/proof/inclusion?seq=1&size=9",
    ):
        assert raw(twin, address, twin.owner.token(twin.id))[0] == 404
    assert raw(twin, "/v1/proof/inclusion?seq=x", twin.owner.token(twin.id))[0] == 400


def test_a_wrong_file_of_the_tree_is_made_again_and_proofs_hold(make: Make) -> None:
    machine = make().start()
    put(machine, *"abcdef")
    machine.stop()
    file = machine.directory / "log" / "tree"
    whole = file.read_bytes()
    file.write_bytes(whole[:64] + bytes(len(whole) - 64))
    machine.start()
    path = machine.mine.get("/v1/proof/consistency", {"from": 3, "to": 7})["path"]
    machine.stop()
    tree = Tree(file)
    assert [bytes.fromhex(node) for node in path] == consistency(tree.read, 3, 7)
    assert file.read_bytes().startswith(whole)
    assert machine.run("verify").returncode == 0


def test_a_rolled_back_or_forked_log_is_caught_by_a_checkpoint_that_a_witness_kept(
    make: Make, place: Path
) -> None:
    machine = make().start()
    early = place / "early"
    early.write_text(checkpoint(machine, put(machine, "a", "b")))
    machine.stop()
    shutil.copytree(machine.directory, place / "older")
    last = put(machine.start(), "c")
    late = place / "late"
    late.write_text(checkpoint(machine, last))
    machine.stop()
    assert machine.run("verify", "--witness", str(early), "--witness", str(late)).returncode == 0
    older = Machine(place / "older", machine.owner, machine.id)
    code, found = verified(older, "--witness", str(late))
    assert code == 1
    assert f"the witness's checkpoint covers {last} records" in str(found["problem"])
    older.directory.parent.joinpath("s").unlink(missing_ok=True)
    put(older.start(), "other")
    older.stop()
    assert older.run("verify").returncode == 0
    code, found = verified(older, "--witness", str(late))
    assert code == 1
    assert f"the first {last} records are not those that the witness's checkpoint was signed over" in str(
        found["problem"]
    )
    late.write_text(late.read_text().replace(f"\n{last}\n", "\n3\n"))
    assert "no key" in str(verified(machine, "--witness", str(late))[1]["problem"])


def test_a_log_that_was_cut_behind_its_own_checkpoint_is_only_read(make: Make) -> None:
    machine = make().start()
    put(machine, "a", "b")
    machine.stop()
    path = machine.directory / "log" / f"{1:020d}.mlog"
    whole = path.read_bytes()
    last = [frame.offset for frame, _ in Scan(machine.directory)][-1]
    path.write_bytes(whole[:last])
    machine.start()
    with pytest.raises(TwinError) as refused:
        put(machine, "c")
    assert refused.value.status == 503
    assert path.read_bytes() == whole[:last]


def test_every_bit_of_the_last_checkpoint_counts(make: Make) -> None:
    machine = make().start()
    put(machine, "a", "b", "c")
    machine.stop()
    path = machine.directory / "log" / "checkpoint"
    whole = path.read_bytes()
    for bit in range(0, len(whole) * 8, 1 if os.environ.get("MYCELIUM_FLIPS") else 7):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        assert verified(machine)[0] == 1, bit


@pytest.mark.parametrize("spoil", [b"\xff\xfe", b"nothing of this kind\n"])
def test_a_twin_whose_last_checkpoint_cannot_be_read_is_only_read(make: Make, spoil: bytes) -> None:
    machine = make().start()
    put(machine, "a")
    machine.stop()
    (machine.directory / "log" / "checkpoint").write_bytes(spoil)
    machine.start()
    with pytest.raises(TwinError) as refused:
        put(machine, "b")
    assert refused.value.status == 503
    assert machine.mine.object("catalogue", "a")["body"] == {"n": 1}


def test_a_checkpoint_by_a_key_that_was_replaced_since_does_not_hurt(make: Make) -> None:
    machine = make().start()
    put(machine, "a")
    machine.stop()
    kept = (machine.directory / "log" / "checkpoint").read_bytes()
    machine.start()
    machine.mine.call("rotate_key", {})
    machine.kill()
    (machine.directory / "log" / "checkpoint").write_bytes(kept)
    machine.start()
    put(machine, "b")
    machine.stop()
    assert verified(machine)[0] == 0


def test_every_reducer_run_again_does_what_the_log_says(make: Make) -> None:
    curator, owner, reader = person(), person(), person("twin")
    machine = make(custody=entry(curator))
    machine.start()
    mine = machine.client(curator)
    for number in range(3):
        mine.call(
            "put", {"slice": "catalogue", "id": f"o{number}", "body": {"é": [number, None]}}, f"key {number}"
        )
    mine.call("put", {"slice": "catalogue", "id": "o0", "body": {"é": [0, None]}}, "key 0")
    mine.call(
        "put_many", {"slice": "margins", "objects": [{"id": i, "body": {}} for i in "xyz"], "replace": True}
    )
    mine.call("grant", grant_args(reader))
    machine.client(reader).objects("catalogue")
    with pytest.raises(TwinError):
        mine.call("delete", {"slice": "catalogue", "id": "none"})
    key = entry(owner)[owner.subject]
    mine.call("claim", {"owner": owner.subject, "owner_name": "Owner", "owner_key": key["key"]})
    theirs = machine.client(owner)
    theirs.call("patch", {"slice": "catalogue", "id": "o0", "body": {"b": "c"}})
    theirs.call("rotate_key", {})
    machine.stop()
    first, second = verified(machine, "--replay"), verified(machine, "--replay")
    assert first == second
    assert first[0] == 0, first[1]["problem"]
    calls = Counter(record["kind"] == "call" for record in machine.records())
    assert first[1]["replayed"] == {"executed": calls[True], "not_executed": calls[False]}
    assert calls[False] == 2
    assert verified(machine)[1]["digest"] == first[1]["digest"]


@pytest.fixture
def restless(place: Path) -> Iterator[Machine]:
    """A twin whose reducers do not keep to their context."""
    owner, module = person(), restless_module.__name__
    first = {"slices": SLICES, "owner": entry(owner)}
    made = create(place / "twin", slug="acme", name="Acme", module=module, genesis=first)
    machine = Machine(place / "twin", owner, made["id"], ["--module", module]).start()
    yield machine
    assert machine.process is not None
    if machine.process.poll() is None:
        machine.kill()


@pytest.mark.parametrize(
    ("reducer", "words"),
    [
        ("draw", "record 3: draw reached outside its context (os.urandom)"),
        ("give", "record 3: give gave another result"),
        ("stamp", "record 3: stamp changed stamps 'last' otherwise than recorded"),
    ],
)
def test_a_reducer_that_does_not_keep_to_its_context_is_named(
    restless: Machine, reducer: str, words: str
) -> None:
    restless.mine.call(reducer, {})
    restless.stop()
    code, found = verified(restless, "--replay", "--module", restless_module.__name__)
    assert code == 1
    assert found["problem"] == words
    assert verified(restless)[0] == 0


def test_whatever_a_reducer_asks_of_the_world_is_named_and_what_its_context_gives_is_not(
    restless: Machine,
) -> None:
    for what in (*WAYS_OUT, *FINE):
        restless.mine.call("ask", {"what": what})
    restless.stop()
    twin, state = Twin(restless.directory, restless_module.module), State()
    again, said = Reexecution(restless_module.module, state), dict[str, str]()
    for opened in twin.records():
        parts = opened.parts()
        effects = opened.effects(parts)
        difference = again.compare(opened, parts, effects)
        state.apply(effects, opened.frame.seq)
        if difference is not None:
            said[opened.record().args["what"]] = difference.detail
    assert said == {what: f"reached outside its context ({name})" for what, (_, name) in WAYS_OUT.items()}
    assert again.executed == len(WAYS_OUT) + len(FINE) + 1
