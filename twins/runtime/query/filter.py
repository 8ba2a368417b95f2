"""Filter: conditions compiled into one function over the bytes of a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from twins.runtime import codec
from twins.runtime.problems import Problem
from twins.runtime.query import where
from twins.runtime.query.declaration import Declaration
from twins.runtime.query.orders import ORDERS
from twins.runtime.query.paths import MISSING, Fields
from twins.runtime.query.where import (
    AllOf,
    AnyOf,
    Between,
    Equals,
    Exists,
    Leaf,
    Match,
    Node,
    Not,
    Prefix,
    refused,
)
from twins.runtime.query.words import words

Test = Callable[[Any], bool]


class Filter:
    """The objects of a slice that a query wants.

    Attributes:
        text: the canonical JSON of the conditions; equal texts are equal filters.
        conditions: what they say.
        declaration: what they were compiled against.
        equality: a path and the one value that it must have, if there is such a condition; the rest of the
            conditions must hold besides.
        holds: whether the filter wants the object of this row; soonest where most are wanted.
        paths: every member that the conditions look at.
    """

    def __init__(self, text: str, conditions: AllOf, declaration: Declaration) -> None:
        self.text = text
        self.conditions = conditions
        self.declaration = declaration
        self.equality = next(_equalities(conditions), None)
        self.paths = frozenset(_paths(conditions))
        self.holds: Callable[[bytes], bool] = _whole(conditions, Fields(self.paths))
        self._fragment = max(_fragments(conditions), key=len, default=b"")

    def matches_row(self, value: bytes) -> bool:
        """As `holds`; soonest where few objects are wanted."""
        return self._fragment in value and self.holds(value)


def parse(text: str, declaration: Declaration) -> Filter:
    """The filter of `where=…`; "" wants every object.

    Raises:
        Problem: 422, naming the member that does not fit.
    """
    if len(text) > where.LONGEST:
        raise refused(f"more than {where.LONGEST:,} bytes")
    return _parse(text, declaration)


def compile(conditions: Any, declaration: Declaration) -> Filter:  # noqa: A001 - the usual word, as in `re`
    """The filter of conditions that were read as JSON.

    Raises:
        Problem: 422, naming the member that does not fit.
    """
    return parse(_canonical(conditions), declaration)


@lru_cache(maxsize=1024)
def both(first: Filter, second: Filter) -> Filter:
    """The filter of what both want, compiled as the second was."""
    text = f'{{"all":[{first.text},{second.text or "{}"}]}}'
    return Filter(text, AllOf((first.conditions, second.conditions)), second.declaration)


@lru_cache(maxsize=1024)
def _parse(text: str, declaration: Declaration) -> Filter:
    try:
        conditions = codec.parse(text.encode()) if text else {}
    except Problem as problem:
        raise refused(problem.detail.removeprefix("The body is ").removesuffix(".")) from None
    except UnicodeEncodeError:
        raise refused("no text in UTF-8") from None
    canonical = _canonical(conditions)
    if canonical != text:
        return parse(canonical, declaration)
    return Filter(text, where.read(conditions, declaration), declaration)


def _canonical(conditions: Any) -> str:
    try:
        return codec.encode(conditions).decode()
    except RecursionError:
        raise refused(f"nested more than {where.DEEPEST} deep") from None


def _paths(node: Node) -> set[str]:
    """Every path that a condition names."""
    match node:
        case AllOf(nodes) | AnyOf(nodes):
            return set().union(*map(_paths, nodes))
        case Not(inner):
            return _paths(inner)
        case _:
            return {node.path}


def required(node: AllOf) -> Iterator[Leaf]:
    """The conditions that must hold in any case."""
    for inner in node.nodes:
        if isinstance(inner, AllOf):
            yield from required(inner)
        elif not isinstance(inner, AnyOf | Not):
            yield inner


def _equalities(conditions: AllOf) -> Iterator[tuple[str, Any]]:
    for leaf in required(conditions):
        if isinstance(leaf, Equals) and len(leaf.values) == 1:
            yield leaf.path, leaf.values[0]


def _fragments(conditions: AllOf) -> Iterator[bytes]:
    """Bytes that must occur in a body: its JSON is canonical, so what differs need not be decoded."""
    for leaf in required(conditions):
        name = leaf.path.rpartition(".")[2]
        if isinstance(leaf, Equals) and len(leaf.values) == 1:
            yield codec.encode({name: leaf.values[0]})[1:-1]
        elif isinstance(leaf, Prefix):
            yield codec.encode({name: leaf.text})[1:-2]


def _whole(conditions: AllOf, fields: Fields) -> Callable[[bytes], bool]:
    """The function over the bytes of a row; one equality, the most frequent filter, in one frame."""
    of_row = fields.of_row
    match conditions.nodes:
        case (Equals(path, (wanted,)),):
            get, kind = fields.getter(path), type(wanted)

            def equals(value: bytes) -> bool:
                found: object = get(of_row(value))
                return found == wanted and type(found) is kind

            return equals
    test = _test(conditions, fields)
    return lambda value: test(of_row(value))


def _test(node: Node, fields: Fields) -> Test:
    """The function that says of a row's members whether the condition holds."""
    match node:
        case AllOf(nodes):
            return _all([_test(inner, fields) for inner in nodes])
        case AnyOf(nodes):
            tests = [_test(inner, fields) for inner in nodes]
            return lambda row: any(test(row) for test in tests)
        case Not(inner):
            negated = _test(inner, fields)
            return lambda row: not negated(row)
        case _:
            get, holds = fields.getter(node.path), _holds(node)
            return lambda row: holds(get(row))


def _all(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    return lambda row: all(test(row) for test in tests)


def _holds(leaf: Leaf) -> Test:
    """The function that says of a member's value whether the condition holds."""
    match leaf:
        case Equals(_, values):
            return _equals(values)
        case Between():
            return _between(leaf)
        case Prefix(_, text):
            return lambda value: type(value) is str and value.startswith(text)
        case Match(_, wanted):
            return lambda value: wanted <= words(value)
        case Exists(_, there):
            return lambda value: (value is not MISSING) == there


def _equals(values: tuple[Any, ...]) -> Test:
    # The type counts: 1 and true are equal in Python, not in JSON.
    if len(values) == 1:
        (wanted,) = values
        kind = type(wanted)
        return lambda value: value == wanted and type(value) is kind
    among = {(type(value), value) for value in values}
    return lambda value: not isinstance(value, (dict, list)) and (type(value), value) in among


def _between(leaf: Between) -> Test:
    key_of, low, high = ORDERS[leaf.order], leaf.low, leaf.high
    with_low, with_high = leaf.with_low, leaf.with_high

    def holds(value: Any) -> bool:
        key: Any = key_of(value)
        if key is None:
            return False
        above = low is None or key > low or (with_low and key == low)
        return above and (high is None or key < high or (with_high and key == high))

    return holds
