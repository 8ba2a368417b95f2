"""A log on disk is what was written, or says where it is not."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runtime.logs import KEY, SEED, SMALL, TWIN, Open, known, make, put, record, seal
from tests.runtime.test_damage import findings
from twins.runtime.keytree import KeyTree
from twins.runtime.log import commitlog, frame
from twins.runtime.log.commitlog import Commitlog
from twins.runtime.log.damage import LogDamaged
from twins.runtime.log.reader import Query
from twins.runtime.log.record import Opened
from twins.runtime.log.recovery import recover
from twins.runtime.log.scan import PositionUnfit, Scan
from twins.runtime.log.seal import Seal
from twins.runtime.log.segments import HEADER_BYTES, list_segments
from twins.runtime.problems import Problem
from twins.runtime.state import Effect


def test_a_whole_log_in_several_segments_opens_with_every_record(home: Path) -> None:
    assert len(list_segments(home)) > 2
    assert findings(home) == ""
    opened = Open(home)
    assert opened.log.seq == 9
    assert opened.state.count("t") == 9


def test_a_log_that_another_key_sealed_is_not_read(home: Path) -> None:
    with pytest.raises(LogDamaged, match="not sealed with this twin's key"):
        recover(home, Seal(bytes(32), KeyTree.new(KEY)), lambda _seq, _effects: None)


def test_reading_may_begin_at_a_position_without_the_segments_before_it(tmp_path: Path) -> None:
    opened = Open(make(tmp_path), segment_bytes=SMALL).write([[put(f"a{n}")] for n in range(6)])
    position = opened.log.position
    Open(tmp_path, segment_bytes=SMALL).write([[put(f"b{n}")] for n in range(5)])
    whole = Open(tmp_path)
    for path in list_segments(tmp_path)[:2]:
        path.unlink()
    later = Open(tmp_path, start=position)
    assert later.state.keys("t") == [f"b{n}" for n in range(5)]
    assert later.log.damage is None
    assert later.log.position == whole.log.position
    later.write([[put("c")]])
    assert Open(tmp_path, start=position).log.seq == 13


@pytest.mark.parametrize("change", [{"head": bytes(32)}, {"offset": 10**6}, {"segment": 5}])
def test_a_position_of_another_log_is_refused_before_anything_is_replayed(
    home: Path, change: dict[str, Any]
) -> None:
    position = Open(home).log.position._replace(**change)
    with pytest.raises(PositionUnfit):
        recover(home, seal(), lambda _seq, _effects: pytest.fail("it was replayed"), position)


def test_times_in_a_log_never_go_backwards(tmp_path: Path) -> None:
    future = "2999-01-01T00:00:00.000Z"
    commitlog.create(tmp_path, seal(), TWIN, record(1, at=future))
    Open(tmp_path).write([[[]], [[]]])
    found = Open(tmp_path).log.search(Query())["records"]
    assert [one["time"] for one in found] == [future] * 3


def test_searching_gives_the_same_records_from_both_ends(home: Path) -> None:
    log = Open(home).log
    forwards = log.search(Query())["records"]
    backwards = log.search(Query(10**18, newest_first=True))["records"]
    assert [one["seq"] for one in forwards] == list(range(1, 10))
    assert forwards == backwards[::-1]
    page = log.search(Query(3, 4))
    assert ([one["seq"] for one in page["records"]], page["next"]) == ([3, 4, 5, 6], 7)
    page = log.search(Query(6, 4, newest_first=True))
    assert ([one["seq"] for one in page["records"]], page["next"]) == ([6, 5, 4, 3], 2)
    assert log.search(Query(50))["records"] == []


names = st.sampled_from(["object/a", "object/b", "answer", "other"])


rows = st.tuples(names, st.sampled_from("kl"), st.one_of(st.none(), st.just(b'{"v":1}'), st.just(b"2")))


transactions = st.lists(rows, max_size=5, unique_by=lambda row: row[:2])


@given(st.lists(st.lists(transactions, min_size=1, max_size=4), max_size=6))
@settings(max_examples=25, deadline=None)
def test_replaying_any_log_gives_the_same_state(
    batches: list[list[list[tuple[str, str, bytes | None]]]],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        written = Open(make(Path(name)), segment_bytes=600)
        written.write([[[Effect(*row) for row in effects] for effects in batch] for batch in batches])
        read = Open(Path(name))
        assert read.state.digest() == written.state.digest()
        assert read.log.damage is None


def test_one_object_can_be_erased_and_everything_else_stays(tmp_path: Path) -> None:
    both = [Effect("object/a", "x", b"1"), Effect("other", "o", b"2"), Effect("object/a", "y", b"3")]
    gone = [Effect("object/a", "x", None)]
    written = Open(make(tmp_path)).write([[both], [gone], [put("after")]])
    opened = [Opened(seal(), *one) for one in Scan(tmp_path)]
    parts = {key: n for _, _, key, n in opened[1].head.effects}
    keys = KeyTree.new(KEY).punctured([(2, 0), (2, parts["x"])])
    read = Open(tmp_path, keys=keys)
    assert read.log.damage is None
    assert read.state.digest() == written.state.digest()
    assert read.state.get("object/a", "y") == 3
    told = read.log.search(Query(2, 1))["records"][0]
    assert told["args"] == {"erased": True}
    assert told["effects"] == [["put", "object/a", "x"], ["put", "other", "o"], ["put", "object/a", "y"]]
    assert (told["caller"], told["hash"]) == ("user:a", opened[1].frame.hash.hex())


def test_a_value_that_was_erased_but_never_deleted_is_damage(tmp_path: Path) -> None:
    Open(make(tmp_path)).write([[[Effect("object/a", "x", b"1")]]])
    damage = Open(tmp_path, keys=KeyTree.new(KEY).punctured([(2, 0)])).log.damage
    assert damage is not None
    assert "'x' in object/a was erased, yet never deleted" in str(damage)


def test_one_callback_that_fails_keeps_no_other_from_being_told(tmp_path: Path) -> None:
    told: list[int] = []

    async def run() -> None:
        log = Open(make(tmp_path)).log

        def advanced(_seq: int) -> None:
            raise ValueError

        def tell(seq: int) -> Callable[[Problem | None], None]:
            def callback(_problem: Problem | None) -> None:
                told.append(seq)
                if seq % 2:
                    raise ValueError

            return callback

        log.open(advanced, lambda: SEED)
        for seq in range(2, 8):
            log.append(record(seq))
            log.then(seq, tell(seq))
        await log.wait(7)
        log.then(3, tell(3))
        await log.close()

    asyncio.run(run())
    assert told == [2, 3, 4, 5, 6, 7, 3]


def test_a_frame_is_laid_out_as_its_description_says() -> None:
    made, digest = frame.close(7, 5, b"p" * 32, b"body")
    assert made[:20].hex() == "0000000400000000000000070000000000000005"
    assert made[20:52] == b"p" * 32
    assert (made[56:60], made[60:]) == (b"body", digest)
    assert len(made) == frame.HEADER_BYTES + 4 + frame.HASH_BYTES


def test_nothing_is_appended_to_a_damaged_log(home: Path) -> None:
    path = list_segments(home)[1]
    whole = bytearray(path.read_bytes())
    whole[HEADER_BYTES + 70] ^= 1
    path.write_bytes(whole)
    before = {one.name: one.read_bytes() for one in (home / "log").iterdir()}
    log = Commitlog(home, seal())
    log.recover(lambda _seq, _effects: None, known)

    async def run() -> None:
        log.open(lambda _: None, lambda: SEED)
        with pytest.raises(Problem) as refused:
            log.append(record(log.seq + 1))
        assert (refused.value.status, refused.value.kind) == (503, "log-damaged")
        await log.wait(log.seq)
        await log.close()

    asyncio.run(run())
    assert {one.name: one.read_bytes() for one in (home / "log").iterdir()} == before


def test_room_that_was_made_ahead_is_no_damage_and_is_given_back(tmp_path: Path) -> None:
    written = Open(make(tmp_path), segment_bytes=1 << 30)
    path = list_segments(tmp_path)[0]
    sizes = []

    async def run() -> None:
        written.log.open(lambda _: sizes.append(path.stat().st_size), lambda: SEED)
        for n in range(60):
            written.log.append(record(written.log.seq + 1, put(f"k{n}", 1000), written.log.now()))
            await written.log.wait(written.log.seq)
        shutil.copytree(tmp_path, tmp_path.with_name("killed"))
        await written.log.close()

    asyncio.run(run())
    killed = list_segments(tmp_path.with_name("killed"))[0]
    assert max(sizes) >= killed.stat().st_size > path.stat().st_size
    assert killed.read_bytes().startswith(path.read_bytes())
    opened = Open(tmp_path.with_name("killed"))
    assert (opened.log.seq, opened.found.torn, opened.log.damage) == (61, 0, None)
    opened.write([[put("after")]])
    assert Open(tmp_path.with_name("killed")).log.seq == 62
