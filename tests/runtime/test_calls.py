"""Calls: arguments, idempotency, refusals, and the record of each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.runtime.machine import Machine, entry, person, raw
from twins.runtime.client import TwinError

PUT = {"slice": "catalogue", "id": "a", "body": {"n": 1}}


def last_record(machine: Machine) -> dict[str, Any]:
    newest: list[dict[str, Any]] = machine.mine.get("/v1/log", {"limit": 1, "order": "desc"})["records"]
    return newest[0]


def test_objects_are_put_patched_replaced_and_deleted(twin: Machine) -> None:
    mine = twin.mine
    mine.call("put", PUT)
    mine.call("patch", {"slice": "catalogue", "id": "a", "body": {"m": 2}})
    assert mine.object("catalogue", "a")["body"] == {"n": 1, "m": 2}
    many = [{"id": f"b{n}", "body": {"n": n}} for n in range(3)]
    assert mine.call("put_many", {"slice": "catalogue", "objects": many, "replace": True}).result == {
        "written": 3,
        "deleted": 1,
    }
    mine.call("delete", {"slice": "catalogue", "id": "b1"})
    assert [row["id"] for row in mine.objects("catalogue")["objects"]] == ["b0", "b2"]


@pytest.mark.parametrize(
    ("reducer", "args"),
    [
        ("put", {"slice": "notes", "id": "a", "body": {"n": 1}}),
        ("put_many", {"slice": "notes", "objects": [{"id": "a", "body": {"n": 1}}]}),
    ],
)
def test_who_configures_the_twin_makes_a_slice_by_writing_to_it(
    make: Any, reducer: str, args: dict[str, Any]
) -> None:
    admin = person()
    machine = make(admins=entry(admin, "Ben")).start()
    client = machine.client(admin)
    client.call(reducer, args)
    assert client.object("notes", "a")["body"] == {"n": 1}
    made = next(one for one in client.get("/v1/slices")["slices"] if one["name"] == "notes")
    assert (made["title"], made["kind"], made["listed"]) == ("notes", "notes", False)
    assert "notes" not in str(machine.mine.about())
    client.call("delete", {"slice": "notes", "id": "a"})


def test_a_write_that_does_not_fit_makes_no_slice(standing: Machine) -> None:
    objects = [{"id": "a", "body": {}}, {"id": "b", "body": {"n": "x" * 2_000_000}}]
    with pytest.raises(TwinError):
        standing.mine.call("put_many", {"slice": "unmade", "objects": objects})
    assert "unmade" not in [one["name"] for one in standing.mine.get("/v1/slices")["slices"]]


def test_who_may_write_one_slice_is_told_the_same_of_others_there_or_not(twin: Machine) -> None:
    twin.mine.call("put", {**PUT, "slice": "other"})
    editor = {"user": "user:ed", "relation": "editor", "object": "slice:catalogue"}
    twin.mine.call("authz_write", {"writes": [editor], "deletes": []})
    token = twin.run("token", "--as", "user:ed").stdout.strip()

    def put(slice_: str) -> tuple[int, bytes]:
        return raw(twin, "/v1/call/put", token, "POST", json.dumps({**PUT, "slice": slice_}))

    assert put("catalogue")[0] == 200
    assert put("other") == put("nowhere")
    assert put("nowhere")[0] == 403


def test_pages_of_objects_join_without_gap_or_overlap(twin: Machine) -> None:
    many = [{"id": f"o{n:03}", "body": {}} for n in range(25)]
    twin.mine.call("put_many", {"slice": "catalogue", "objects": many})
    pages, after = [], None
    while True:
        page = twin.mine.objects("catalogue", limit=10, after=after)
        pages.append([row["id"] for row in page["objects"]])
        after = page["next"]
        if after is None:
            break
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [id_ for page in pages for id_ in page] == [one["id"] for one in many]


def test_a_retry_with_the_same_key_gets_the_first_answer_and_does_nothing_twice(twin: Machine) -> None:
    first = twin.mine.call("put", PUT, idempotency_key="k")
    twin.mine.call("put", {**PUT, "body": {"n": 2}})
    again = twin.mine.call("put", PUT, idempotency_key="k")
    assert again == first
    assert twin.mine.object("catalogue", "a")["body"] == {"n": 2}


def test_a_retry_gets_the_first_answer_after_a_restart_too(twin: Machine) -> None:
    first = twin.mine.call("put", PUT, idempotency_key="k")
    twin.kill()
    assert twin.start().mine.call("put", PUT, idempotency_key="k") == first


def test_a_key_that_was_used_for_another_call_is_refused(twin: Machine) -> None:
    twin.mine.call("put", PUT, idempotency_key="k")
    with pytest.raises(TwinError) as refused:
        twin.mine.call("put", {**PUT, "id": "other"}, idempotency_key="k")
    assert (refused.value.status, refused.value.type) == (422, "/problems/idempotency-key-reused")


@pytest.mark.parametrize(
    ("reducer", "args", "status", "words"),
    [
        ("put", {"slice": "catalogue", "id": 3, "body": {}}, 422, "`id`"),
        ("put", {"slice": "catalogue", "body": {}}, 422, "`id`"),
        ("put", {"slice": "catalogue", "id": "a", "body": {}, "extra": 1}, 422, "`extra`"),
        ("put", {"slice": "catalogue", "id": "../etc", "body": {}}, 422, "`id`"),
        ("put", {"slice": "catalogue", "id": "a", "body": []}, 422, "`body`"),
        ("put", {"slice": "catalogue", "id": "a", "body": {"price": 1.5}}, 400, "1.5"),
        ("delete", {"slice": "nowhere", "id": "a"}, 404, "nowhere"),
        ("patch", {"slice": "catalogue", "id": "nothing", "body": {}}, 404, "nothing"),
        ("nonsense", {}, 404, "nonsense"),
        ("genesis", {}, 404, "genesis"),
        ("put_many", {"slice": "catalogue", "objects": [{"id": "a"}]}, 422, "`objects[0]`"),
        ("set_sense", {"name": "s", "kind": "psychic", "title": "S"}, 422, "feed, manual"),
        ("revoke", {"grant_id": "none", "reason": ""}, 404, "none"),
    ],
)
def test_a_call_that_does_not_fit_is_told_what_is_wrong(
    standing: Machine, reducer: str, args: dict[str, Any], status: int, words: str
) -> None:
    before = standing.mine.about()["seq"]
    with pytest.raises(TwinError) as refused:
        standing.mine.call(reducer, args)
    assert refused.value.status == status
    assert words in refused.value.detail
    if status != 400:
        assert (last_record(standing)["kind"], last_record(standing)["seq"]) == ("failed", before + 1)


@pytest.mark.parametrize("levels", [99, 101, 500, 980, 3000])
def test_a_body_nested_beyond_a_hundred_levels_is_refused_and_others_come_through(
    standing: Machine, levels: int
) -> None:
    deep = '{"a":' * levels + "1" + "}" * levels
    body = '{"slice":"catalogue","id":"deep","body":' + deep + "}"
    status, answer = raw(standing, "/v1/call/put", standing.owner.token(standing.id), "POST", body)
    assert status == (200 if levels < 100 else 400)
    assert status == 200 or b"100" in answer


@pytest.mark.parametrize("body", ["", "{", "[1]", '"x"', '{"a":' * 5000, "\x00", '{"slice": "\\ud800"}'])
def test_a_body_that_is_no_object_is_a_clear_problem(standing: Machine, body: str) -> None:
    status, answer = raw(standing, "/v1/call/put", standing.owner.token(standing.id), "POST", body)
    assert status in (400, 422)
    assert b"/problems/" in answer
    assert b"Traceback" not in answer + standing.errors.read_bytes()


def test_a_denied_call_is_recorded_with_its_caller_and_changes_nothing(make: Any) -> None:
    admin = person()
    machine = make(admins=entry(admin, "Ben")).start()
    someone = {"user": person().subject, "name": "C", "role": "admin", "key": "A" * 43}
    with pytest.raises(TwinError) as refused:
        machine.client(admin).call("add_person", someone)
    assert (refused.value.status, refused.value.type) == (403, "/problems/forbidden")
    record = last_record(machine)
    assert (record["kind"], record["caller"], record["effects"]) == ("denied", admin.subject, [])
    assert record["args"] == someone


@pytest.mark.parametrize("reducer", ["sense_result", "expire_grants"])
def test_nobody_outside_calls_what_only_the_runtime_may(standing: Machine, reducer: str) -> None:
    args = {"name": "s", "ok": True, "detail": "", "slices": {}} if reducer == "sense_result" else {}
    with pytest.raises(TwinError) as refused:
        standing.mine.call(reducer, args)
    assert refused.value.status == 403


def test_the_last_owner_stays_and_a_removed_admin_is_out_at_once(twin: Machine) -> None:
    admin = person()
    key = entry(admin)[admin.subject]["key"]
    twin.mine.call("add_person", {"user": admin.subject, "name": "Ben", "role": "admin", "key": key})
    assert twin.client(admin).get("/v1/people")["people"][0]["name"] in ("Anna", "Ben")
    twin.mine.call("remove_person", {"user": admin.subject, "role": "admin"})
    with pytest.raises(TwinError) as refused:
        twin.client(admin).get("/v1/people")
    assert refused.value.status == 403
    with pytest.raises(TwinError) as kept:
        twin.mine.call("remove_person", {"user": twin.owner.subject, "role": "owner"})
    assert kept.value.status == 409


def test_the_log_is_filtered_and_paged_in_both_directions(twin: Machine) -> None:
    for number in range(5):
        twin.mine.call("put", {**PUT, "id": f"o{number}"})
    first = twin.mine.get("/v1/log", {"limit": 2})
    assert [record["seq"] for record in first["records"]] == [1, 2]
    then = twin.mine.get("/v1/log", {"limit": 2, "from": first["next"]})
    assert [record["seq"] for record in then["records"]] == [3, 4]
    newest = twin.mine.get("/v1/log", {"limit": 4, "order": "desc"})
    assert [record["seq"] for record in newest["records"]] == [7, 6, 5, 4]
    rest = twin.mine.get("/v1/log", {"limit": 4, "order": "desc", "from": newest["next"]})
    assert ([record["seq"] for record in rest["records"]], rest["next"]) == ([3, 2, 1], None)
    own = twin.mine.get("/v1/log", {"caller": twin.owner.subject})["records"]
    assert [record["seq"] for record in own] == [3, 4, 5, 6, 7]
    late = twin.mine.get("/v1/log", {"since": own[3]["time"]})["records"]
    assert [record["seq"] for record in late][-2:] == [6, 7]
    assert twin.mine.get("/v1/log", {"until": "2001-01-01T00:00:00Z"})["records"] == []


def test_a_past_that_has_not_come_yet_is_refused_and_the_log_may_be_read_from_zero(standing: Machine) -> None:
    standing.mine.call("put", PUT)
    token = standing.owner.token(standing.id)
    status, answer = raw(standing, "/v1/slices/catalogue/objects/a?at=999999", token)
    assert (status, b"last record" in answer) == (400, True)
    assert raw(standing, "/v1/log?from=0&limit=2", token) == raw(standing, "/v1/log?from=1&limit=2", token)
