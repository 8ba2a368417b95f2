"""Cases: requests to a small store and the status and code that OpenFGA answers."""

from __future__ import annotations

from typing import Any

from tests.authz.desks import Desk, Store

Json = dict[str, Any]
Case = tuple[str, str, Any, int, str]
THIS: Json = {"this": {}}


def computed(relation: str) -> Json:
    return {"computedUserset": {"relation": relation}}


def through(tupleset: str, relation: str) -> Json:
    return {"tupleToUserset": {"tupleset": {"relation": tupleset}, **computed(relation)}}


def direct(*kinds: Json) -> Json:
    return {"directly_related_user_types": list(kinds)}


USER, WILDCARD = {"type": "user"}, {"type": "user", "wildcard": {}}
SMALL: Json = {"name": "small", "expression": "x < 10", "parameters": {"x": {"type_name": "TYPE_NAME_INT"}}}
NETWORK: Json = {
    "name": "network",
    "expression": 'ip.in_cidr("10.0.0.0/8") && level > 1u',
    "parameters": {"ip": {"type_name": "TYPE_NAME_IPADDRESS"}, "level": {"type_name": "TYPE_NAME_UINT"}},
}
MODEL: Json = {
    "schema_version": "1.1",
    "type_definitions": [
        {"type": "user"},
        {"type": "employee"},
        {
            "type": "group",
            "relations": {"member": THIS},
            "metadata": {
                "relations": {"member": direct(USER, WILDCARD, {"type": "group", "relation": "member"})}
            },
        },
        {
            "type": "doc",
            "relations": {
                "parent": THIS,
                "owner": THIS,
                "viewer": {"union": {"child": [THIS, computed("owner"), through("parent", "viewer")]}},
                "blocked": THIS,
                "reader": {"difference": {"base": computed("viewer"), "subtract": computed("blocked")}},
                "both": {"intersection": {"child": [computed("viewer"), computed("owner")]}},
                "guest": THIS,
                "near": THIS,
            },
            "metadata": {
                "relations": {
                    "parent": direct({"type": "doc"}),
                    "owner": direct(USER, {"type": "employee", "condition": "small"}),
                    "viewer": direct(USER, WILDCARD, {"type": "group", "relation": "member"}),
                    "blocked": direct(USER),
                    "guest": direct({**USER, "condition": "small"}, {**WILDCARD, "condition": "network"}),
                    "near": direct({**USER, "condition": "network"}),
                }
            },
        },
    ],
    "conditions": {"small": SMALL, "network": NETWORK},
}


def key(object_: str, relation: str, user: str, condition: str = "", **context: Any) -> Json:
    plain: Json = {"object": object_, "relation": relation, "user": user}
    return {**plain, "condition": {"name": condition, "context": context}} if condition else plain


TUPLES = (
    key("doc:1", "owner", "user:anna"),
    key("doc:2", "parent", "doc:1"),
    key("doc:1", "viewer", "group:a#member"),
    key("group:a", "member", "user:ben"),
    key("doc:2", "blocked", "user:anna"),
    key("doc:1", "guest", "user:carl", "small", x=1),
    key("doc:2", "guest", "user:carl", "small"),
    key("doc:1", "near", "user:dora", "network", level="2"),
)


def fill(desk: Desk) -> Store:
    """A store with the model and its tuples."""
    store = Store(desk, MODEL)
    assert store.write(*TUPLES)[0] == 200
    return store


def check(object_: str, relation: str, user: str, **more: Any) -> Json:
    return {"tuple_key": key(object_, relation, user), **more}


def brought(*keys: Json) -> Json:
    return {"contextual_tuples": {"tuple_keys": list(keys)}}


def writes(*keys: Json, **options: str) -> Json:
    return {"writes": {"tuple_keys": list(keys), **options}}


def deletes(*keys: Json, **options: str) -> Json:
    return {"deletes": {"tuple_keys": list(keys), **options}}


ANNA = ("doc:1", "owner", "user:anna")
UNKNOWN = "01H0H015178Y2V4CX10C2KGHF4"
INVALID, TUPLE = "validation_error", "invalid_tuple"
UNFIT = "write_failed_due_to_invalid_input"
TWICE = "cannot_allow_duplicate_tuples_in_one_request"
LIST: Json = {"type": "doc", "relation": "viewer", "user": "user:anna"}
USERS: Json = {"object": {"type": "doc", "id": "1"}, "relation": "viewer", "user_filters": [{"type": "user"}]}
# What a request says wrongly, by verb; none of them changes the store.
REFUSED: tuple[tuple[str, Any, int, str], ...] = (
    ("check", b"", 400, "tuple_key_value_not_specified"),
    ("check", b"{", 400, INVALID),
    ("check", b"[]", 400, INVALID),
    ("check", b"null", 400, INVALID),
    ("check", {"tuple_key": None}, 400, "tuple_key_value_not_specified"),
    ("check", {"tuple_key": 3}, 400, INVALID),
    ("check", {"tuple_key": {}}, 400, INVALID),
    ("check", check("doc:1", "owner", "a"), 400, INVALID),
    ("check", check("doc:1", "owner", "anna"), 400, INVALID),
    ("check", check("doc:1", "owner", "user:an na"), 400, INVALID),
    ("check", check("doc:1", "owner", "user:an\u0085na"), 400, INVALID),
    ("check", check("doc:1", "owner", "u:" + "x" * 511), 400, INVALID),
    ("check", check("doc:1", "owner", "ghost:1"), 400, INVALID),
    ("check", check("doc:1", "owner", "group:a#ghost"), 400, INVALID),
    ("check", check("doc:1", "owner", "group:*#member"), 400, INVALID),
    ("check", check("doc:1", "ghost", "user:anna"), 400, INVALID),
    ("check", check("doc:1", "x" * 51, "user:anna"), 400, INVALID),
    ("check", check("doc:1", "a:b", "user:anna"), 400, INVALID),
    ("check", check("ghost:1", "owner", "user:anna"), 400, INVALID),
    ("check", check("doc", "owner", "user:anna"), 400, INVALID),
    ("check", check("doc:", "owner", "user:anna"), 400, INVALID),
    ("check", check("doc:*", "owner", "user:anna"), 400, INVALID),
    ("check", check("doc:1#a", "owner", "user:anna"), 400, INVALID),
    ("check", check("d:" + "x" * 255, "owner", "user:anna"), 400, INVALID),
    ("check", check(*ANNA, context={"a": "b\u0001"}), 400, INVALID),
    ("check", check(*ANNA, context=3), 400, INVALID),
    ("check", check(*ANNA, contextual_tuples=[]), 400, INVALID),
    ("check", check(*ANNA, authorization_model_id="x"), 400, INVALID),
    ("check", check(*ANNA, authorization_model_id=UNKNOWN), 400, "authorization_model_not_found"),
    (
        "check",
        check(*ANNA, **brought(*[key("doc:1", "viewer", f"user:{n}") for n in range(101)])),
        400,
        INVALID,
    ),
    ("check", check(*ANNA, **brought(key("doc:1", "ghost", "user:x"))), 400, TUPLE),
    ("check", check(*ANNA, **brought(key("doc:1", "owner", "group:a#member"))), 400, TUPLE),
    ("check", check(*ANNA, **brought(key("doc:1", "owner", "user:*"))), 400, TUPLE),
    ("check", check(*ANNA, **brought(key("doc:1", "parent", "doc:*"))), 400, TUPLE),
    ("check", check(*ANNA, **brought(key("doc:1", "guest", "user:x"))), 400, TUPLE),
    ("check", check(*ANNA, **brought(key("doc:1", "guest", "user:x", "small", y=1))), 400, TUPLE),
    ("check", check(*ANNA, **brought(key("doc:1", "guest", "user:x", "small", x="?"))), 400, TUPLE),
    ("check", check(*ANNA, **brought(key("doc:1", "reader", "user:x"))), 400, TUPLE),
    ("check", check("doc:2", "guest", "user:carl"), 400, INVALID),
    ("check", check("doc:2", "guest", "user:carl", context={"x": "many"}), 400, INVALID),
    ("check", check("doc:2", "guest", "user:carl", context={"x": 1.5}), 400, INVALID),
    ("check", check("doc:2", "guest", "user:carl", context={"x": True}), 400, INVALID),
    ("check", check("doc:1", "near", "user:dora"), 400, INVALID),
    ("check", check("doc:1", "near", "user:dora", context={"ip": "10.0.0"}), 400, INVALID),
    ("batch-check", {}, 400, INVALID),
    ("batch-check", {"checks": []}, 400, INVALID),
    ("batch-check", {"checks": [check(*ANNA)]}, 400, INVALID),
    ("batch-check", {"checks": [check(*ANNA, correlation_id="a b")]}, 400, INVALID),
    ("batch-check", {"checks": [check(*ANNA, correlation_id="a" * 37)]}, 400, INVALID),
    ("batch-check", {"checks": [check(*ANNA, correlation_id="a")] * 2}, 400, INVALID),
    ("batch-check", {"checks": [check(*ANNA, correlation_id=f"{n}") for n in range(51)]}, 400, INVALID),
    ("batch-check", {"checks": [{"correlation_id": "a"}]}, 400, "tuple_key_value_not_specified"),
    ("expand", {}, 400, "tuple_key_value_not_specified"),
    ("expand", {"tuple_key": {"relation": "viewer"}}, 400, "invalid_expand_input"),
    ("expand", {"tuple_key": {"object": "doc:1"}}, 400, "invalid_expand_input"),
    ("expand", {"tuple_key": {"object": "doc:1", "relation": "ghost"}}, 400, INVALID),
    ("expand", {"tuple_key": {"object": "ghost:1", "relation": "viewer"}}, 400, INVALID),
    (
        "expand",
        {"tuple_key": {"object": "doc:1", "relation": "viewer"}, **brought(key("doc:1", "x", "user:y"))},
        400,
        TUPLE,
    ),
    ("list-objects", {**LIST, "type": "ghost"}, 400, "type_not_found"),
    ("list-objects", {**LIST, "relation": "ghost"}, 400, "relation_not_found"),
    ("list-objects", {**LIST, "type": ""}, 400, "type_invalid_pattern"),
    ("list-objects", {**LIST, "relation": ""}, 400, INVALID),
    ("list-objects", {**LIST, "user": ""}, 400, INVALID),
    ("list-objects", {**LIST, "user": "ghost:1"}, 400, INVALID),
    ("list-objects", {**LIST, "user": "anna"}, 400, INVALID),
    ("list-objects", {**LIST, "relation": "guest", "user": "user:carl"}, 400, INVALID),
    ("list-objects", {**LIST, **brought(key("doc:1", "owner", "user:*"))}, 400, TUPLE),
    ("list-objects", {**LIST, **brought(key("doc:1", "guest", "user:x"))}, 400, INVALID),
    ("list-objects", {**LIST, "type": "ghost", **brought(key("doc:1", "owner", "user:*"))}, 400, TUPLE),
    ("list-users", {}, 400, INVALID),
    ("list-users", {**USERS, "user_filters": []}, 400, INVALID),
    ("list-users", {**USERS, "user_filters": [{"type": "user"}] * 2}, 400, INVALID),
    ("list-users", {**USERS, "user_filters": [{"type": "ghost"}]}, 400, "type_not_found"),
    (
        "list-users",
        {**USERS, "user_filters": [{"type": "group", "relation": "x"}]},
        400,
        "relation_not_found",
    ),
    ("list-users", {**USERS, "object": {"type": "ghost", "id": "1"}}, 400, "type_not_found"),
    ("list-users", {**USERS, "object": {"type": "doc", "id": ""}}, 400, INVALID),
    ("list-users", {**USERS, "relation": "ghost"}, 400, "relation_not_found"),
    ("list-users", {**USERS, "object": {"type": "doc", "id": "2"}, "relation": "guest"}, 400, INVALID),
    ("list-users", {**USERS, "contextual_tuples": [key("doc:1", "owner", "user:*")]}, 400, TUPLE),
    ("list-users", {**USERS, "contextual_tuples": [key("doc:1", "guest", "user:x")]}, 400, INVALID),
    ("read", {"page_size": 0}, 400, "page_size_invalid"),
    ("read", {"page_size": 101}, 400, "page_size_invalid"),
    ("read", {"continuation_token": "?"}, 400, INVALID),
    ("read", {"continuation_token": "abc"}, 400, "invalid_continuation_token"),
    ("read", {"tuple_key": {}}, 400, INVALID),
    ("read", {"tuple_key": {"user": "user:anna"}}, 400, INVALID),
    ("read", {"tuple_key": {"object": "doc:"}}, 400, INVALID),
    ("read", {"tuple_key": {"object": "doc", "user": "user:anna"}}, 400, INVALID),
    ("read", {"tuple_key": {"object": "doc:1", "user": "anna"}}, 400, INVALID),
    ("write", {}, 400, "invalid_write_input"),
    ("write", {"writes": {"tuple_keys": []}}, 400, INVALID),
    ("write", writes(key(*ANNA)), 400, UNFIT),
    ("write", deletes(key("doc:9", "owner", "user:anna")), 400, UNFIT),
    ("write", deletes(key("doc:9", "owner", "user an")), 400, INVALID),
    ("write", writes(key(*ANNA), on_duplicate="maybe"), 400, INVALID),
    ("write", deletes(key(*ANNA), on_missing="maybe"), 400, INVALID),
    ("write", writes(*[key("doc:9", "owner", "user:x")] * 2), 400, TWICE),
    ("write", deletes(*[key(*ANNA)] * 2), 400, TWICE),
    ("write", {**writes(key(*ANNA)), **deletes(key(*ANNA))}, 400, TWICE),
    (
        "write",
        writes(*[key("doc:9", "owner", f"user:{n}") for n in range(101)]),
        400,
        "exceeded_entity_limit",
    ),
    (
        "write",
        {
            **writes(*[key("doc:9", "owner", f"user:{n}") for n in range(60)]),
            **deletes(*[key("doc:8", "owner", f"user:{n}") for n in range(60)]),
        },
        400,
        "exceeded_entity_limit",
    ),
    (
        "write",
        {**writes(key(*ANNA)), "authorization_model_id": UNKNOWN},
        400,
        "authorization_model_not_found",
    ),
    ("write", writes(key("doc:9", "ghost", "user:x")), 400, INVALID),
    ("write", writes(key("ghost:9", "owner", "user:x")), 400, INVALID),
    ("write", writes(key("doc:*", "owner", "user:x")), 400, INVALID),
    ("write", writes(key("doc:9", "owner", "")), 400, INVALID),
    ("write", writes(key("doc:9", "owner", "user:*")), 400, INVALID),
    ("write", writes(key("doc:9", "owner", "doc:1")), 400, INVALID),
    ("write", writes(key("doc:9", "owner", "group:a#member")), 400, INVALID),
    ("write", writes(key("doc:9", "reader", "user:x")), 400, INVALID),
    ("write", writes(key("doc:9", "parent", "doc:*")), 400, INVALID),
    ("write", writes(key("doc:9", "parent", "doc:1#parent")), 400, INVALID),
    ("write", writes(key("group:a", "member", "group:a#member")), 400, INVALID),
    ("write", writes(key("doc:9", "owner", "employee:x")), 400, INVALID),
    ("write", writes(key("doc:9", "guest", "user:x")), 400, INVALID),
    ("write", writes(key("doc:9", "guest", "user:x", "network")), 400, INVALID),
    ("write", writes(key("doc:9", "guest", "user:*", "small")), 400, INVALID),
    ("write", writes(key("doc:9", "owner", "user:x", "small")), 400, INVALID),
    ("write", writes(key("doc:9", "guest", "user:x", "ghost")), 400, INVALID),
    ("write", writes(key("doc:9", "guest", "user:x", "s")), 400, INVALID),
    ("write", writes(key("doc:9", "guest", "user:x", "small", y=1)), 400, INVALID),
    ("write", writes(key("doc:9", "guest", "user:x", "small", x="?")), 400, INVALID),
    ("write", writes(key("doc:9", "near", "user:x", "network", level=-1)), 400, INVALID),
    ("write", writes(key("doc:9", "near", "user:x", "network", ip="here\u0001")), 400, INVALID),
    ("write", writes(key("doc:9", "guest", "user:x", "small", y="x" * 33_000)), 400, INVALID),
)
# What the addresses themselves refuse; `{store}` is the store's id.
ADDRESSES: tuple[tuple[str, str, Any, int, str], ...] = (
    ("GET", "/nowhere", None, 404, "undefined_endpoint"),
    ("POST", "/stores/{store}", {}, 404, "unimplemented"),
    ("GET", "/stores/{store}/check", None, 404, "unimplemented"),
    ("GET", "/stores/x", None, 400, INVALID),
    ("GET", f"/stores/{UNKNOWN}", None, 404, "store_id_not_found"),
    ("POST", f"/stores/{UNKNOWN}/check", check(*ANNA), 400, "latest_authorization_model_not_found"),
    ("POST", f"/stores/{UNKNOWN}/write", deletes(key(*ANNA)), 400, "latest_authorization_model_not_found"),
    ("POST", f"/stores/{UNKNOWN}/list-objects", LIST, 400, "latest_authorization_model_not_found"),
    ("POST", "/stores", {"name": "ab"}, 400, INVALID),
    ("POST", "/stores", {"name": "what?"}, 400, INVALID),
    ("GET", "/stores?page_size=0", None, 400, "page_size_invalid"),
    ("GET", "/stores?page_size=many", None, 400, INVALID),
    ("GET", "/stores?name=x", None, 400, INVALID),
    ("GET", "/stores/{store}/changes?page_size=101", None, 400, "page_size_invalid"),
    ("GET", "/stores/{store}/changes?continuation_token=abc", None, 400, "invalid_continuation_token"),
    ("GET", "/stores/{store}/changes?start_time=soon", None, 400, INVALID),
    ("GET", "/stores/{store}/changes?start_time=2999-01-01T00:00:00Z", None, 400, INVALID),
    ("GET", "/stores/{store}/authorization-models/x", None, 400, INVALID),
    ("GET", f"/stores/{{store}}/authorization-models/{UNKNOWN}", None, 400, "authorization_model_not_found"),
    ("GET", "/stores/{store}/authorization-models?page_size=0", None, 400, "page_size_invalid"),
    ("GET", f"/stores/{{store}}/assertions/{UNKNOWN}", None, 400, "authorization_model_not_found"),
    ("PUT", f"/stores/{{store}}/assertions/{UNKNOWN}", {}, 400, "authorization_model_not_found"),
    ("PUT", "/stores/{store}/assertions/{model}", {"assertions": [{}]}, 400, "tuple_key_value_not_specified"),
    (
        "PUT",
        "/stores/{store}/assertions/{model}",
        {"assertions": [{"tuple_key": key("doc:1", "ghost", "user:x")}]},
        400,
        INVALID,
    ),
    (
        "PUT",
        "/stores/{store}/assertions/{model}",
        {"assertions": [{"tuple_key": key(*ANNA)}] * 101},
        400,
        "assertions_too_many_items",
    ),
    (
        "PUT",
        "/stores/{store}/assertions/{model}",
        {"assertions": [{"tuple_key": key(*ANNA), "contextual_tuples": [key(*ANNA)] * 21}]},
        400,
        INVALID,
    ),
    (
        "PUT",
        "/stores/{store}/assertions/{model}",
        {"assertions": [{"tuple_key": key(*ANNA), "context": {"x": "y" * 70_000}}]},
        400,
        "exceeded_entity_limit",
    ),
)
