"""Kinds over the wire: schemas, indexes, queries, the past and the budget, on real products."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.runtime.conftest import Make
from tests.runtime.machine import SLICES, Machine, grant_args, person
from twins.demo.labelers import labelers
from twins.runtime.client import TwinClient, TwinError

FIRM = next(one for one in labelers() if one.slug == "sandoz")
PRODUCTS = [{"id": one.ndc, "body": msgspec.to_builtins(one)} for one in FIRM.products]
KIND: dict[str, Any] = {
    "name": "catalogue",
    "title": "Catalogue",
    "kind": "products",
    "schema": {
        "type": "object",
        "required": ["ndc", "name"],
        "properties": {
            "ndc": {"type": "string", "pattern": "^[0-9]{4,5}-[0-9]{3,4}$"},
            "packs": {"type": "integer"},
        },
    },
    "indexes": [
        {"path": "form", "type": "equality"},
        {"path": "name", "type": "range"},
        {"path": "generic", "type": "text"},
    ],
}


def stocked(twin: Machine) -> Machine:
    """The twin, whose catalogue has a kind and holds real products."""
    twin.mine.call("declare_slice", KIND)
    twin.mine.call("put_many", {"slice": "catalogue", "objects": PRODUCTS})
    return twin


@pytest.fixture
def shop(twin: Machine) -> Machine:
    """A shop for what changes it."""
    return stocked(twin)


@pytest.fixture(scope="module")
def window(standing: Machine) -> Machine:
    """A shop for what is refused, and so changes nothing."""
    return stocked(standing)


def found(client: TwinClient, **query: Any) -> list[dict[str, Any]]:
    """All pages of a query."""
    rows: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        page = client.get("/v1/slices/catalogue/objects", {"limit": 7, "after": after, **query})
        rows, after = rows + page["objects"], page["next"]
        if after is None:
            return rows


def refusal(client: TwinClient, reducer: str, args: dict[str, Any]) -> TwinError:
    with pytest.raises(TwinError) as refused:
        client.call(reducer, args)
    return refused.value


def test_products_are_found_by_index_words_and_order(shop: Machine) -> None:
    bodies = [one["body"] for one in PRODUCTS]
    form = bodies[0]["form"]
    word = bodies[0]["generic"].split()[0].lower()
    names = sorted((body["name"], body["ndc"]) for body in bodies)
    for _ in range(2):
        mine = shop.mine
        by_form = found(mine, where=f'{{"form":"{form}"}}')
        assert [row["id"] for row in by_form] == sorted(b["ndc"] for b in bodies if b["form"] == form)
        by_word = {row["id"] for row in found(mine, where=f'{{"generic":{{"match":"{word}"}}}}')}
        assert by_word >= {b["ndc"] for b in bodies if b["generic"].lower().startswith(word + " ")}
        assert [row["id"] for row in found(mine, order="name")] == [id_ for _, id_ in names]
        assert [row["id"] for row in found(mine, order="-name")] == [id_ for _, id_ in reversed(names)]
        assert found(mine, fields="ndc,nothing")[0]["body"] == {"ndc": found(mine)[0]["id"]}
        shop.kill()
        shop.start()


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ({"where": '{"form":{"like":1}}'}, 422, "`form`"),
        ({"where": "{"}, 422, "`where`"),
        ({"order": "form"}, 422, "`form`"),
        ({"order": "name", "after": "nonsense"}, 400, "`after`"),
        ({"fields": "a,,b"}, 400, "`fields`"),
    ],
)
def test_a_query_that_does_not_fit_is_refused_by_name(
    window: Machine, query: dict[str, str], status: int, words: str
) -> None:
    with pytest.raises(TwinError) as refused:
        window.mine.get("/v1/slices/catalogue/objects", query)
    assert (refused.value.status, words in refused.value.detail) == (status, True)


def test_what_does_not_fit_the_schema_is_refused_whole_and_named(window: Machine) -> None:
    mine, first = window.mine, PRODUCTS[0]["id"]
    wrong = {"ndc": "x", "packs": "many"}
    for reducer, args in (
        ("put", {"id": "new", "body": wrong}),
        ("patch", {"id": first, "body": {"packs": "many"}}),
        ("put_many", {"objects": [PRODUCTS[1], {"id": "new", "body": wrong}], "replace": True}),
    ):
        refused = refusal(mine, reducer, {"slice": "catalogue", **args})
        assert (refused.status, refused.type) == (422, "/problems/schema")
        assert '`packs`: "many" is not of type "integer"' in refused.detail
    assert len(found(mine)) == len(PRODUCTS)
    assert "packs" not in mine.object("catalogue", first)["body"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": {"type": "strin"}}, "`schema`"),
        ({"schema": {"$ref": "https://example.com/schema"}}, "`schema`"),
        ({"schema": {"pattern": "(?=a)b"}}, "`schema`"),
        ({"schema": {"description": "x" * 40_000}}, "`schema`"),
        ({"schema": {"required": ["colour"]}}, min(one["id"] for one in PRODUCTS)),
        ({"indexes": [{"path": "a", "type": "text", "order": "time"}]}, "`indexes`"),
        ({"indexes": [{"path": "a", "type": "text"}] * 2}, "`indexes`"),
        ({"indexes": [{"path": 'a"b', "type": "text"}]}, "`indexes[0].path`"),
        ({"indexes": [{"path": f"a{n}", "type": "text"} for n in range(17)]}, "`indexes`"),
        ({"budget": 0}, "`budget`"),
    ],
)
def test_a_kind_that_cannot_be_is_refused_and_changes_nothing(
    window: Machine, changes: dict[str, Any], words: str
) -> None:
    before = window.mine.get("/v1/slices")["slices"]
    refused = refusal(window.mine, "declare_slice", {**KIND, **changes})
    assert (refused.status, words in refused.detail) == (422, True)
    assert window.mine.get("/v1/slices")["slices"] == before


def test_a_kind_without_conditions_is_told_as_before(twin: Machine) -> None:
    twin.mine.call("declare_slice", {"name": "plain", "title": "Plain", "kind": "plain"})
    (plain,) = [one for one in twin.mine.get("/v1/slices")["slices"] if one["name"] == "plain"]
    assert plain.keys() == {"name", "title", "kind", "listed", "sensitivity", "objects"}


def test_the_past_of_an_object_is_for_people_not_for_grants(twin: Machine) -> None:
    put = {"slice": "catalogue", "id": "a"}
    seqs = [twin.mine.call("put", {**put, "body": {"n": n}}).seq for n in range(2)]
    gone = twin.mine.call("delete", put).seq
    again = twin.mine.call("put", {**put, "body": {"n": 9}}).seq
    path = "/v1/slices/catalogue/objects/a"
    assert [twin.mine.get(path, {"at": at})["body"]["n"] for at in (*seqs, again)] == [0, 1, 9]
    for at in (seqs[0] - 1, gone):
        with pytest.raises(TwinError) as missing:
            twin.mine.get(path, {"at": at})
        assert missing.value.status == 404
    reader = person("twin")
    twin.mine.call("grant", grant_args(reader))
    assert twin.client(reader).object("catalogue", "a")["body"] == {"n": 9}
    with pytest.raises(TwinError) as refused:
        twin.client(reader).get(path, {"at": seqs[0]})
    assert (refused.value.status, refused.value.type) == (403, "/problems/grant-required")


def test_a_full_twin_refuses_what_would_grow_it_and_says_before_that_it_is_nearly_full(make: Make) -> None:
    twin = make(slices=SLICES, budget={"rows": 10, "bytes": 10_000}).start()
    mine = twin.mine
    small = [{"id": f"o{n}", "body": {}} for n in range(8)]
    mine.call("put_many", {"slice": "catalogue", "objects": small})
    assert mine.get("/v1/slices")["budget"]["warn"] is False
    mine.call("put", {"slice": "margins", "id": "o8", "body": {}})
    told = mine.get("/v1/slices")["budget"]
    assert (told["rows"], told["most_rows"], told["warn"]) == (9, 10, True)
    more = [{"id": f"p{n}", "body": {}} for n in range(2)]
    for reducer, args in (
        ("put_many", {"objects": more}),
        ("put", {"id": "o0", "body": {"text": "x" * 10_000}}),
        ("patch", {"id": "o0", "body": {"text": "x" * 10_000}}),
    ):
        refused = refusal(mine, reducer, {"slice": "catalogue", **args})
        assert (refused.status, refused.type) == (507, "/problems/budget")
    assert mine.get("/v1/slices")["budget"] == told
    mine.call("put_many", {"slice": "catalogue", "objects": more, "replace": True})
    mine.call("set_budget", {"rows": 1, "bytes": 10_000})
    mine.call("put", {"slice": "catalogue", "id": "p0", "body": {"n": 1}})
    assert refusal(mine, "put", {"slice": "catalogue", "id": "q", "body": {}}).status == 507
    twin.kill()
    assert twin.start().mine.get("/v1/slices")["budget"]["rows"] == 3


def test_an_object_holds_at_most_a_mebibyte(twin: Machine) -> None:
    args = {"slice": "catalogue", "id": "a", "body": {"text": "x" * 1024 * 1024}}
    refused = refusal(twin.mine, "put", args)
    assert (refused.status, "1,048,576" in refused.detail) == (413, True)


def test_readers_are_not_told_of_the_budget(shop: Machine) -> None:
    reader = person("twin")
    shop.mine.call("grant", grant_args(reader))
    assert shop.client(reader).get("/v1/slices").keys() == {"slices"}
    assert found(shop.client(reader), where='{"name":{"prefix":""}}', order="name")
    reads = [record for record in shop.records() if record["reducer"] == "objects"]
    assert reads[0]["args"]["where"] == '{"name":{"prefix":""}}'
