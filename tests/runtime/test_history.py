"""What a slice was before: what changed since a record, and an object as it was."""

from __future__ import annotations

import tempfile
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runtime.logs import Open, make
from tests.runtime.plainlist import (
    SLICE,
    TABLE,
    Memory,
    bodies,
)
from twins.runtime import slices
from twins.runtime.problems import Problem
from twins.runtime.query import as_of
from twins.runtime.query.history import FARTHEST
from twins.runtime.state import Effect, State, Transaction

few = st.sampled_from(["a", "b", "c"])

tight = st.lists(st.lists(st.tuples(few, st.one_of(bodies, st.none())), max_size=2), max_size=8)


@given(tight)
def test_changes_since_lead_from_the_old_rows_to_the_new_ones(commits: list[Any]) -> None:
    state, histories = State(), [dict[str, bytes]()]
    for seq, commit in enumerate(commits, 1):
        tx = Transaction(state)
        for id_, body in commit:
            tx.delete(TABLE, id_) if body is None else tx.put(TABLE, id_, {"body": body, "seq": seq})
        state.apply(tx.effects(), seq)
        histories.append(dict(state.rows(TABLE)))
    now = histories[-1]
    for since, before in enumerate(histories):
        delta = slices.changes_since(state, SLICE, since)
        assert delta is not None
        assert sorted(delta.updated) == sorted(id_ for id_, value in now.items() if before.get(id_) != value)
        assert before.keys() - now.keys() <= set(delta.deleted)
        assert not set(delta.deleted) & now.keys()


def test_deletions_that_are_forgotten_make_everybody_start_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twins.runtime.state.MOST_TOMBSTONES", 2)
    memory = Memory([])
    for id_ in "abcd":
        memory.put(id_, {})
    before = memory.seq
    for id_ in "abc":
        memory.delete(id_)
    assert slices.changes_since(memory.state, SLICE, before) is None
    assert slices.changes_since(memory.state, SLICE, before + 1) == ([], ["c", "b"])


def test_what_was_deleted_before_a_snapshot_is_not_known() -> None:
    memory = Memory([])
    for id_ in "ab":
        memory.put(id_, {"n": 1})
    restored = State()
    restored.restore({TABLE: dict(memory.state.rows(TABLE))}, memory.seq)
    assert restored.objects == memory.state.objects
    assert slices.changes_since(restored, SLICE, memory.seq) == ([], [])
    assert slices.changes_since(restored, SLICE, memory.seq - 1) is None


@settings(max_examples=20)
@given(tight, few, st.integers(0, 8))
def test_the_past_of_an_object_is_what_it_was_then(commits: list[Any], id_: str, at: int) -> None:
    state, written, values = State(), list[list[Effect]](), list[bytes | None]([None, None])
    for seq, commit in enumerate(commits, 2):
        tx = Transaction(state)
        for one, body in commit:
            tx.delete(TABLE, one) if body is None else tx.put(TABLE, one, {"body": body, "seq": seq})
        written.append(tx.effects())
        state.apply(tx.effects(), seq)
        values.append(state.raw(TABLE, id_))
    at = min(at, len(commits)) + 1
    with tempfile.TemporaryDirectory() as name:
        make(Path(name))
        Open(Path(name)).write([written])
        assert as_of(Open(Path(name)).log.backwards(at), SLICE, id_) == values[at]


def test_a_past_that_lies_too_far_back_is_refused_with_where_to_go_on(tmp_path: Path) -> None:
    (record,) = Open(make(tmp_path)).log.backwards(1)
    assert as_of(repeat(record, FARTHEST), SLICE, "o0") is None
    with pytest.raises(Problem) as refused:
        as_of(repeat(record, FARTHEST + 1), SLICE, "o0")
    assert (refused.value.status, refused.value.kind) == (422, "query-too-wide")
    assert "`at=1`" in refused.value.detail
