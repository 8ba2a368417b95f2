"""The owner's console: memory, senses, audit."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

import pytest
from django.test import Client
from django.utils import timezone

from tests.cast import Cast, PlantTwin, browser_of, client_of
from tests.wellknown import Site, site
from twins.contexts import quarters
from twins.models import Twin


@pytest.fixture
def acme(cast: Cast, plant_twin: PlantTwin) -> Twin:
    return plant_twin("acme", owner=cast.ana)


@pytest.fixture
def ana(cast: Cast) -> Client:
    return browser_of(cast.ana)


@pytest.fixture
def feed() -> Iterator[Site]:
    with site() as server:
        server.files["/own.json"] = json.dumps({"catalogue": [{"id": "a-1", "name": "Aspirin"}]})
        yield server


@pytest.mark.parametrize(
    "page", ["", "memory/", "memory/catalogue/", "senses/", "grants/", "audit/", "people/"]
)
def test_a_console_opens_for_its_owner_and_is_not_there_for_others(cast: Cast, acme: Twin, page: str) -> None:
    assert browser_of(cast.ana).get(f"/console/{acme.slug}/{page}").status_code == 200
    for other in (cast.ben, cast.cora, cast.eve):
        assert browser_of(other).get(f"/console/{acme.slug}/{page}").status_code == 404


def test_an_object_entered_by_hand_is_in_the_twin_and_not_in_the_portals_database(
    ana: Client, acme: Twin, cast: Cast
) -> None:
    fields = {"id": "0002-1200", "body": '{"name": "Zanzibar compound"}'}
    assert ana.post(f"/console/{acme.slug}/memory/catalogue/", fields).status_code == 302
    assert "Zanzibar compound" in ana.get(f"/console/{acme.slug}/memory/catalogue/").content.decode()
    from django.apps import apps
    from django.core import serializers

    everything = [serializers.serialize("json", model._default_manager.all()) for model in apps.get_models()]
    assert not any("Zanzibar" in rows for rows in everything)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"id": "x", "body": "{"}, "valid JSON"),
        ({"id": "x", "body": "[1]"}, "Expected an object"),
        ({"id": "x", "body": '{"price": NaN}'}, "not usable JSON"),
        ({"id": "x", "body": '{"price": 1.5}'}, "numbers here are whole"),
        ({"id": "../x", "body": "{}"}, "letters, digits"),
        ({"id": "", "body": "{}"}, "required"),
    ],
)
def test_bad_objects_are_refused_beside_the_field(
    ana: Client, acme: Twin, fields: dict[str, str], sentence: str
) -> None:
    answer = ana.post(f"/console/{acme.slug}/memory/catalogue/", fields)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()


def test_a_feed_fills_the_slices_it_is_set_for(ana: Client, acme: Twin, feed: Site, cast: Cast) -> None:
    fields = {
        "name": "own",
        "title": "Own feed",
        "url": f"{feed.url}/own.json",
        "slices": ["catalogue"],
        "every": "60",
    }
    assert ana.post(f"/console/{acme.slug}/senses/", fields).status_code == 302
    ana.post(f"/console/{acme.slug}/senses/own/run/")
    owner = client_of(acme, cast.ana)
    while not owner.objects("catalogue")["objects"]:
        assert feed.asked < 50
    assert owner.object("catalogue", "a-1")["body"]["name"] == "Aspirin"


def test_the_audit_names_caller_time_and_effect_and_filters_by_quarter(ana: Client, acme: Twin) -> None:
    ana.post(f"/console/{acme.slug}/memory/catalogue/", {"id": "a-1", "body": "{}"})
    now = timezone.now()
    this = f"{now.year}-Q{(now.month + 2) // 3}"
    page = ana.get(f"/console/{acme.slug}/audit/", {"quarter": this})
    newest = next(row for row in page.context["records"] if row["reducer"] == "put")
    assert newest["caller_name"] == "Ana"
    assert "a-1" in newest["effect"]
    assert newest["time"] is not None
    assert ana.get(f"/console/{acme.slug}/audit/", {"quarter": "2001-Q1"}).context["records"] == []


def test_verify_reads_the_chain_and_says_that_it_is_whole(ana: Client, acme: Twin) -> None:
    page = ana.get(f"/console/{acme.slug}/audit/", {"verify": "1"})
    assert page.context["verified"]["ok"]
    assert page.context["verified"]["records"] >= 1


def test_the_export_holds_every_record_in_order(ana: Client, acme: Twin) -> None:
    for number in range(3):
        ana.post(f"/console/{acme.slug}/memory/catalogue/", {"id": f"a-{number}", "body": "{}"})
    lines = ana.get(f"/console/{acme.slug}/audit/export.jsonl").getvalue().decode().splitlines()
    numbers = [json.loads(line)["seq"] for line in lines]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    table = ana.get(f"/console/{acme.slug}/audit/export.csv").getvalue().decode()
    assert [int(row["seq"]) for row in csv.DictReader(io.StringIO(table))] == numbers


def test_quarters_begin_and_end_at_the_right_instants() -> None:
    assert quarters.span("2026-Q4") == ("2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z")
    assert quarters.span("2026-Q1") == ("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z")
    assert quarters.span("2026-Q5") is None
    assert quarters.span("") is None


def test_an_owner_adds_an_admin_and_takes_the_role_away_again(ana: Client, acme: Twin, cast: Cast) -> None:
    people = f"/console/{acme.slug}/people/"
    assert ana.post(people, {"email": cast.ben.email, "role": "admin"}).status_code == 302
    assert browser_of(cast.ben).get(f"/console/{acme.slug}/audit/").status_code == 200
    assert browser_of(cast.ben).post(people, {"email": cast.eve.email, "role": "owner"}).status_code == 403
    ana.post(f"{people}remove/", {"user": cast.ben.subject, "role": "admin"})
    assert browser_of(cast.ben).get(people).status_code == 404


def test_the_last_owner_stays(ana: Client, acme: Twin, cast: Cast) -> None:
    answer = ana.post(
        f"/console/{acme.slug}/people/remove/", {"user": cast.ana.subject, "role": "owner"}, follow=True
    )
    assert "last owner" in answer.content.decode()
    assert ana.get(f"/console/{acme.slug}/").status_code == 200


def test_nobody_without_an_account_can_be_added(ana: Client, acme: Twin) -> None:
    answer = ana.post(f"/console/{acme.slug}/people/", {"email": "nobody@people.example", "role": "admin"})
    assert answer.status_code == 422


def test_an_object_is_deleted_by_hand(ana: Client, acme: Twin, cast: Cast) -> None:
    ana.post(f"/console/{acme.slug}/memory/catalogue/", {"id": "a-1", "body": "{}"})
    assert ana.post(f"/console/{acme.slug}/memory/catalogue/remove/", {"id": "a-1"}).status_code == 302
    assert client_of(acme, cast.ana).objects("catalogue")["objects"] == []


@pytest.mark.parametrize("page", ["", "export.csv", "export.jsonl"])
def test_a_quarter_that_is_none_is_refused_and_filters_nothing_silently(
    ana: Client, acme: Twin, page: str
) -> None:
    assert ana.get(f"/console/{acme.slug}/audit/{page}", {"quarter": "bad"}).status_code == 400
