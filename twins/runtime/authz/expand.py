"""Expand: one level of how a relation comes about, as a tree."""

from __future__ import annotations

from typing import Any

from twins.runtime.authz.model import Model, Relation
from twins.runtime.authz.names import kind_of, split_userset
from twins.runtime.authz.rewrites import Computed, Difference, Rewrite, This, Through, Union, children_of
from twins.runtime.authz.tuples import Reader

Node = dict[str, Any]


def expand(model: Model, tuples: Reader, object_: str, relation: Relation) -> Node:
    """The tree's root: `{"name", "leaf"|"union"|"intersection"|"difference"}`."""
    return {
        "name": f"{object_}#{relation.name}",
        **_value(model, tuples, object_, relation, relation.rewrite),
    }


def _value(model: Model, tuples: Reader, object_: str, relation: Relation, rewrite: Rewrite) -> Node:
    if isinstance(rewrite, This):
        return {"leaf": {"users": {"users": sorted(set(_users(model, tuples, object_, relation)))}}}
    if isinstance(rewrite, Computed):
        return {"leaf": {"computed": {"userset": f"{object_}#{rewrite.relation}"}}}
    if isinstance(rewrite, Through):
        return {"leaf": {"tupleToUserset": _through(model, tuples, object_, relation, rewrite)}}
    name = f"{object_}#{relation.name}"
    nodes = [
        {"name": name, **_value(model, tuples, object_, relation, child)} for child in children_of(rewrite)
    ]
    if isinstance(rewrite, Difference):
        return {"difference": {"base": nodes[0], "subtract": nodes[1]}}
    return {"union" if isinstance(rewrite, Union) else "intersection": {"nodes": nodes}}


def _through(model: Model, tuples: Reader, object_: str, relation: Relation, rewrite: Through) -> Node:
    tupleset = model.types[relation.type][rewrite.tupleset]
    found = [
        f"{target}#{name or rewrite.relation}"
        for target, name in map(split_userset, _users(model, tuples, object_, tupleset))
    ]
    computed = [{"userset": userset} for userset in dict.fromkeys(found)]
    return {"tupleset": f"{object_}#{rewrite.tupleset}", "computed": computed}


def _users(model: Model, tuples: Reader, object_: str, relation: Relation) -> list[str]:
    return [
        user
        for user, condition in tuples.users(object_, relation.name)
        if model.counts(relation, kind_of(user), condition)
    ]
