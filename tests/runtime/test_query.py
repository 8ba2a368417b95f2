"""Queries against a plain list: whatever is written, moved, deleted or declared anew in between."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.runtime.plainlist import (
    INDEXES,
    SLICE,
    TABLE,
    WORTH,
    Memory,
    bodies,
    expected,
    holds,
    ids,
    orders,
    same,
    value_at,
    wheres,
)
from twins.runtime import codec
from twins.runtime.authz.engine import Engine
from twins.runtime.authz.tuples import Tuples
from twins.runtime.callers import Caller
from twins.runtime.granted import Granted
from twins.runtime.module import Context, load
from twins.runtime.problems import Problem
from twins.runtime.query import Queries, parse, queries
from twins.runtime.query import compile as compiled
from twins.runtime.query.declaration import WIDEST, Declaration, Index
from twins.runtime.rights import Rights
from twins.runtime.state import Effect, State, Transaction


class QueriesAreAPlainList(RuleBasedStateMachine):
    """Any sequence of writes, with the indexes declared, undeclared and built at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = Memory(INDEXES)

    @initialize(some=st.lists(st.tuples(ids, bodies), min_size=10, max_size=30))
    def begin(self, some: list[Any]) -> None:
        self.put_many(some)

    @rule(id_=ids, body=bodies)
    def put(self, id_: str, body: dict[str, Any]) -> None:
        self.memory.put(id_, body)

    def put_many(self, some: list[Any]) -> None:
        for id_, body in some:
            self.memory.put(id_, body)

    @rule(id_=ids)
    def delete(self, id_: str) -> None:
        self.memory.delete(id_)

    @rule(kept=st.sets(st.integers(0, len(INDEXES) - 1)))
    def redeclare(self, kept: set[int]) -> None:
        # A text index stays: without it `match` is refused.
        self.memory.declare([INDEXES[n] for n in sorted({*kept, 2, 3, 4, 5, 6})])

    @rule(some=st.lists(wheres, min_size=1, max_size=6), order=orders, limit=st.integers(1, 9))
    def query(self, some: list[dict[str, Any]], order: str, limit: int) -> None:
        # So few rows are mostly gone through; without weighing, every index that fits is used.
        for queries.WORTH in (0, WORTH):
            for where in some:
                found = self.memory.all(where, order, limit)
                assert found == expected(self.memory.rows, where, order), (where, queries.WORTH)

    def teardown(self) -> None:
        queries.WORTH = WORTH

    @invariant()
    def counters_are_exact(self) -> None:
        held = self.memory.state.rows(TABLE)
        size = sum(len(id_) + len(value) for id_, value in held.items())
        assert self.memory.state.objects == self.memory.state.size(TABLE) == (len(self.memory.rows), size)


TestQueriesAreAPlainList = QueriesAreAPlainList.TestCase


TestQueriesAreAPlainList.settings = settings(max_examples=80, stateful_step_count=20, deadline=None)


@given(st.lists(st.tuples(ids, bodies), max_size=12), wheres)
def test_a_filter_says_of_one_body_what_a_query_says_of_all(rows: list[Any], where: dict[str, Any]) -> None:
    filter_ = compiled(where, Declaration(SLICE, tuple(Index(**one) for one in INDEXES)))
    for _, body in rows:
        row = codec.encode({"body": body, "seq": 1})
        assert filter_.matches_row(row) == filter_.holds(row) == holds(where, body)
        if filter_.equality is not None and filter_.holds(row):
            path, value = filter_.equality
            assert same(value_at(body, path), value)


steps = st.lists(st.tuples(ids, st.one_of(bodies, st.none())), max_size=4)


few = st.sampled_from(["a", "b", "c"])


tight = st.lists(st.lists(st.tuples(few, st.one_of(bodies, st.none())), max_size=2), max_size=8)


@settings(deadline=None)
@given(st.lists(st.tuples(ids, bodies), max_size=12), orders, st.lists(steps, min_size=1, max_size=6))
def test_pages_give_once_what_stays_whatever_comes_and_goes_between_them(
    first: list[Any], order: str, between: list[Any]
) -> None:
    memory = Memory(INDEXES)
    for id_, body in first:
        memory.put(id_, body)
    untouched = memory.rows.keys() - {id_ for changes in between for id_, _ in changes}
    found: list[str] = []
    after: str | None = ""
    for changes in [*between, *([[]] * 20)]:
        if after is None:
            break
        ids_, after = memory.page({}, order, after, 2)
        found += ids_
        for id_, body in changes:
            memory.delete(id_) if body is None else memory.put(id_, body)
    assert [id_ for id_ in found if id_ in untouched] == [
        id_ for id_ in expected(memory.rows, {}, order) if id_ in untouched
    ]


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("[]", "expected an object"),
        ("{", "not usable JSON"),
        ('{"a":1.5}', "1.5"),
        ('{"a":[1]}', "`a` expects text"),
        ('{"a":{}}', "`a` has no condition"),
        ('{"a":{"like":"x"}}', '"like"'),
        ('{"a":{"in":[]}}', "`a.in` expects a list"),
        ('{"a":{"in":[[1]]}}', "`a.in` expects text"),
        ('{"a":{"exists":1}}', "`a.exists` expects true or false"),
        ('{"a":{"prefix":1}}', "`a.prefix` expects text"),
        ('{"a":{"match":"x"}}', "needs a text index"),
        ('{"title":{"match":"!"}}', "at least one word"),
        ('{"amount":{"lt":"much"}}', "`amount.lt` expects a decimal value"),
        ('{"when":{"gt":"2030-01-01"}}', "`when.gt` expects a time value"),
        ('{"n":{"gt":1,"lt":"x"}}', "`n.lt` expects a number value"),
        ('{"n":{"gt":1,"gte":1}}', "both gt and gte"),
        ('{"a..b":1}', '"a..b" is no path'),
        ('{"a\\"b":1}', "is no path"),
        ('{"any":[]}', "`any` expects a list"),
        ('{"any":{"a":1}}', "`any` expects a list"),
        ('{"not":1}', "expected an object"),
        ('{"not":{"not":{"not":{"not":{"a":1}}}}}', "nested more than 4 deep"),
        ('{"all":[' + ",".join(['{"a":1}'] * 21) + "]}", "more than 20 conditions"),
        ("[" * 2000, "not usable JSON"),
        ('{"a":"' + "x" * 4096 + '"}', "more than 4,096 bytes"),
    ],
)
def test_a_query_that_is_not_understood_is_refused_by_name(where: str, words: str) -> None:
    with pytest.raises(Problem) as refused:
        parse(where, Declaration(SLICE, tuple(Index(**one) for one in INDEXES)))
    assert (refused.value.status, refused.value.kind) == (422, "invalid-query")
    assert words in refused.value.detail


@given(st.text(max_size=30), st.text(alphabet='{}[]":,ain_t01', max_size=30))
def test_no_text_breaks_the_reader_of_queries(free: str, alike: str) -> None:
    for text in (free, alike):
        try:
            parse(text, Declaration(SLICE)).matches_row(b'{"body":{"a":1},"seq":1}')
        except Problem as problem:
            assert problem.status == 422  # noqa: PT017 - most texts are refused, some are queries


def test_an_index_that_is_declared_later_orders_what_was_there_before() -> None:
    memory = Memory(INDEXES[:1])
    for n in range(9):
        memory.put(f"o{n}", {"amount": str(9 - n), "status": "open" if n else "late"})
    assert memory.all({"status": "late"}) == ["o0"]
    memory.declare(INDEXES)
    assert memory.all({"amount": {"lt": "4"}}, "amount") == ["o8", "o7", "o6"]
    memory.declare([])
    with pytest.raises(Problem, match="no range index of `amount`"):
        memory.all({}, "amount")


def test_a_cursor_of_another_order_is_refused() -> None:
    memory = Memory(INDEXES)
    for n in range(3):
        memory.put(f"o{n}", {"amount": str(n), "status": "open"})
    _, amount = memory.page({}, "amount", "", 1)
    for order, after in (("status", amount), ("amount", "!"), ("amount", "WzAsIngiLCJhIl0")):
        with pytest.raises(Problem) as refused:
            memory.page({}, order, str(after), 1)
        assert refused.value.status == 400


def test_a_query_that_looks_at_too_much_names_the_index_that_would_help() -> None:
    state = State()
    memory = Queries(state)
    state.apply([Effect("slice", SLICE, codec.encode({"name": SLICE, "budget": 10}))], 1)
    rows = [Effect(TABLE, f"o{n}", codec.encode({"body": {"n": n}, "seq": 2})) for n in range(11)]
    state.apply(rows, 2)
    for where, index in (
        ('{"n":99}', "an equality index of `n`"),
        ('{"n":{"gt":99}}', "a range index of `n`"),
    ):
        with pytest.raises(Problem) as refused:
            memory.run(SLICE, memory.filter(SLICE, where))
        assert (refused.value.status, refused.value.kind) == (422, "query-too-wide")
        assert index in refused.value.detail
    assert len(memory.run(SLICE, memory.filter(SLICE, '{"n":{"lt":5}}'), limit=5).rows) == 5
    assert len(memory.run(SLICE, memory.filter(SLICE, "")).rows) == 11


def test_a_slice_too_large_to_look_through_at_once_takes_no_search_and_no_new_schema() -> None:
    state = State()
    row = codec.encode({"body": {"n": 0}, "seq": 1})
    state.apply([Effect(TABLE, f"o{n}", row) for n in range(WIDEST + 1)], 1)
    memory, twin = Queries(state), "01JABCDEFGHJKMNPQRSTVWXYZ0"
    rights = Rights(Engine(load("twin").authorization, Tuples()), state, twin, Granted(state))
    context = Context("2030-01-01T00:00:00Z", Caller("user:a"), 2, "", twin, Transaction(state), rights)
    declare = load("twin").reducers["declare_slice"].run
    with pytest.raises(Problem, match="declare an equality index of `n`"):
        memory.run(SLICE, memory.filter(SLICE, '{"n":1}'))
    with pytest.raises(Problem, match="'things' holds 100,001 objects"):
        declare(context, SLICE, "Things", "things", schema={"type": "object"})
    state.apply([Effect(TABLE, "o0", None)], 2)
    assert memory.run(SLICE, memory.filter(SLICE, '{"n":1}')).rows == []
    declare(context, SLICE, "Things", "things", schema={"type": "object"})


def test_a_view_cannot_be_changed_and_is_never_out_of_date() -> None:
    memory = Memory([])
    memory.put("a", {"list": [{"n": 1}]})
    view = memory.state.view(TABLE, "a")
    with pytest.raises(TypeError):
        view["body"]["list"][0]["n"] = 2
    memory.put("a", {"list": []})
    assert view["body"]["list"][0]["n"] == 1
    assert memory.state.view(TABLE, "a")["body"]["list"] == ()
    assert memory.state.view(TABLE, "b") is None
