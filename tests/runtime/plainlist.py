"""A plain list of objects, asked as a twin's queries are; bodies, conditions and orders for both."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from twins.runtime import codec
from twins.runtime.query import Queries, queries
from twins.runtime.query import compile as compiled
from twins.runtime.query.declaration import declaration_of
from twins.runtime.state import Effect, State

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
