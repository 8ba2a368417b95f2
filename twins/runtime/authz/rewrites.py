"""Rewrites: how a relation follows from tuples and from other relations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class This(NamedTuple):
    """The tuples of the relation itself."""

    is_direct: bool = True


class Computed(NamedTuple):
    """Another relation of the same object."""

    relation: str


class Through(NamedTuple):
    """`relation from tupleset`: a relation of the objects that the tupleset names."""

    tupleset: str
    relation: str


class Union(NamedTuple):
    children: tuple[Rewrite, ...]


class Intersection(NamedTuple):
    children: tuple[Rewrite, ...]


class Difference(NamedTuple):
    """`base but not subtract`."""

    base: Rewrite
    subtract: Rewrite


class Missing(NamedTuple):
    """No rewrite at all, which no valid model has."""

    is_missing: bool = True


Rewrite = This | Computed | Through | Union | Intersection | Difference | Missing
THIS = This()


def rewrite_of(document: Mapping[str, Any]) -> Rewrite:
    """A rewrite in the form of the interface, which was checked before."""
    if not document:
        return Missing()
    ((kind, content),) = document.items()
    if kind == "this":
        return THIS
    if kind == "computedUserset":
        return Computed(content["relation"])
    if kind == "tupleToUserset":
        return Through(content["tupleset"]["relation"], content["computedUserset"]["relation"])
    if kind == "difference":
        return Difference(rewrite_of(content["base"]), rewrite_of(content["subtract"]))
    children = tuple(rewrite_of(child) for child in content["child"])
    return Union(children) if kind == "union" else Intersection(children)


def children_of(rewrite: Rewrite) -> tuple[Rewrite, ...]:
    """The operands."""
    if isinstance(rewrite, Union | Intersection):
        return rewrite.children
    return (rewrite.base, rewrite.subtract) if isinstance(rewrite, Difference) else ()


def walk(rewrite: Rewrite) -> Iterator[Rewrite]:
    """The rewrite and everything within."""
    yield rewrite
    for child in children_of(rewrite):
        yield from walk(child)
