"""What the stand-alone server answers, by table; `test_differential` asks a real OpenFGA server the same."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from tests.authz import models
from tests.authz.cases import (
    ADDRESSES,
    ANNA,
    MODEL,
    REFUSED,
    TUPLES,
    USERS,
    brought,
    check,
    deletes,
    fill,
    key,
    writes,
)
from tests.authz.desks import Here, Store

Json = dict[str, Any]


@pytest.fixture(scope="module")
def filled() -> Store:
    """A store for what changes nothing."""
    return fill(Here())


@pytest.fixture
def store() -> Store:
    return fill(Here())


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case[0]}-{str(case[1])[:60]}")
def test_what_is_refused_has_openfgas_code(filled: Store, case: Any) -> None:
    verb, body, status, code = case
    before = all_tuples(filled)
    got, told = filled.post(verb, body)
    assert (got, told["code"]) == (status, code), told
    assert set(told) == {"code", "message"}
    assert all_tuples(filled) == before


@pytest.mark.parametrize("case", ADDRESSES, ids=lambda case: f"{case[0]} {case[1]}")
def test_what_an_address_refuses_has_openfgas_code(filled: Store, case: Any) -> None:
    method, path, body, status, code = case
    got, told = filled.desk.call(method, path.format(store=filled.id, model=filled.model), body)
    assert (got, told["code"]) == (status, code), told


@pytest.mark.parametrize("name", models.REFUSED)
def test_models_that_mean_nothing_are_refused(name: str) -> None:
    document, code = models.REFUSED[name]
    status, told = Store(Here()).post("authorization-models", document)
    assert (status, told["code"]) == (400, code), told


@pytest.mark.parametrize("name", models.ACCEPTED)
def test_models_that_mean_something_are_kept_and_given_back(name: str) -> None:
    store = Store(Here(), models.ACCEPTED[name])
    told = store.get(f"authorization-models/{store.model}")[1]["authorization_model"]
    assert told["id"] == store.model
    again = Store(store.desk, {part: value for part, value in told.items() if part != "id"})
    assert {
        **again.get(f"authorization-models/{again.model}")[1]["authorization_model"],
        "id": store.model,
    } == told


def test_a_write_is_done_whole_or_not_at_all(store: Store) -> None:
    before = all_tuples(store)
    body = {
        **deletes(key(*ANNA)),
        **writes(key("doc:7", "owner", "user:x"), key("doc:1", "blocked", "group:a#member")),
    }
    assert store.post("write", body)[0] == 400
    body = {**deletes(key("doc:7", "owner", "user:gone")), **writes(key("doc:7", "owner", "user:x"))}
    assert store.post("write", body)[0] == 400
    assert all_tuples(store) == before
    assert store.post("write", {**deletes(key(*ANNA)), **writes(key("doc:7", "owner", "user:x"))}) == (
        200,
        {},
    )
    assert not allowed(store, *ANNA)
    assert allowed(store, "doc:7", "viewer", "user:x")


def test_duplicates_and_missing_tuples_are_passed_over_when_asked_to(store: Store) -> None:
    there, gone = key(*ANNA), key("doc:7", "owner", "user:gone")
    before = len(changes(store))
    assert store.post("write", writes(there, on_duplicate="ignore")) == (200, {})
    assert store.post("write", deletes(gone, on_missing="ignore")) == (200, {})
    assert len(changes(store)) == before
    other = key("doc:1", "guest", "user:carl", "small", x=2)
    status, told = store.post("write", writes(other, on_duplicate="ignore"))
    assert (status, told["code"]) == (409, "Aborted")
    same = key("doc:1", "guest", "user:carl", "small", x=1)
    assert store.post("write", writes(same, on_duplicate="ignore")) == (200, {})


def test_a_tuple_that_the_model_no_longer_admits_can_be_deleted_and_counts_for_nothing(store: Store) -> None:
    assert allowed(store, "doc:1", "viewer", "user:anna")
    smaller = {
        "schema_version": "1.1",
        "type_definitions": [
            {"type": "user"},
            {
                "type": "doc",
                "relations": {"owner": {"this": {}}},
                "metadata": {
                    "relations": {
                        "owner": {"directly_related_user_types": [{"type": "user", "wildcard": {}}]}
                    }
                },
            },
        ],
    }
    assert store.post("authorization-models", smaller)[0] == 201
    assert not allowed(store, *ANNA)
    assert store.post("list-objects", {"type": "doc", "relation": "owner", "user": "user:anna"})[1] == {
        "objects": []
    }
    assert allowed(store, *ANNA, authorization_model_id=store.model)
    assert store.post("write", deletes(key("doc:1", "viewer", "group:a#member"))) == (200, {})


def test_pages_of_tuples_join_in_the_order_of_writing_also_while_some_go(store: Store) -> None:
    seen, token, late = [], "", key("doc:9", "owner", "user:late")
    for number in range(99):
        page = store.post("read", {"page_size": 2, "continuation_token": token})[1]
        seen += [plain(one["key"]) for one in page["tuples"]]
        token = page["continuation_token"]
        if number == 0:
            store.post("write", deletes(TUPLES[0]))
            store.write(late)
        if not token:
            break
    assert seen == [plain(one) for one in (*TUPLES, late)]


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (None, 8),
        ({"object": "doc:1"}, 4),
        ({"object": "doc:1", "relation": "owner"}, 1),
        ({"object": "doc:", "user": "user:anna"}, 2),
        ({"object": "doc:", "user": "user:anna", "relation": "blocked"}, 1),
        ({"object": "doc:1", "user": "user:anna", "relation": "blocked"}, 0),
        ({"object": "doc:2", "relation": "guest", "user": "user:carl"}, 1),
        ({"object": "ghost:1"}, 0),
    ],
)
def test_a_read_filters(filled: Store, wanted: Json | None, count: int) -> None:
    found = filled.post("read", {"tuple_key": wanted} if wanted else {})[1]["tuples"]
    assert len(found) == count
    assert all(
        set(one["key"]) == {"user", "relation", "object", "condition"} and one["timestamp"] for one in found
    )


def test_changes_are_told_in_order_and_their_token_is_good_for_asking_again(store: Store) -> None:
    first = store.get("changes?page_size=5")[1]
    rest = store.get(f"changes?continuation_token={first['continuation_token']}")[1]
    told = [*first["changes"], *rest["changes"]]
    assert [plain(one["tuple_key"]) for one in told] == [plain(one) for one in TUPLES]
    assert {one["operation"] for one in told} == {"TUPLE_OPERATION_WRITE"}
    end = rest["continuation_token"]
    assert store.get(f"changes?continuation_token={end}")[1] == {"changes": [], "continuation_token": end}
    store.post("write", deletes(TUPLES[5]))
    (last,) = store.get(f"changes?continuation_token={end}")[1]["changes"]
    assert (last["operation"], last["tuple_key"]["condition"]) == ("TUPLE_OPERATION_DELETE", None)
    groups = store.get("changes?type=group")[1]
    assert [one["tuple_key"]["object"] for one in groups["changes"]] == ["group:a"]
    mixed = store.get(f"changes?type=doc&continuation_token={end}")
    assert (mixed[0], mixed[1]["code"]) == (400, "query_string_type_continuation_token_mismatch")
    since = store.get("changes?start_time=2020-01-01T00:00:00Z")[1]["changes"]
    assert len(since) == 9
    assert store.get(f"changes?start_time={last['timestamp']}")[1]["changes"] == []


def test_a_batch_answers_each_check_by_its_id(filled: Store) -> None:
    same = ("doc:2", "guest", "user:carl")
    checks = [
        {**check(*ANNA), "correlation_id": "yes"},
        {**check("doc:1", "owner", "user:ben"), "correlation_id": "no"},
        {**check("doc:1", "ghost", "user:ben"), "correlation_id": "wrong"},
        {**check(*same, context={"x": 1}), "correlation_id": "small"},
        {**check(*same, context={"x": 11}), "correlation_id": "large"},
        {**check(*same), "correlation_id": "missing"},
        {
            **check("doc:3", "owner", "user:z", **brought(key("doc:3", "owner", "user:z"))),
            "correlation_id": "with",
        },
        {**check("doc:3", "owner", "user:z"), "correlation_id": "without"},
    ]
    told = filled.post("batch-check", {"checks": checks})[1]["result"]
    assert {name: one.get("allowed") for name, one in told.items()} == {
        "yes": True,
        "no": False,
        "wrong": None,
        "small": True,
        "large": False,
        "missing": None,
        "with": True,
        "without": False,
    }
    assert (
        told["wrong"]["error"]["input_error"] == told["missing"]["error"]["input_error"] == "validation_error"
    )


def test_an_expansion_is_one_level_of_the_tree(filled: Store) -> None:
    viewer = filled.post("expand", {"tuple_key": {"object": "doc:2", "relation": "viewer"}})[1]["tree"][
        "root"
    ]
    assert viewer["name"] == "doc:2#viewer"
    assert [one["leaf"] for one in viewer["union"]["nodes"]] == [
        {"users": {"users": []}},
        {"computed": {"userset": "doc:2#owner"}},
        {"tupleToUserset": {"tupleset": "doc:2#parent", "computed": [{"userset": "doc:1#viewer"}]}},
    ]
    reader = filled.post("expand", {"tuple_key": {"object": "doc:1", "relation": "reader"}})[1]["tree"][
        "root"
    ]
    assert reader["difference"]["subtract"]["leaf"] == {"computed": {"userset": "doc:1#blocked"}}
    both = filled.post("expand", {"tuple_key": {"object": "doc:1", "relation": "both"}})[1]["tree"]["root"]
    assert len(both["intersection"]["nodes"]) == 2
    more = {
        "tuple_key": {"object": "doc:1", "relation": "owner"},
        **brought(key("doc:1", "owner", "user:zoe")),
    }
    leaf = filled.post("expand", more)[1]["tree"]["root"]["leaf"]
    assert leaf == {"users": {"users": ["user:anna", "user:zoe"]}}


def test_lists_name_objects_users_usersets_and_everybody(store: Store) -> None:
    assert objects(store, "viewer", "user:ben") == {"doc:1", "doc:2"}
    assert objects(store, "reader", "user:anna") == {"doc:1"}
    assert objects(store, "viewer", "group:a#member") == {"doc:1", "doc:2"}
    assert objects(store, "viewer", "doc:1#viewer") == {"doc:1", "doc:2"}
    store.write(key("group:a", "member", "user:*"))
    assert objects(store, "both", "user:anna") == {"doc:1"}
    assert objects(store, "viewer", "user:nobody") == {"doc:1", "doc:2"}
    found = store.post("list-users", USERS)[1]["users"]
    assert sorted(map(json.dumps, found)) == sorted(
        map(json.dumps, [user("anna"), user("ben"), {"wildcard": {"type": "user"}}])
    )
    groups = store.post("list-users", {**USERS, "user_filters": [{"type": "group", "relation": "member"}]})[1]
    assert groups == {"users": [{"userset": {"type": "group", "id": "a", "relation": "member"}}]}


def test_a_stream_gives_one_line_for_each_object_and_an_error_as_the_last(filled: Store) -> None:
    status, text = filled.post(
        "streamed-list-objects", {"type": "doc", "relation": "viewer", "user": "user:ben"}
    )
    lines = [json.loads(line) for line in text.splitlines()]
    assert (status, {line["result"]["object"] for line in lines}) == (200, {"doc:1", "doc:2"})
    status, told = filled.post(
        "streamed-list-objects", {"type": "doc", "relation": "ghost", "user": "user:ben"}
    )
    assert (status, told["error"]["code"]) == (400, 3)


def test_a_list_of_objects_ends_at_a_thousand_and_a_stream_does_not(store: Store) -> None:
    for begin in range(0, 1100, 100):
        store.write(*[key(f"doc:n{n}", "owner", "user:many") for n in range(begin, begin + 100)])
    assert len(objects(store, "owner", "user:many")) == 1000
    body = {"type": "doc", "relation": "owner", "user": "user:many"}
    assert len(store.post("streamed-list-objects", body)[1].splitlines()) == 1100


def test_a_chain_of_25_steps_is_too_deep(store: Store) -> None:
    chain = [key(f"doc:c{n}", "parent", f"doc:c{n + 1}") for n in range(30)]
    store.write(*chain, key("doc:c30", "owner", "user:deep"))
    assert allowed(store, "doc:c6", "viewer", "user:deep")
    status, told = store.post("check", check("doc:c5", "viewer", "user:deep"))
    assert (status, told["code"]) == (400, "authorization_model_resolution_too_complex")
    status, told = store.post("list-users", {**USERS, "object": {"type": "doc", "id": "c1"}})
    assert (status, told["code"]) == (400, "authorization_model_resolution_too_complex")


def test_the_tuples_own_context_beats_the_requests(store: Store) -> None:
    store.write(key("doc:5", "guest", "user:fix", "small", x=50))
    assert not allowed(store, "doc:5", "guest", "user:fix", context={"x": 1})
    assert allowed(store, "doc:1", "guest", "user:carl", context={"x": 50})
    assert objects(store, "guest", "user:fix", context={"x": 1}) == set()


def test_a_tuple_that_is_brought_along_beats_the_stored_one_and_is_forgotten(filled: Store) -> None:
    place = ("doc:1", "guest", "user:carl")
    assert allowed(filled, *place)
    assert not allowed(filled, *place, **brought(key(*place, "small", x=50)))
    assert allowed(filled, *place)
    assert allowed(filled, "doc:9", "owner", "user:x", **brought(key("doc:9", "owner", "user:x")))
    assert not allowed(filled, "doc:9", "owner", "user:x")


@pytest.mark.parametrize(
    ("ip", "level", "expected"),
    [
        ("10.1.2.3", None, True),
        ("::ffff:10.1.2.3", None, True),
        ("11.1.2.3", None, False),
        ("fe80::1", None, False),
        ("10.1.2.3", 0, True),
    ],
)
def test_an_address_is_looked_for_in_a_network(
    filled: Store, ip: str, level: int | None, expected: bool
) -> None:
    context = {"ip": ip} if level is None else {"ip": ip, "level": level}
    assert allowed(filled, "doc:1", "near", "user:dora", context=context) is expected


def test_assertions_are_kept_beside_their_model(store: Store) -> None:
    path = f"/stores/{store.id}/assertions/{store.model}"
    assert store.desk.call("GET", path)[1]["assertions"] == []
    asserted = {"tuple_key": key(*ANNA), "expectation": True}
    assert store.desk.call("PUT", path, {"assertions": [asserted]}) == (204, None)
    (told,) = store.desk.call("GET", path)[1]["assertions"]
    assert told == {**asserted, "contextual_tuples": [], "context": None}
    assert store.desk.call("PUT", path, {"assertions": []})[0] == 204
    assert store.desk.call("GET", path)[1]["assertions"] == []


def test_stores_are_listed_by_pages_and_names_and_deleted_without_a_word() -> None:
    desk = Here()
    made = [desk.call("POST", "/stores", {"name": name})[1]["id"] for name in ("one", "two", "one")]
    first = desk.call("GET", "/stores?page_size=2")[1]
    second = desk.call("GET", f"/stores?page_size=2&continuation_token={first['continuation_token']}")[1]
    assert [one["id"] for one in [*first["stores"], *second["stores"]]] == made
    assert second["continuation_token"] == ""
    assert [one["id"] for one in desk.call("GET", "/stores?name=one")[1]["stores"]] == [made[0], made[2]]
    assert [desk.call("DELETE", f"/stores/{made[0]}")[0] for _ in range(2)] == [204, 204]
    assert desk.call("GET", f"/stores/{made[0]}")[0] == 404


def test_models_are_listed_newest_first(store: Store) -> None:
    newer = store.post("authorization-models", MODEL)[1]["authorization_model_id"]
    told = store.get("authorization-models?page_size=1")[1]
    assert [one["id"] for one in told["authorization_models"]] == [newer]
    rest = store.get(f"authorization-models?continuation_token={told['continuation_token']}")[1]
    assert [one["id"] for one in rest["authorization_models"]] == [store.model]


def test_a_wish_for_consistency_is_accepted_and_changes_nothing(filled: Store) -> None:
    for wish in ("MINIMIZE_LATENCY", "HIGHER_CONSISTENCY", "anything", 100):
        assert allowed(filled, *ANNA, consistency=wish)


JUNK: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, "", "\0", "user:*", "9" * 400),
    *([], [None], {}, {"": None}, {"x": [{}]}),
)


def spoilt(random: Random, value: Any) -> Any:
    """The value with one of its parts replaced."""
    if isinstance(value, dict) and value and random.random() < 0.8:
        name = random.choice(list(value))
        return {**value, name: spoilt(random, value[name])}
    if isinstance(value, list) and value and random.random() < 0.8:
        at = random.randrange(len(value))
        return [*value[:at], spoilt(random, value[at]), *value[at + 1 :]]
    return random.choice(JUNK)


def test_nothing_that_is_sent_breaks_the_server(store: Store) -> None:
    sound: list[tuple[str, Any]] = [
        ("authorization-models", MODEL),
        ("check", check("doc:1", "near", "user:dora", context={"ip": "10.0.0.1"}, **brought(TUPLES[6]))),
        ("batch-check", {"checks": [{**check(*ANNA), "correlation_id": "a"}]}),
        ("list-objects", {"type": "doc", "relation": "guest", "user": "user:carl", "context": {"x": 1}}),
        ("list-users", {**USERS, "contextual_tuples": [TUPLES[6]], "context": {"x": 1}}),
        ("expand", {"tuple_key": {"object": "doc:1", "relation": "viewer"}}),
        ("read", {"tuple_key": {"object": "doc:1"}, "page_size": 2, "continuation_token": ""}),
        ("write", writes(key("doc:7", "guest", "user:x", "small", x=1), on_duplicate="ignore")),
    ]
    random = Random(7)
    for _ in range(3000):
        verb, body = random.choice(sound)
        status, told = store.post(verb, spoilt(random, body))
        assert status in (200, 201, 400, 409), (verb, body, told)


def all_tuples(store: Store) -> list[Json]:
    return list(store.post("read", {"page_size": 100})[1]["tuples"])


def changes(store: Store) -> list[Json]:
    return list(store.get("changes?page_size=100")[1]["changes"])


def allowed(store: Store, object_: str, relation: str, user: str, **more: Any) -> bool:
    status, told = store.post("check", check(object_, relation, user, **more))
    assert status == 200, told
    answer: bool = told["allowed"]
    return answer


def objects(store: Store, relation: str, user: str, **more: Any) -> set[str]:
    status, told = store.post("list-objects", {"type": "doc", "relation": relation, "user": user, **more})
    assert status == 200, told
    return set(told["objects"])


def user(name: str) -> Json:
    return {"object": {"type": "user", "id": name}}


def plain(one: Json) -> Json:
    return {part: value for part, value in one.items() if value is not None}
