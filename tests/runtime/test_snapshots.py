"""Snapshots: the whole state comes back as it was, and nothing that is wrong with a file is taken for it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.runtime.machine import SLICES, entry, person
from twins.runtime.callers import Caller
from twins.runtime.init import create
from twins.runtime.keys import KeyStore
from twins.runtime.module import load
from twins.runtime.snapshots import chunks, manifest
from twins.runtime.snapshots.schedule import Due, Schedule
from twins.runtime.snapshots.store import SnapshotStore
from twins.runtime.state import Effect, State
from twins.runtime.twin import Twin

TABLE = "object/catalogue"
CANARY = "canary-in-a-cage"


class Place(NamedTuple):
    seq: int


def home(place: Path) -> Path:
    create(place / "twin", slug="acme", name="Acme", genesis={"slices": SLICES, "owner": entry(person())})
    return place / "twin"


def filled(directory: Path, rows: int) -> tuple[Twin, SnapshotStore]:
    """A twin's state with so many objects, and its store."""
    twin = Twin(directory, load("twin"))
    put_rows(twin.state, range(rows))
    return twin, SnapshotStore(directory, twin.keys)


def put_rows(state: State, numbers: range, word: str = CANARY) -> None:
    value = '{"body":{"x":"%s"},"seq":%d}'
    state.apply([Effect(TABLE, f"o{n:06}", (value % (word * 20, n)).encode()) for n in numbers], 1)


def restored(store: SnapshotStore) -> State:
    state = State()
    found = next(store.load())
    state.restore(found.tables, found.through)
    return state


def test_a_snapshot_brings_every_row_back_in_its_order_and_shows_nothing_on_the_disk(place: Path) -> None:
    twin, store = filled(home(place), 3000)
    twin.state.apply([Effect(TABLE, "o000007", None), Effect(TABLE, "late", b'{"body":{},"seq":9}')], 9)
    saved = store.save(twin.state.copy(), Place(7), 7)
    back = restored(store)
    assert back.digest() == twin.state.digest()
    assert back.oldest(TABLE, 4000) == twin.state.oldest(TABLE, 4000)
    assert saved.rows == sum(map(len, twin.state.copy().values()))
    disk = b"".join(path.read_bytes() for path in store.directory.rglob("*") if path.is_file())
    assert CANARY.encode() not in disk
    assert b"catalogue" not in disk


def test_few_changed_rows_rewrite_few_chunks_and_two_snapshots_are_kept(place: Path) -> None:
    twin, store = filled(home(place), 20_000)
    store.save(twin.state.copy(), Place(5), 5)
    folder = store.directory / "chunks"
    before = {path.name for path in folder.iterdir()}
    put_rows(twin.state, range(10_000, 10_003), "other")
    store.save(twin.state.copy(), Place(6), 6)
    after = {path.name for path in folder.iterdir()}
    assert len(before) > 10
    assert 0 < len(after - before) <= 2
    put_rows(twin.state, range(10_000, 10_003), "third")
    store.save(twin.state.copy(), Place(7), 7)
    assert [found.seq for found in store.load()] == [7, 6]
    assert not before - after & {path.name for path in folder.iterdir()} - before


@pytest.mark.parametrize("what", ["manifest", "chunk"])
@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "another's"])
def test_a_damaged_snapshot_is_passed_over_for_the_one_before(
    place: Path, what: str, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    twin, store = filled(home(place), 50)
    store.save(twin.state.copy(), Place(5), 5)
    old = twin.state.digest()
    chunks_before = set((store.directory / "chunks").iterdir())
    put_rows(twin.state, range(50, 60))
    store.save(twin.state.copy(), Place(6), 6)
    (chunk,) = set((store.directory / "chunks").iterdir()) - chunks_before
    path = manifest.path_of(store.directory, 6) if what == "manifest" else chunk
    other = manifest.path_of(store.directory, 5) if what == "manifest" else next(iter(chunks_before))
    data = path.read_bytes()
    if harm == "remove":
        path.unlink()
    else:
        middle = len(data) // 2
        flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        path.write_bytes({"flip": flipped, "cut": data[:-1], "another's": other.read_bytes()}[harm])
    assert restored(store).digest() == old
    removed_manifest = (what, harm) == ("manifest", "remove")
    assert ("is passed over" in caplog.text) is not removed_manifest
    store.save(twin.state.copy(), Place(8), 8)
    assert restored(store).digest() == twin.state.digest()


def test_every_flipped_byte_of_a_manifest_is_noticed(place: Path) -> None:
    twin, store = filled(home(place), 5)
    store.save(twin.state.copy(), Place(5), 5)
    path = manifest.path_of(store.directory, 5)
    data = path.read_bytes()
    for position in range(len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 4]) + data[position + 1 :])
        assert not list(store.load()), position
    path.write_bytes(data)
    assert list(store.load())


def test_a_snapshot_that_another_key_signed_does_not_count(place: Path) -> None:
    twin, store = filled(home(place), 5)
    store.save(twin.state.copy(), Place(5), 5)
    path = manifest.path_of(store.directory, 5)
    read = manifest.read(path, twin.keys.snapshot_key())
    kid, x = twin.keys.create()
    read.x = x
    manifest.write(store.directory, read, twin.keys.snapshot_key(), twin.keys.signing_key(kid))
    assert not list(store.load())


def test_no_snapshot_from_before_an_erasure_opens(place: Path) -> None:
    directory = home(place)
    twin, store = filled(directory, 5)
    store.save(twin.state.copy(), Place(5), 5)
    kept = {path: path.read_bytes() for path in store.directory.rglob("*") if path.is_file()}
    KeyStore(directory).puncture([(3, 0)])
    again = SnapshotStore(directory, KeyStore(directory))
    assert not list(again.load())
    again.sweep()
    assert not [path for path in store.directory.rglob("*") if path.is_file()]
    for path, data in kept.items():
        path.write_bytes(data)
    assert not list(again.load())


SAVING = """
import sys
from pathlib import Path
from tests.runtime.test_snapshots import Place, filled, put_rows
twin, store = filled(Path(sys.argv[1]), 4000)
for seq in range(1, 10_000):
    put_rows(twin.state, range(seq, seq + 3), f"round {seq}")
    store.save(twin.state.copy(), Place(seq), seq)
    print(seq, twin.state.digest(), flush=True)
"""


def test_a_process_that_is_killed_while_it_saves_leaves_whole_snapshots_only(place: Path) -> None:
    directory = home(place)
    for pause in (0.0, 0.013, 0.031):
        shutil.rmtree(directory / "snapshots", ignore_errors=True)
        command = [sys.executable, "-c", SAVING, str(directory)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(2)]
            time.sleep(pause)
            process.kill()
            lines += process.stdout.readlines()
        store = SnapshotStore(directory, KeyStore(directory))
        told = dict(line.split() for line in lines)
        found = next(store.load())
        assert found.seq >= max(map(int, told))
        if str(found.seq) in told:
            state = State()
            state.restore(found.tables, found.through)
            assert state.digest() == told[str(found.seq)]
        store.sweep()
        assert not list(store.directory.rglob("*.part"))


@pytest.mark.asyncio
async def test_a_running_twin_writes_snapshots_while_it_commits(place: Path) -> None:
    twin = Twin(home(place), load("twin"))
    twin.start()
    me = Caller(next(iter(twin.state.keys("key"))), x=twin.state.get("key", twin.state.keys("key")[0])["x"])
    schedule = Schedule(
        twin,
        place / "twin",
        lambda: Place(twin.log.durable),
        running=Due(20, 1 << 40),
        ending=Due(5, 1 << 40),
    )
    number = 0
    while not (found := list(schedule.store.load())):
        put = twin.call(me, "put", {"slice": "catalogue", "id": f"o{number}", "body": {}})
        number += 1
        await put
    assert found[0].seq <= found[0].through <= twin.log.durable
    assert len(found[0].tables[TABLE]) >= 19
    await asyncio.gather(
        *(twin.call(me, "put", {"slice": "catalogue", "id": f"p{n}", "body": {}}) for n in range(5))
    )
    await schedule.close()
    await twin.close()
    assert restored(schedule.store).digest() == twin.state.digest()


def test_the_ends_of_chunks_depend_on_the_keys_and_on_nothing_before() -> None:
    rows = {f"k{n}": b"x" * 300 for n in range(8000)}
    whole = [list(part)[-1] for part in chunks.split(rows)]
    fewer = [
        list(part)[-1] for part in chunks.split({k: v for k, v in rows.items() if k not in ("k3", "k70")})
    ]
    assert set(whole[-3:]) <= set(fewer)
    assert [key for part in chunks.split(rows) for key in part] == list(rows)
    assert len(list(chunks.split({f"k{n}": b"x" * 2_000_000 for n in range(5)}))) >= 2
