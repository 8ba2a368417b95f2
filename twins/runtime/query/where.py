"""Where: the grammar of a query's conditions, and the limits of what one query may ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twins.runtime import codec
from twins.runtime.problems import Problem
from twins.runtime.query.declaration import Declaration
from twins.runtime.query.orders import ORDERS, Key
from twins.runtime.query.paths import is_path
from twins.runtime.query.words import words

LONGEST = 4096
MOST_CONDITIONS = 20
DEEPEST = 4
BOUNDS = ("gt", "gte", "lt", "lte")
OPERATORS = (*BOUNDS, "in", "prefix", "match", "exists")


@dataclass(frozen=True)
class Equals:
    """The member is one of these values, of the same type."""

    path: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Between:
    """The member lies between two keys of an order; None is no bound."""

    path: str
    order: str
    low: Key | None
    high: Key | None
    with_low: bool
    with_high: bool


@dataclass(frozen=True)
class Prefix:
    """The member is a text that begins so."""

    path: str
    text: str


@dataclass(frozen=True)
class Match:
    """The member is a text with all these words."""

    path: str
    words: frozenset[str]


@dataclass(frozen=True)
class Exists:
    """The member is there, or is not."""

    path: str
    there: bool


@dataclass(frozen=True)
class AllOf:
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class AnyOf:
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Not:
    node: Node


Leaf = Equals | Between | Prefix | Match | Exists
Node = Leaf | AllOf | AnyOf | Not


def refused(detail: str) -> Problem:
    """A query that cannot be understood."""
    return Problem(422, "invalid-query", f"`where`: {detail}.")


def read(where: Any, declaration: Declaration) -> AllOf:
    """The conditions of a JSON object.

    Raises:
        Problem: 422, naming the member that does not fit.
    """
    if len(codec.encode(where)) > LONGEST:
        raise refused(f"more than {LONGEST:,} bytes")
    return _Reader(declaration).object(where, 1)


class _Reader:
    """Reads one query and counts its conditions."""

    def __init__(self, declaration: Declaration) -> None:
        self._declaration = declaration
        self._left = MOST_CONDITIONS

    def object(self, where: Any, depth: int) -> AllOf:
        if not isinstance(where, dict):
            raise refused(f"expected an object of conditions, got {_shown(where)}")
        if depth > DEEPEST:
            raise refused(f"nested more than {DEEPEST} deep")
        return AllOf(
            tuple(node for name, value in where.items() for node in self._member(name, value, depth))
        )

    def _member(self, name: str, value: Any, depth: int) -> Sequence[Node]:
        if name in ("any", "all"):
            if not isinstance(value, list) or not value:
                raise refused(f"`{name}` expects a list of objects, got {_shown(value)}")
            nodes = tuple(self.object(one, depth + 1) for one in value)
            return [AllOf(nodes) if name == "all" else AnyOf(nodes)]
        if name == "not":
            return [Not(self.object(value, depth + 1))]
        if not is_path(name):
            raise refused(f"{_shown(name)} is no path of a member")
        return self._conditions(name, value)

    def _conditions(self, path: str, value: Any) -> Sequence[Node]:
        if not isinstance(value, dict):
            self._count()
            return [Equals(path, (_scalar(path, value),))]
        if not value:
            raise refused(f"`{path}` has no condition; expected one of {', '.join(OPERATORS)}")
        bounds = {name: value[name] for name in BOUNDS if name in value}
        others = [self._condition(path, *one) for one in value.items() if one[0] not in bounds]
        return [*([self._between(path, bounds)] if bounds else []), *others]

    def _condition(self, path: str, operator: str, operand: Any) -> Leaf:
        self._count()
        if operator == "in":
            if not isinstance(operand, list) or not operand:
                raise refused(f"`{path}.in` expects a list of values, got {_shown(operand)}")
            return Equals(path, tuple(_scalar(f"{path}.in", one) for one in operand))
        if operator == "exists":
            if not isinstance(operand, bool):
                raise refused(f"`{path}.exists` expects true or false, got {_shown(operand)}")
            return Exists(path, operand)
        if operator not in ("prefix", "match"):
            raise refused(f"`{path}` has the condition {_shown(operator)}; expected {', '.join(OPERATORS)}")
        if not isinstance(operand, str):
            raise refused(f"`{path}.{operator}` expects text, got {_shown(operand)}")
        return Prefix(path, operand) if operator == "prefix" else self._match(path, operand)

    def _match(self, path: str, text: str) -> Match:
        if not self._declaration.has(path, "text"):
            raise refused(f"`{path}.match` needs a text index of `{path}`, which the slice does not declare")
        wanted = words(text)
        if not wanted:
            raise refused(f"`{path}.match` expects at least one word, got {_shown(text)}")
        return Match(path, frozenset(wanted))

    def _between(self, path: str, bounds: dict[str, Any]) -> Between:
        for name, other in (("gt", "gte"), ("lt", "lte")):
            if name in bounds and other in bounds:
                raise refused(f"`{path}` has both {name} and {other}")
        order = self._declaration.order_of(path) or _order_of(next(iter(bounds.values())))
        keys = {name: self._key(f"{path}.{name}", order, operand) for name, operand in bounds.items()}
        low, high = keys.get("gt", keys.get("gte")), keys.get("lt", keys.get("lte"))
        return Between(path, order, low, high, "gte" in keys, "lte" in keys)

    def _key(self, where: str, order: str, operand: Any) -> Key:
        self._count()
        key = ORDERS[order](operand)
        if key is None:
            raise refused(f"`{where}` expects a {order} value, got {_shown(operand)}")
        return key

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise refused(f"more than {MOST_CONDITIONS} conditions")


def _order_of(operand: Any) -> str:
    """How values compare that no index orders."""
    return "text" if isinstance(operand, str) else "number"


def _scalar(path: str, value: Any) -> Any:
    if isinstance(value, (dict, list)):
        raise refused(f"`{path}` expects text, a whole number, a boolean or null, got {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    text = codec.encode(value).decode()
    return text if len(text) <= 60 else f"{text[:60]}…"
