"""A log that was cut, flipped, torn or put together otherwise is never taken for whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.runtime.logs import TWIN, Open, make, put, record, seal
from twins.runtime.log import commitlog
from twins.runtime.log.damage import LogDamaged, LogMissing
from twins.runtime.log.scan import Scan
from twins.runtime.log.segments import HEADER_BYTES, list_segments

BITS = range(8) if os.environ.get("MYCELIUM_FLIPS") or os.environ.get("CI") else None


def findings(directory: Path) -> str:
    """What opening the log says: "" when it is whole."""
    try:
        opened = Open(directory)
    except (LogDamaged, LogMissing) as error:
        return str(error)
    if opened.log.damage is not None:
        return str(opened.log.damage)
    return f"torn {opened.found.torn}" if opened.found.torn else ""


def ends(directory: Path) -> dict[str, list[int]]:
    """Where the records of each segment end."""
    found: dict[str, list[int]] = {}
    for one, segment in Scan(directory):
        found.setdefault(segment, [HEADER_BYTES]).append(one.end)
    return found


def test_a_log_cut_off_at_any_byte_is_never_taken_for_whole(home: Path) -> None:
    bounds = ends(home)
    for path in list_segments(home):
        whole = path.read_bytes()
        last = path == list_segments(home)[-1]
        for size in range(len(whole)):
            path.write_bytes(whole[:size])
            assert findings(home), (path.name, size)
        (home / "log" / "checkpoint").rename(home / "kept")
        for size in range(len(whole)) if last else ():
            path.write_bytes(whole[:size])
            before = [end for end in bounds[path.name] if end <= size]
            # Zeros at the end are room that nothing was written to.
            torn = len(whole[before[-1] : size].rstrip(b"\0")) if before else None
            # Without a checkpoint nobody can know of records that are missing whole.
            assert findings(home) == (f"torn {torn}" if torn else "") or torn is None
        (home / "kept").rename(home / "log" / "checkpoint")
        path.write_bytes(whole)
    assert findings(home) == ""


@pytest.mark.parametrize("checkpoint", [True, False])
def test_a_flipped_bit_anywhere_in_a_log_is_found(home: Path, checkpoint: bool) -> None:
    if not checkpoint:
        (home / "log" / "checkpoint").unlink()
    for path in list_segments(home):
        whole = path.read_bytes()
        with path.open("r+b", buffering=0) as file:
            for at, byte in enumerate(whole):
                for bit in BITS or [at % 8]:
                    os.pwrite(file.fileno(), bytes([byte ^ 1 << bit]), at)
                    found = findings(home)
                    assert found, (path.name, at, bit)
                    assert not checkpoint or not found.startswith("torn")
                os.pwrite(file.fileno(), bytes([byte]), at)
    assert findings(home) == ""


def test_a_flipped_bit_before_the_last_record_is_named_with_its_record(home: Path) -> None:
    path = list_segments(home)[0]
    whole = path.read_bytes()
    bounds = ends(home)[path.name]
    for at in range(HEADER_BYTES, bounds[-2]):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        seq = next(n for n, end in enumerate(bounds) if at < end)
        if seq == 1:
            with pytest.raises(LogDamaged, match="record 1 at byte"):
                Open(home)
            continue
        opened = Open(home)
        assert opened.log.damage is not None
        assert (opened.log.damage.seq, opened.log.damage.offset) == (seq, bounds[seq - 1])
        assert opened.log.seq == seq - 1


def test_a_write_torn_at_any_byte_is_cut_and_the_log_goes_on(tmp_path: Path) -> None:
    Open(make(tmp_path)).write([[put("kept")], [put("torn")]])
    path = list_segments(tmp_path)[0]
    whole, bounds = path.read_bytes(), ends(tmp_path)[path.name]
    (tmp_path / "log" / "checkpoint").unlink()
    for size in range(bounds[-2] + 1, bounds[-1], 29):
        for rest in (b"", bytes(bounds[-1] - size)):
            path.write_bytes(whole[:size] + rest)
            opened = Open(tmp_path)
            torn = len(whole[bounds[-2] : size].rstrip(b"\0"))
            assert (opened.found.torn, opened.log.seq) == (torn, 2)
            (tmp_path / "log" / "checkpoint").unlink(missing_ok=True)
    path.write_bytes(whole[: bounds[-1] - 5])
    Open(tmp_path).write([[put("after")]])
    assert findings(tmp_path) == ""
    assert Open(tmp_path).state.keys("t") == ["after", "first", "kept"]


def test_records_written_together_may_be_torn_in_any_order_but_not_ones_written_later(tmp_path: Path) -> None:
    Open(make(tmp_path)).write([[put("a"), put("b"), put("c")]])
    path = list_segments(tmp_path)[0]
    (tmp_path / "log" / "checkpoint").unlink()
    whole, bounds = path.read_bytes(), ends(tmp_path)[path.name]
    hole = whole[: bounds[1]] + bytes(bounds[2] - bounds[1]) + whole[bounds[2] :]
    path.write_bytes(hole)
    assert findings(tmp_path) == f"torn {len(whole) - bounds[1]}"
    path.write_bytes(whole)
    Open(tmp_path).write([[put("later")]])
    (tmp_path / "log" / "checkpoint").unlink()
    path.write_bytes(hole + path.read_bytes()[len(whole) :])
    assert "record 2" in findings(tmp_path)
    assert "yet record 5 follows" in findings(tmp_path)


def missing(home: Path) -> None:
    list_segments(home)[1].unlink()


def first_missing(home: Path) -> None:
    list_segments(home)[0].unlink()


def last_missing(home: Path) -> None:
    list_segments(home)[-1].unlink()


def doubled(home: Path) -> None:
    path = list_segments(home)[1]
    shutil.copy(path, path.with_name(f"{99:020d}.mlog"))


def repeated(home: Path) -> None:
    first, second = list_segments(home)[:2]
    first.write_bytes(first.read_bytes() + second.read_bytes()[HEADER_BYTES:])


def swapped(home: Path) -> None:
    first, second = list_segments(home)[1:3]
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)


def foreign(home: Path) -> None:
    other = home / "other"
    commitlog.create(other, seal(), TWIN[:-1] + "1", record(1))
    shutil.copy(list_segments(other)[0], list_segments(home)[0])


def stray(home: Path) -> None:
    (home / "log" / "copy.mlog").write_bytes(b"")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (missing, "is missing before it"),
        (first_missing, "begins with record"),
        (last_missing, "a checkpoint over 9 records"),
        (doubled, "does not belong under this name"),
        (repeated, "it repeats records"),
        (swapped, "does not belong under this name"),
        (foreign, "belongs to another twin"),
        (stray, "no segment has such a name"),
    ],
)
def test_a_segment_that_is_not_in_its_place_is_named(
    home: Path, harm: Callable[[Path], None], words: str
) -> None:
    harm(home)
    assert words in findings(home)
    assert ".mlog" in findings(home)
