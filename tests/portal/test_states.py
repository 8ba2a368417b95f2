from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grants.models import Grant
from portal.states import Lifecycle, WrongState
from twins.models import Claim, Operation, Twin

LIFECYCLES = [Twin.LIFECYCLE, Claim.LIFECYCLE, Grant.LIFECYCLE, Operation.LIFECYCLE]


@pytest.mark.parametrize("lifecycle", LIFECYCLES, ids=lambda table: table.name)
def test_every_declared_state_is_a_choice_of_its_model(lifecycle: Lifecycle) -> None:
    states = {"twin": Twin.State, "claim": Claim.State, "grant": Grant.State, "operation": Operation.State}
    assert set(lifecycle.table) == set(states[lifecycle.name].values)


@pytest.mark.parametrize("lifecycle", LIFECYCLES, ids=lambda table: table.name)
def test_every_lifecycle_has_an_end(lifecycle: Lifecycle) -> None:
    assert lifecycle.final


@given(st.sampled_from(LIFECYCLES), st.lists(st.text(max_size=8), max_size=12))
def test_no_sequence_of_actions_reaches_an_undeclared_state(lifecycle: Lifecycle, words: list[str]) -> None:
    state = lifecycle.start
    actions = sorted({action for row in lifecycle.table.values() for action in row})
    for number, word in enumerate(words):
        action = actions[(len(word) + number) % len(actions)]
        try:
            state = lifecycle.after(state, action)
        except WrongState:
            assert action not in lifecycle.table[state]
        assert state in lifecycle.table


def test_an_undeclared_target_is_refused_when_the_table_is_declared() -> None:
    with pytest.raises(ValueError, match="undeclared states \\['gone'\\]"):
        Lifecycle("thing", {"here": {"go": "gone"}})


def test_a_state_that_nothing_leads_to_is_refused_when_the_table_is_declared() -> None:
    with pytest.raises(ValueError, match="nothing leads to \\['island'\\]"):
        Lifecycle("thing", {"here": {"go": "there"}, "there": {}, "island": {}})


def test_of_two_who_act_on_the_same_state_only_one_wins(db: None) -> None:
    Operation.objects.create(kind="provision", key="k")
    first, second = Operation.objects.get(key="k"), Operation.objects.get(key="k")
    Operation.LIFECYCLE.move(first, "start")
    Operation.LIFECYCLE.move(first, "finish")
    with pytest.raises(WrongState, match="Somebody else was faster"):
        Operation.LIFECYCLE.move(second, "start", error="overwritten")
    assert Operation.objects.get(key="k").error == ""
