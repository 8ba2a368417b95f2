"""Worlds: random models, tuples and questions, also wrong ones, for two servers to answer alike."""

from __future__ import annotations

from random import Random
from typing import Any

Json = dict[str, Any]
IDS = ("1", "2", "3")
USERS = ("user:a", "user:b", "user:c")
RELATIONS = ("r0", "r1", "r2", "r3")
TIME = "TYPE_NAME_TIMESTAMP"
CONDITIONS: Json = {
    "small": {
        "name": "small",
        "expression": "x < 10",
        "parameters": {"x": {"type_name": "TYPE_NAME_INT"}},
    },
    "window": {
        "name": "window",
        "expression": "current_time >= begin && current_time < end",
        "parameters": {name: {"type_name": TIME} for name in ("current_time", "begin", "end")},
    },
}
CONTEXTS: tuple[Json, ...] = (
    {},
    {"x": 1},
    {"x": 20},
    {"x": "7"},
    {"x": 1.5},
    {"x": None},
    {"current_time": "2030-01-01T00:00:00Z", "x": 3},
    {"current_time": "2040-01-01T00:00:00+01:00"},
    {"current_time": "2030-01-01", "x": True},
)
STORED: dict[str, tuple[Json, ...]] = {
    "small": ({}, {"x": 1}, {"x": 50}, {"x": "1"}, {"x": "one"}, {"y": 1}),
    "window": (
        {},
        {"begin": "2029-01-01T00:00:00Z", "end": "2031-01-01T00:00:00Z"},
        {"begin": "2029-01-01T00:00:00Z"},
        {"begin": "2035-01-01T00:00:00Z", "end": "2050-01-01T00:00:00Z"},
        {"begin": "soon", "end": "2050-01-01T00:00:00Z"},
    ),
    "other": ({},),
}


def model(random: Random) -> Json:
    """Types `user`, `group` and `doc`; documents have parents, and relations in every combination."""
    group: Json = {
        "relations": {"member": {"this": {}}},
        "metadata": {"relations": {"member": _direct(random, groups=True)}},
    }
    if random.random() < 0.3:
        group["relations"]["owner"] = {"this": {}}
        group["relations"]["boss"] = _computed("owner")
        group["metadata"]["relations"]["owner"] = _direct(random, groups=False)
    count = random.randint(1, 4)
    rewrites = {name: _rewrite(random, RELATIONS[:count], name, 2) for name in RELATIONS[:count]}
    metadata = {
        name: _direct(random, groups=True, relations=RELATIONS[:count])
        for name, rewrite in rewrites.items()
        if "'this'" in str(rewrite) or random.random() < 0.02
    }
    parents = [{"type": "doc"}] if random.random() < 0.7 else [{"type": "doc"}, {"type": "group"}]
    if random.random() < 0.2:
        parents = [*parents, {"type": "doc", "condition": "small"}]
    doc = {
        "relations": {"parent": {"this": {}}, **rewrites},
        "metadata": {"relations": {"parent": {"directly_related_user_types": parents}, **metadata}},
    }
    return {
        "schema_version": "1.1",
        "type_definitions": [{"type": "user"}, {"type": "group", **group}, {"type": "doc", **doc}],
        "conditions": CONDITIONS,
    }


def _computed(relation: str) -> Json:
    return {"computedUserset": {"relation": relation}}


def _rewrite(random: Random, names: tuple[str, ...], own: str, depth: int) -> Json:
    kind = random.choice(("this", "this", "computed", "through", "union", "intersection", "difference"))
    if kind == "this" or depth == 0:
        return {"this": {}}
    if kind == "computed":
        lower = [name for name in names if name < own]
        return _computed(random.choice(lower if lower and random.random() < 0.9 else names))
    if kind == "through":
        target = random.choice((*names, *names, "member"))
        return {"tupleToUserset": {"tupleset": {"relation": "parent"}, **_computed(target)}}
    count = 2 if kind == "difference" or random.random() < 0.8 else 3
    children = [_rewrite(random, names, own, depth - 1) for _ in range(count)]
    if kind == "difference":
        return {kind: {"base": children[0], "subtract": children[1]}}
    return {kind: {"child": children}}


def _direct(random: Random, *, groups: bool, relations: tuple[str, ...] = ()) -> Json:
    kinds: list[Json] = [{"type": "user"}]
    more: list[Json] = [
        {"type": "user", "wildcard": {}},
        {"type": "user", "condition": "small"},
        {"type": "user", "condition": "window"},
        {"type": "user", "wildcard": {}, "condition": "small"},
    ]
    if groups:
        more += [{"type": "group", "relation": "member"}] * 2
        more += [{"type": "group", "relation": "member", "condition": "small"}]
    more += [{"type": "doc", "relation": name} for name in relations]
    kinds += random.sample(more, random.randint(0, min(3, len(more))))
    if random.random() < 0.2:
        kinds = kinds[1:] or kinds
    return {"directly_related_user_types": kinds}


def tuples(random: Random, document: Json, count: int) -> list[Json]:
    """Tuples that the model mostly admits."""
    return [_tuple(random, document) for _ in range(count)]


def _tuple(random: Random, document: Json) -> Json:
    type_ = random.choice([one for one in document["type_definitions"] if one.get("relations")])
    relation = random.choice(list(type_["relations"]))
    related = type_["metadata"]["relations"].get(relation, {}).get("directly_related_user_types", [])
    found: Json = {"object": f"{type_['type']}:{random.choice(IDS)}", "relation": relation}
    if not related or random.random() < 0.05:
        kind: Json = random.choice(({"type": "user"}, {"type": "doc"}, {"type": "user", "wildcard": {}}))
    else:
        kind = random.choice(related)
    found["user"] = _of_kind(random, kind)
    name = kind.get("condition")
    if random.random() < 0.04:
        name = random.choice(("small", "window", "other"))
    if name:
        found["condition"] = {"name": name, "context": random.choice(STORED[name])}
    return found


def _of_kind(random: Random, kind: Json) -> str:
    if "wildcard" in kind:
        return f"{kind['type']}:*"
    name = random.choice(USERS) if kind["type"] == "user" else f"{kind['type']}:{random.choice(IDS)}"
    return f"{name}#{kind['relation']}" if kind.get("relation") else name


def _user(random: Random) -> str:
    kind = random.random()
    if kind < 0.7:
        return random.choice(USERS)
    if kind < 0.8:
        return f"group:{random.choice(IDS)}#member"
    if kind < 0.88:
        return f"doc:{random.choice(IDS)}#{random.choice(RELATIONS)}"
    return random.choice(("user:*", "doc:1", "group:2", "ghost:1", "user", "doc:1#none", "us er:1", "doc:*"))


def _brought(random: Random, document: Json) -> list[Json]:
    return tuples(random, document, random.randint(1, 3)) if random.random() < 0.25 else []


def question(random: Random, document: Json) -> tuple[str, Json]:
    """A verb and its body."""
    verb = random.choice(("check",) * 5 + ("list-objects",) * 3 + ("list-users",) * 3 + ("expand",))
    relations = [*document["type_definitions"][2]["relations"]]
    relation = (
        random.choice((*relations, *relations, *relations, "none"))
        if random.random() < 0.3
        else random.choice(relations)
    )
    context, brought = random.choice(CONTEXTS), _brought(random, document)
    more: Json = {"context": context}
    if verb == "check":
        key = {"user": _user(random), "relation": relation, "object": f"doc:{random.choice(IDS)}"}
        return verb, {"tuple_key": key, "contextual_tuples": {"tuple_keys": brought}, **more}
    if verb == "list-objects":
        place = {"type": "doc", "relation": relation, "user": _user(random)}
        return verb, {**place, "contextual_tuples": {"tuple_keys": brought}, **more}
    if verb == "expand":
        key = {"relation": relation, "object": f"doc:{random.choice(IDS)}"}
        return verb, {"tuple_key": key, "contextual_tuples": {"tuple_keys": brought}}
    kind = random.choice(
        ({"type": "user"}, {"type": "user"}, {"type": "group", "relation": "member"}, {"type": "doc"})
    )
    place = {"object": {"type": "doc", "id": random.choice(IDS)}, "relation": relation}
    return verb, {**place, "user_filters": [kind], "contextual_tuples": brought, **more}
