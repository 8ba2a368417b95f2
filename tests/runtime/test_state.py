"""State: nothing changes it but effects, and effects tell the whole change."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twins.runtime.state import State, Transaction

names = st.sampled_from(["a", "b", "c"])
leaves = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=5))
values = st.recursive(
    leaves, lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=5
)
steps = st.lists(st.tuples(names, names, st.one_of(st.none(), st.dictionaries(names, values))), max_size=12)


@given(st.lists(steps, max_size=4))
def test_effects_alone_rebuild_the_same_state(transactions: list[Any]) -> None:
    live, replayed, model = State(), State(), dict[tuple[str, str], Any]()
    for seq, changes in enumerate(transactions, 1):
        tx = Transaction(live)
        for table, key, value in changes:
            if value is None:
                tx.delete(table, key)
                model.pop((table, key), None)
            else:
                tx.put(table, key, value)
                model[table, key] = value
            assert tx.keys(table) == sorted(k for t, k in model if t == table)
        effects = tx.effects()
        live.apply(effects, seq)
        replayed.apply(effects, seq)
    assert live.digest() == replayed.digest()
    assert {(t, k): row for t in "abc" for k, row in live.scan(t)} == model


def test_a_row_that_was_handed_out_cannot_change_the_state() -> None:
    state = State()
    tx = Transaction(state)
    mine: dict[str, Any] = {"list": [1]}
    tx.put("t", "k", mine)
    mine["list"].append(2)
    tx.get("t", "k")["list"].append(3)
    state.apply(tx.effects(), 1)
    state.get("t", "k")["list"].append(4)
    assert state.get("t", "k") == {"list": [1]}
