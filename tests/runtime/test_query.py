"""Queries against a plain list: whatever is written, moved, deleted or declared anew in between."""

from __future__ import annotations

import re
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.runtime.logs import Open, make
from twins.runtime import codec, slices
from twins.runtime.problems import Problem
from twins.runtime.query import Queries, as_of, parse, queries
from twins.runtime.query import compile as compiled
from twins.runtime.query.declaration import Declaration, Index, declaration_of
from twins.runtime.state import Effect, State, Transaction

SLICE, TABLE = "things", "object/things"
MISSING = object()
WORTH = queries.WORTH
INDEXES: list[dict[str, Any]] = [
    {"path": "status", "type": "equality"},
    {"path": "at.place", "type": "equality"},
    {"path": "amount", "type": "range", "order": "decimal"},
    {"path": "status", "type": "range"},
    {"path": "number", "type": "range", "order": "number"},
    {"path": "when", "type": "range", "order": "time"},
    {"path": "title", "type": "text"},
]
ORDERS = {"amount": "decimal", "status": "text", "number": "number", "when": "time"}
TIMES = [
    "2030-01-01T00:00:00Z",
    "2030-01-01T00:00:00.500Z",
    "2030-01-01T00:30:00+01:00",
    "2029-12-31T23:59:59Z",
]
INSTANTS = dict(zip(TIMES, (2, 3, 0, 1), strict=True))

ids = st.sampled_from([f"o{n}" for n in range(30)])
status = st.sampled_from(["open", "late", "lately", "", "Open", 1, True, False, 0, None])
amounts = st.sampled_from(["10", "9.50", "-3", "10.0", 7, "many", None])
titles = st.sampled_from(["Heart valve", "the HEART", "valve, heart!", "Straße", "strasse 5", 5])
places = st.fixed_dictionaries({}, optional={"place": st.sampled_from(["A", "B", 1])})
bodies = st.fixed_dictionaries(
    {},
    optional={
        "status": status,
        "amount": amounts,
        "number": st.one_of(st.integers(-3, 3), st.sampled_from([True, "2"])),
        "when": st.sampled_from([*TIMES, "yesterday"]),
        "title": titles,
        "at": st.one_of(
            st.none(), st.fixed_dictionaries({}, optional={"place": st.sampled_from(["A", "B", 1])})
        ),
    },
)
leaves = st.one_of(
    status.map(lambda v: {"status": v}),
    st.sampled_from(["A", "B", 1]).map(lambda v: {"at.place": v}),
    st.lists(status, min_size=1, max_size=3).map(lambda v: {"status": {"in": v}}),
    st.sampled_from(["", "l", "late", "O"]).map(lambda v: {"status": {"prefix": v}}),
    st.sampled_from(["amount", "number", "when"]).map(lambda path: {path: {"prefix": "2"}}),
    st.tuples(st.sampled_from(["gt", "gte"]), st.sampled_from(["lt", "lte"]), st.integers(-3, 3)).map(
        lambda t: {"number": {t[0]: t[2] - 1, t[1]: t[2]}}
    ),
    st.tuples(st.sampled_from(["gt", "gte", "lt", "lte"]), st.sampled_from(["10", "9.5", 7])).map(
        lambda t: {"amount": {t[0]: t[1]}}
    ),
    st.tuples(st.sampled_from(["gt", "gte", "lt", "lte"]), st.sampled_from(TIMES)).map(
        lambda t: {"when": {t[0]: t[1]}}
    ),
    st.sampled_from(["heart", "valve HEART", "STRASSE", "5"]).map(lambda v: {"title": {"match": v}}),
    st.tuples(st.sampled_from(["status", "at.place", "at"]), st.booleans()).map(
        lambda t: {t[0]: {"exists": t[1]}}
    ),
)
wheres = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=2).map(lambda some: {"any": some}),
        st.lists(inner, min_size=1, max_size=2).map(lambda some: {"all": some}),
        inner.map(lambda one: {"not": one}),
    ),
    max_leaves=3,
)
orders = st.sampled_from(["", "id", "-id", *ORDERS, *(f"-{path}" for path in ORDERS)])


def value_at(body: dict[str, Any], path: str) -> Any:
    value: Any = body
    for name in path.split("."):
        value = value.get(name, MISSING) if isinstance(value, dict) else MISSING
    return value


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def place(path: str, value: Any) -> Any:
    """Where a value stands in the order of its path, or None; naively."""
    match ORDERS[path]:
        case "decimal":
            fits = isinstance(value, int) or (
                isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value)
            )
            return Decimal(value) if fits and not isinstance(value, bool) else None
        case "number":
            return value if type(value) is int else None
        case "time":
            return INSTANTS.get(value) if isinstance(value, str) else None
        case _:
            return value if isinstance(value, str) else None


def tokens(text: Any) -> set[str]:
    return set(re.findall(r"\w+", text.casefold())) if isinstance(text, str) else set()


def holds(where: dict[str, Any], body: dict[str, Any]) -> bool:
    """The meaning of a query, one condition after the other."""
    return all(holds_one(name, operand, body) for name, operand in where.items())


def holds_one(name: str, operand: Any, body: dict[str, Any]) -> bool:
    if name in ("any", "all"):
        results = [holds(one, body) for one in operand]
        return any(results) if name == "any" else all(results)
    if name == "not":
        return not holds(operand, body)
    value = value_at(body, name)
    if not isinstance(operand, dict):
        return same(value, operand)
    return all(compares(name, operator, wanted, value) for operator, wanted in operand.items())


def compares(path: str, operator: str, wanted: Any, value: Any) -> bool:
    match operator:
        case "in":
            return any(same(value, one) for one in wanted)
        case "exists":
            return (value is not MISSING) is wanted
        case "prefix":
            return isinstance(value, str) and value.startswith(wanted)
        case "match":
            return tokens(wanted) <= tokens(value)
        case _:
            left, right = place(path, value), place(path, wanted)
            signs = {"lt": "__lt__", "lte": "__le__", "gt": "__gt__", "gte": "__ge__"}
            return left is not None and bool(getattr(left, signs[operator])(right))


def expected(rows: dict[str, Any], where: dict[str, Any], order: str) -> list[str]:
    """The ids that a query must give, in order; those without a place in it come last."""
    found = [(id_, body) for id_, body in rows.items() if holds(where, body)]
    path = order.removeprefix("-")

    def key(one: tuple[str, Any]) -> tuple[Any, ...]:
        where_it_stands = None if path in ("", "id") else place(path, value_at(one[1], path))
        return (
            (0, one[0])
            if path in ("", "id")
            else (1, one[0])
            if where_it_stands is None
            else (0, where_it_stands, one[0])
        )

    return [id_ for id_, _ in sorted(found, key=key, reverse=order.startswith("-"))]


class Memory:
    """A state with one slice, its queries, and the same as a plain dict."""

    def __init__(self, indexes: list[dict[str, Any]]) -> None:
        self.state = State()
        self.queries = Queries(self.state)
        self.rows: dict[str, Any] = {}
        self.seq = 0
        self.declare(indexes)

    def declare(self, indexes: list[dict[str, Any]]) -> None:
        self.write([Effect("slice", SLICE, codec.encode({"name": SLICE, "indexes": indexes}))])

    def put(self, id_: str, body: dict[str, Any]) -> None:
        self.rows[id_] = body
        self.write([Effect(TABLE, id_, codec.encode({"body": body, "seq": self.seq + 1}))])

    def delete(self, id_: str) -> None:
        if self.rows.pop(id_, None) is not None:
            self.write([Effect(TABLE, id_, None)])

    def write(self, effects: list[Effect]) -> None:
        self.seq += 1
        self.state.apply(effects, self.seq)

    def page(self, where: dict[str, Any], order: str, after: str, limit: int) -> tuple[list[str], str | None]:
        filter_ = compiled(where, declaration_of(self.state, SLICE))
        rows, following = self.queries.run(SLICE, filter_, order, after, limit)
        return [id_ for id_, _ in rows], following

    def all(self, where: dict[str, Any], order: str = "", limit: int = 5) -> list[str]:
        found: list[str] = []
        after: str | None = ""
        while after is not None:
            ids_, after = self.page(where, order, after, limit)
            found += ids_
            assert len(found) <= len(self.rows)
        return found


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
