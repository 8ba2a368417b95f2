"""The hard cases of an evaluation: errors against answers, circles, depth, conditions, who can be there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.authz.cases import SMALL, THIS, USER, WILDCARD, brought, check, computed, direct, key, through
from tests.authz.desks import Here, Store

Json = dict[str, Any]
SMALL_USER = {**USER, "condition": "small"}
GROUP = {"type": "group", "relation": "member"}
ERROR = "error"


def union(*children: Json) -> Json:
    return {"union": {"child": list(children)}}


def both(*children: Json) -> Json:
    return {"intersection": {"child": list(children)}}


def but(base: Json, subtract: Json) -> Json:
    return {"difference": {"base": base, "subtract": subtract}}


def world(relations: Json, metadata: Json, *tuples: Json) -> Store:
    """A store of users, employees, groups and documents with these relations and tuples."""
    member = direct(USER, WILDCARD, {"type": "group", "relation": "member"}, SMALL_USER)
    group = {"type": "group", "relations": {"member": THIS}, "metadata": {"relations": {"member": member}}}
    doc = {"type": "doc", "relations": relations, "metadata": {"relations": metadata}}
    types = [{"type": "user"}, {"type": "employee"}, group, doc]
    store = Store(
        Here(), {"schema_version": "1.1", "type_definitions": types, "conditions": {"small": SMALL}}
    )
    if tuples:
        assert store.write(*tuples)[0] == 200
    return store


def asked(
    store: Store, relation: str, user: str = "user:a", object_: str = "doc:1", **more: Any
) -> bool | str:
    status, told = store.post("check", check(object_, relation, user, **more))
    return told["allowed"] if status == 200 else ERROR


def listed(store: Store, relation: str, user: str = "user:a", **more: Any) -> list[str] | str:
    status, told = store.post("list-objects", {"type": "doc", "relation": relation, "user": user, **more})
    return sorted(told["objects"]) if status == 200 else ERROR


def users(store: Store, relation: str, kind: str = "user", object_: str = "1") -> list[str] | str:
    type_, _, name = kind.partition("#")
    filters = [{"type": type_, "relation": name} if name else {"type": type_}]
    body = {"object": {"type": "doc", "id": object_}, "relation": relation, "user_filters": filters}
    status, told = store.post("list-users", body)
    if status != 200:
        return ERROR
    return sorted(
        f"{one['wildcard']['type']}:*"
        if "wildcard" in one
        else "#".join(filter(None, (f"{part['type']}:{part['id']}", part.get("relation", ""))))
        for one in told["users"]
        for part in [one.get("object") or one.get("userset") or {}]
    )


# `yes` holds, `no` does not, `bad` has a condition that cannot be evaluated.
SIDES = {"yes": direct(USER), "no": direct(USER), "bad": direct(SMALL_USER)}
SIDE_TUPLES = (key("doc:1", "yes", "user:a"), key("doc:1", "bad", "user:a", "small"))


@pytest.mark.parametrize(
    ("rewrite", "expected"),
    [
        (union(computed("bad"), computed("yes")), True),
        (union(computed("yes"), computed("bad")), True),
        (union(computed("bad"), computed("no")), ERROR),
        (union(computed("no"), computed("bad")), ERROR),
        (both(computed("bad"), computed("no")), False),
        (both(computed("no"), computed("bad")), False),
        (both(computed("bad"), computed("yes")), ERROR),
        (both(computed("yes"), computed("bad")), ERROR),
        (but(computed("bad"), computed("yes")), False),
        (but(computed("no"), computed("bad")), False),
        (but(computed("bad"), computed("no")), ERROR),
        (but(computed("yes"), computed("bad")), ERROR),
        (but(computed("yes"), computed("no")), True),
        (but(computed("yes"), computed("yes")), False),
    ],
    ids=str,
)
def test_an_operand_that_decides_beats_an_error_in_another(rewrite: Json, expected: bool | str) -> None:
    plain = dict.fromkeys(SIDES, THIS)
    store = world({**plain, "asked": rewrite}, SIDES, *SIDE_TUPLES)
    assert asked(store, "asked") == expected


def test_a_userset_has_what_its_relation_is_and_its_members_do_not_have_everybody() -> None:
    store = world(
        {"viewer": THIS}, {"viewer": direct(USER, WILDCARD, GROUP)}, key("doc:1", "viewer", "user:*")
    )
    assert asked(store, "viewer", "doc:1#viewer") is True
    assert asked(store, "viewer", "doc:2#viewer") is False
    assert asked(store, "viewer", "user:anybody") is True
    assert asked(store, "viewer", "user:*") is True
    assert asked(store, "viewer", "group:1#member") is False
    assert listed(store, "viewer", "doc:2#viewer") == ["doc:2"]


def test_everybody_of_a_type_is_not_its_usersets() -> None:
    kinds = direct({"type": "group"}, {"type": "group", "wildcard": {}}, GROUP)
    store = world({"viewer": THIS}, {"viewer": kinds}, key("doc:1", "viewer", "group:*"))
    assert asked(store, "viewer", "group:1") is True
    assert asked(store, "viewer", "group:1#member") is False
    assert listed(store, "viewer", "group:1#member") == []


CIRCLE = (
    key("doc:1", "loop", "doc:2#loop"),
    key("doc:2", "loop", "doc:1#loop"),
    key("doc:1", "viewer", "user:a"),
)


@pytest.mark.parametrize(
    "rewrite",
    [
        but(computed("viewer"), computed("loop")),
        but(computed("loop"), computed("viewer")),
        both(computed("viewer"), computed("loop")),
    ],
    ids=str,
)
def test_a_circle_is_false_in_an_intersection_and_on_either_side_of_an_exclusion(rewrite: Json) -> None:
    metadata = {"loop": direct(USER, {"type": "doc", "relation": "loop"}), "viewer": direct(USER, WILDCARD)}
    everybody = key("doc:1", "viewer", "user:*")
    store = world({"loop": THIS, "viewer": THIS, "asked": rewrite}, metadata, *CIRCLE, everybody)
    assert asked(store, "loop") is False
    assert asked(store, "asked") is False
    assert users(store, "asked") == []


def test_a_list_of_users_that_went_in_a_circle_names_nobody_whom_a_check_denies() -> None:
    rest = direct(USER, {"type": "doc", "relation": "open"})
    store = world(
        {"parent": THIS, "all": union(through("parent", "open"), THIS), "open": but(THIS, computed("all"))},
        {"parent": direct({"type": "doc"}), "all": rest, "open": direct(USER)},
        *[key(f"doc:{n}", "parent", f"doc:{m}") for n, m in ((1, 2), (2, 1), (3, 1), (3, 2))],
        *[key(f"doc:{n}", "open", user) for n in (1, 2, 3) for user in ("user:a", "user:b")],
        key("doc:1", "all", "user:a"),
        key("doc:2", "all", "doc:1#open"),
    )
    for relation in ("all", "open"):
        for number in ("1", "2", "3"):
            found = users(store, relation, object_=number)
            assert [one for one in found if not asked(store, relation, one, f"doc:{number}")] == []


def test_a_circle_does_not_hide_another_way() -> None:
    loop = direct(USER, {"type": "doc", "relation": "loop"})
    more = (key("doc:2", "loop", "doc:3#loop"), key("doc:3", "loop", "user:a"))
    store = world({"loop": THIS}, {"loop": loop}, *CIRCLE[:2], *more)
    assert [asked(store, "loop", object_=f"doc:{n}") for n in (1, 2, 3)] == [True, True, True]
    assert listed(store, "loop") == ["doc:1", "doc:2", "doc:3"]
    assert users(store, "loop") == ["user:a"]


def test_the_same_object_may_be_met_on_two_branches() -> None:
    """A diamond is no circle: what one branch saw does not count for the other."""
    metadata = {"viewer": direct(USER, GROUP), "owner": direct(GROUP)}
    store = world(
        {"viewer": THIS, "owner": THIS, "asked": both(computed("viewer"), computed("owner"))},
        metadata,
        key("doc:1", "viewer", "group:a#member"),
        key("doc:1", "owner", "group:a#member"),
        key("group:a", "member", "user:a"),
    )
    assert asked(store, "asked") is True
    assert users(store, "asked") == ["user:a"]


def test_what_was_found_within_a_circle_is_not_taken_for_the_whole() -> None:
    """Under doc:1, doc:2 is false because doc:1 is under way; asked by itself it is true."""
    loop = {"type": "doc", "relation": "loop"}
    names = ("loop", "first", "second")
    store = world(
        {**dict.fromkeys(names, THIS), "asked": both(computed("first"), computed("second"))},
        {"loop": direct(USER, loop), "first": direct(loop), "second": direct(loop)},
        key("doc:1", "loop", "doc:2#loop"),
        key("doc:2", "loop", "doc:1#loop"),
        key("doc:1", "loop", "doc:3#loop"),
        key("doc:3", "loop", "user:a"),
        key("doc:9", "first", "doc:1#loop"),
        key("doc:9", "second", "doc:2#loop"),
    )
    assert asked(store, "asked", object_="doc:9") is True


def test_depth_counts_steps_between_objects_wherever_an_answer_was_found_before() -> None:
    """group:b is reached by a short way and by one that is too long; the long one decides nothing."""
    chain = [key(f"group:c{n}", "member", f"group:c{n + 1}#member") for n in range(22)]
    store = world(
        {"near": THIS, "far": THIS, "asked": both(computed("near"), computed("far"))},
        {"near": direct(GROUP), "far": direct(GROUP)},
        *chain,
        key("group:c22", "member", "group:b#member"),
        key("group:b", "member", "group:e#member"),
        key("group:e", "member", "user:a"),
        key("doc:1", "near", "group:b#member"),
        key("doc:1", "far", "group:c0#member"),
    )
    assert asked(store, "near") is True
    assert asked(store, "far") == ERROR
    assert asked(store, "asked") == ERROR


def test_steps_between_relations_of_one_object_count_for_lists_of_users_only() -> None:
    names = [f"r{n}" for n in range(30)]
    relations = {
        name: computed(following) for name, following in zip(names, [*names[1:], "last"], strict=True)
    }
    store = world({**relations, "last": THIS}, {"last": direct(USER)}, key("doc:1", "last", "user:a"))
    assert asked(store, "r0") is True
    assert users(store, "r0") == ERROR
    assert users(store, "r10") == ["user:a"]


def test_a_user_whom_the_model_gives_no_way_needs_no_condition() -> None:
    metadata = {
        "viewer": direct(GROUP, {**GROUP, "condition": "small"}),
        "staff": direct({"type": "employee"}),
    }
    store = world(
        {"viewer": THIS, "staff": THIS, "asked": union(computed("viewer"), computed("staff"))},
        metadata,
        key("doc:1", "viewer", "group:a#member", "small"),
        key("group:a", "member", "user:z"),
    )
    assert asked(store, "viewer", "employee:e") is False
    assert asked(store, "asked", "employee:e") is False
    assert asked(store, "viewer", "user:z") == ERROR


def test_a_list_asks_conditions_only_on_ways_that_reach_the_user() -> None:
    metadata = {"viewer": direct(GROUP, {**GROUP, "condition": "small"}), "owner": direct(USER)}
    store = world(
        {"viewer": THIS, "owner": THIS, "asked": both(computed("owner"), computed("viewer"))},
        metadata,
        key("doc:1", "viewer", "group:mine#member"),
        key("doc:1", "viewer", "group:other#member", "small"),
        key("group:mine", "member", "user:a"),
        key("doc:1", "owner", "user:a"),
        key("doc:2", "viewer", "group:other#member", "small"),
        key("doc:2", "owner", "user:a"),
    )
    assert listed(store, "viewer") == ["doc:1"]
    assert listed(store, "asked") == ["doc:1"]
    store.write(key("group:other", "member", "user:a"))
    assert listed(store, "viewer") == ERROR
    assert listed(store, "viewer", context={"x": 1}) == ["doc:1", "doc:2"]


def test_a_list_checks_what_an_operand_alone_does_not_decide() -> None:
    metadata = {"viewer": direct(USER, WILDCARD), "blocked": direct(USER), "owner": direct(USER)}
    store = world(
        {
            "viewer": THIS,
            "blocked": THIS,
            "owner": THIS,
            "open": but(computed("viewer"), computed("blocked")),
            "own": both(computed("viewer"), computed("owner")),
        },
        metadata,
        *[key(f"doc:{n}", "viewer", "user:*") for n in (1, 2, 3)],
        key("doc:2", "blocked", "user:a"),
        key("doc:3", "owner", "user:a"),
    )
    assert listed(store, "open") == ["doc:1", "doc:3"]
    assert listed(store, "own") == ["doc:3"]


def test_users_under_everybody_are_left_out_and_let_back_in() -> None:
    metadata = {name: direct(USER, WILDCARD) for name in ("all", "out", "back")}
    relations = {
        **dict.fromkeys(metadata, THIS),
        "outer": but(computed("out"), computed("back")),
        "asked": but(computed("all"), computed("outer")),
        "less": but(computed("all"), computed("out")),
        "shared": both(computed("less"), computed("all")),
        "either": union(computed("less"), computed("back")),
    }
    store = world(
        relations,
        metadata,
        key("doc:1", "all", "user:*"),
        key("doc:1", "all", "user:named"),
        key("doc:1", "out", "user:named"),
        key("doc:1", "out", "user:a"),
        key("doc:2", "all", "user:*"),
        key("doc:2", "out", "user:*"),
        key("doc:2", "back", "user:a"),
    )
    assert users(store, "less") == ["user:*"]
    assert asked(store, "less") is False
    assert users(store, "shared") == ["user:*"]
    assert users(store, "either") == ["user:*"]
    assert users(store, "asked", object_="2") == ["user:a"]
    store.write(key("doc:3", "all", "user:*"), key("doc:3", "out", "user:a"), key("doc:3", "back", "user:a"))
    assert users(store, "asked", object_="3") == ["user:*"]


def test_a_user_who_is_left_out_of_everybody_is_not_let_in_by_an_intersection() -> None:
    """CVE-2026-61709's shape: everybody but one on one side, that one by name on the other."""
    metadata = {"all": direct(WILDCARD), "out": direct(USER), "named": direct(USER)}
    relations = {
        **dict.fromkeys(metadata, THIS),
        "open": but(computed("all"), computed("out")),
        "asked": both(computed("open"), computed("named")),
    }
    store = world(
        relations,
        metadata,
        key("doc:1", "all", "user:*"),
        key("doc:1", "out", "user:a"),
        key("doc:1", "named", "user:a"),
        key("doc:1", "named", "user:b"),
    )
    assert users(store, "asked") == ["user:b"]
    assert [asked(store, "asked", user) for user in ("user:a", "user:b")] == [False, True]


def test_a_relation_that_a_kind_cannot_have_is_listed_without_its_conditions() -> None:
    metadata = {"viewer": direct(SMALL_USER), "staff": direct({"type": "employee"})}
    relations = {**dict.fromkeys(metadata, THIS), "asked": both(computed("viewer"), computed("staff"))}
    store = world(relations, metadata, key("doc:1", "viewer", "user:a", "small"))
    assert users(store, "viewer") == ERROR
    assert users(store, "asked") == []
    assert users(store, "asked", "employee") == []


def test_a_failed_condition_is_passed_over_where_another_tuple_of_the_scan_holds() -> None:
    metadata = {"viewer": direct(GROUP, {**GROUP, "condition": "small"})}
    store = world(
        {"viewer": THIS},
        metadata,
        key("doc:1", "viewer", "group:bad#member", "small"),
        key("group:bad", "member", "user:b"),
        key("doc:1", "viewer", "group:good#member"),
    )
    assert asked(store, "viewer", "user:b") is False
    assert asked(store, "viewer", "user:b", object_="doc:2") is False


def test_a_tuple_that_is_brought_along_is_added_to_a_scan() -> None:
    metadata = {"viewer": direct({**WILDCARD, "condition": "small"}), "parent": direct({"type": "doc"})}
    store = world(
        {"viewer": THIS, "parent": THIS, "asked": through("parent", "viewer")},
        metadata,
        key("doc:1", "viewer", "user:*", "small", x=1),
        key("doc:2", "parent", "doc:1"),
    )
    worse = brought(key("doc:1", "viewer", "user:*", "small", x=50))
    assert asked(store, "viewer", **worse) is True
    more = brought(key("doc:3", "parent", "doc:1"))
    assert asked(store, "asked", object_="doc:3", **more) is True
    assert listed(store, "asked", **more) == ["doc:2", "doc:3"]


def test_a_tuples_window_is_read_for_each_model_anew() -> None:
    times = {name: {"type_name": "TYPE_NAME_TIMESTAMP"} for name in ("now", "begin", "end")}

    def model(expression: str) -> Json:
        window = {"name": "window", "expression": expression, "parameters": times}
        viewer = direct({**USER, "condition": "window"})
        doc = {"type": "doc", "relations": {"viewer": THIS}, "metadata": {"relations": {"viewer": viewer}}}
        types = [{"type": "user"}, doc]
        return {"schema_version": "1.1", "type_definitions": types, "conditions": {"window": window}}

    store = Store(Here(), model("now >= begin && now < end"))
    bounds = {"begin": "2030-01-01T00:00:00Z", "end": "2031-01-01T00:00:00Z"}
    store.write(*[key(f"doc:{n}", "viewer", "user:a", "window", **bounds) for n in (1, 2, 3)])
    other = store.post("authorization-models", model("now > begin && now <= end"))[1][
        "authorization_model_id"
    ]
    moments = ("2029-12-31T23:59:59.999999999Z", *bounds.values(), "2031-01-01T00:00:00.000000001Z")
    for id_, expected in ((store.model, [0, 1, 0, 0]), (other, [0, 0, 1, 0])) * 2:
        more = {"authorization_model_id": id_}
        found = [asked(store, "viewer", context={"now": moment}, **more) for moment in moments]
        assert found == list(map(bool, expected))
        for moment, holds in zip(moments, expected, strict=True):
            wanted = ["doc:1", "doc:2", "doc:3"] if holds else []
            assert listed(store, "viewer", context={"now": moment}, **more) == wanted
    assert asked(store, "viewer", context={"now": "soon"}) == ERROR
    assert asked(store, "viewer") == ERROR


def test_a_model_with_many_ways_to_the_same_relation_is_soon_read() -> None:
    relations: Json = {"r0": {"this": {}}}
    for number in range(1, 26):
        ways = [{"computedUserset": {"relation": f"r{number - 1}"}}] * 4
        relations[f"r{number}"] = {"union": {"child": ways}}
    direct = {"relations": {"r0": {"directly_related_user_types": [{"type": "user"}]}}}
    types = [{"type": "user"}, {"type": "doc", "relations": relations, "metadata": direct}]
    store = Store(Here(), {"schema_version": "1.1", "type_definitions": types})
    key = {"user": "user:a", "relation": "r0", "object": "doc:1"}
    assert store.write(key)[0] == 200
    assert store.post("check", {"tuple_key": {**key, "relation": "r1"}})[1]["allowed"] is True
