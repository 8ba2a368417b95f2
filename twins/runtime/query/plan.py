"""Plan: which objects may fulfil the conditions, as the indexes tell it without looking at any object."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from twins.runtime.query.indexes import Entry, RangeIndex, SliceIndexes
from twins.runtime.query.where import AllOf, AnyOf, Between, Equals, Exists, Match, Node, Not, Prefix

# Follows every id, and comes before none.
LAST, FIRST = "\x7f", ""
HIGHEST = chr(0x10FFFF)
Span = tuple[Entry | None, Entry | None]


class Candidates(NamedTuple):
    """At least the wanted objects: at most how many, and their ids once they are needed."""

    most: int
    ids: Callable[[], Iterable[str]]


def candidates(node: Node, indexes: SliceIndexes) -> Candidates | None:
    """The fewest candidates that an index knows, or None when no index helps."""
    match node:
        case AllOf(nodes):
            found = [one for one in (candidates(inner, indexes) for inner in nodes) if one is not None]
            return min(found, key=lambda one: one.most, default=None)
        case AnyOf(nodes):
            each = [candidates(inner, indexes) for inner in nodes]
            known = [one for one in each if one is not None]
            return _union(known) if len(known) == len(each) else None
        case Equals(path, values):
            equality = indexes.equality(path)
            return None if equality is None else _sum([equality.ids(value) for value in values])
        case Match(path, wanted):
            text = indexes.text(path)
            return None if text is None else _sum([min((text.ids(word) for word in wanted), key=len)])
        case Between() | Prefix():
            index = indexes.range(node.path)
            unfit = index is None or (isinstance(node, Prefix) and index.order != "text")
            return None if index is None or unfit else _slice(index, span(node))
        case Not() | Exists():
            return None


def span(node: Between | Prefix) -> Span:
    """The entries of the path's range index between which the objects stand; the index has the same order."""
    if isinstance(node, Between):
        low = (0,) if node.low is None else (0, node.low, FIRST)
        high = (0, node.high, LAST) if node.high is not None else (1,)
        return low, high
    return (0, node.text, FIRST), _after(node.text)


def _after(prefix: str) -> Entry:
    """The entry that follows every text with this prefix."""
    cut = prefix.rstrip(HIGHEST)
    return (0, cut[:-1] + chr(ord(cut[-1]) + 1), FIRST) if cut else (1,)


def _slice(index: RangeIndex, reach: Span) -> Candidates:
    return Candidates(index.count(*reach), lambda: (entry[-1] for entry in index.between(*reach)))


def _sum(parts: list[Collection[str]]) -> Candidates:
    if len(parts) == 1:
        return Candidates(len(parts[0]), lambda: parts[0])
    return Candidates(sum(map(len, parts)), lambda: set().union(*parts))


def _union(parts: list[Candidates]) -> Candidates:
    return Candidates(sum(one.most for one in parts), lambda: set().union(*(one.ids() for one in parts)))


def missing_index(node: Node, indexes: SliceIndexes) -> str | None:
    """An index that would help the conditions, in words; None when there is none."""
    match node:
        case AllOf(nodes) | AnyOf(nodes):
            return next((found for inner in nodes if (found := missing_index(inner, indexes))), None)
        case _ if candidates(node, indexes) is not None:
            return None
        case Equals(path):
            return f"an equality index of `{path}`"
        case Between(path, order):
            return f"a range index of `{path}` in the order {order}"
        case Prefix(path):
            return f"a range index of `{path}` in the order text"
        case _:
            return None
