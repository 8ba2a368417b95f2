"""The ledger: a neutral twin whose documents are seen by their two parties alone."""

from __future__ import annotations

import hashlib
import json

import pytest
from django.test import Client

from ledger import queries, services
from tests.cast import Cast, PlantTwin, browser_of, client_of, signer_of
from twins import mesh
from twins.host.client import HostClient
from twins.models import Twin
from twins.operations import driver
from twins.runtime.client import assert_as, generate_key, public_x
from twins.services import directory

CONTENT = {"subject": "Lot 77", "text": "Please confirm the recall of lot 77."}


@pytest.fixture
def ledger(host: HostClient, cast: Cast, plant_twin: PlantTwin, monkeypatch: pytest.MonkeyPatch) -> Twin:
    slug = f"ledger-{cast.ana.pk.hex[-8:]}"
    monkeypatch.setattr(queries, "SLUG", slug)
    operation = directory.enter(
        slug=slug,
        name="The ledger",
        kind="ledger",
        parent=None,
        genesis={"custody": mesh.platform_custodian()},
        placement={"tier": "shared", "region": "this machine", "module": "ledger.module"},
    )
    driver.run(operation.pk)
    return Twin.objects.get(slug=slug)


@pytest.fixture
def acme(cast: Cast, plant_twin: PlantTwin, ledger: Twin) -> Twin:
    twin = plant_twin("acme", owner=cast.ana)
    services.register(ledger, twin)
    return twin


@pytest.fixture
def csp(cast: Cast, plant_twin: PlantTwin, ledger: Twin) -> Twin:
    twin = plant_twin("csp", owner=cast.dan)
    services.register(ledger, twin)
    return twin


@pytest.fixture
def sti(cast: Cast, plant_twin: PlantTwin, ledger: Twin) -> Twin:
    twin = plant_twin("sti", owner=cast.ben)
    services.register(ledger, twin)
    return twin


def test_a_message_reaches_its_recipient_and_nobody_else(
    cast: Cast, ledger: Twin, acme: Twin, csp: Twin, sti: Twin
) -> None:
    number = services.publish(ledger, acme, signer_of(cast.ana), csp, CONTENT, once="0" * 16)
    for twin, user in ((acme, cast.ana), (csp, cast.dan)):
        (found,) = queries.documents(ledger, twin, signer_of(user))
        assert (found["id"], found["content"]["text"]) == (number, CONTENT["text"])
        assert (found["from"], found["to"]) == (acme.subject, csp.subject)
    assert queries.documents(ledger, sti, signer_of(cast.ben)) == []
    with pytest.raises(mesh.TwinError) as refusal:
        queries.document(ledger, sti, signer_of(cast.ben), number)
    assert refusal.value.status in (403, 404)


def test_the_ledgers_keepers_read_no_document(cast: Cast, ledger: Twin, acme: Twin, csp: Twin) -> None:
    services.publish(ledger, acme, signer_of(cast.ana), csp, CONTENT, once="0" * 16)
    with pytest.raises(mesh.TwinError) as refusal:
        mesh.client(ledger, mesh.platform_signer()).objects("documents")
    assert refusal.value.status == 403


def test_the_ledgers_keepers_find_no_text_in_its_log_neither_of_a_taken_nor_of_a_refused_document(
    cast: Cast, ledger: Twin, acme: Twin, csp: Twin
) -> None:
    client = mesh.client(ledger, assert_as(client_of(acme, cast.ana), ledger.ulid))
    whole: dict[str, object] = {"type": "message", "to": csp.subject, "body": CONTENT}
    client.call("submit_document", whole)
    refused: list[tuple[str, dict[str, object]]] = [
        ("submit_document", {**whole, "to": "twin:00000000000000000000000000"}),
        ("submit_document", {**whole, "type": CONTENT["text"]}),
        ("submit_document", {**whole, "body": {**CONTENT, CONTENT["text"]: ""}}),
        ("submit_document", {**whole, CONTENT["text"]: 1}),
        ("submit_document", dict(CONTENT)),
        ("submit_documents", whole),
    ]
    for reducer, args in refused:
        with pytest.raises(mesh.TwinError):
            client.call(reducer, args)
    keeper = mesh.client(ledger, mesh.platform_signer())
    with pytest.raises(mesh.TwinError):
        keeper.call("submit_document", whole)
    records = keeper.get("/v1/log", {"limit": 1000})["records"]
    taken, *rest = [one for one in records if one["reducer"].startswith("submit_document")]
    digest = hashlib.sha256(json.dumps(CONTENT, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    assert taken["args"] == {"type": "message", "to": csp.subject, "sha256": digest}
    assert [one["kind"] for one in rest] == ["failed"] * len(refused) + ["denied"]
    assert "recall" not in json.dumps(records)


def test_the_ledgers_keepers_cannot_put_their_own_key_in_a_participants_place(
    ledger: Twin, acme: Twin
) -> None:
    client = mesh.client(ledger, mesh.platform_signer())
    with pytest.raises(mesh.TwinError) as refusal:
        client.call("register", {"twin": acme.subject, "name": "Acme", "key": public_x(generate_key())})
    assert refusal.value.status == 409


def test_the_sender_is_the_twin_that_signed(cast: Cast, ledger: Twin, acme: Twin, csp: Twin) -> None:
    client = mesh.client(ledger, assert_as(client_of(acme, cast.ana), ledger.ulid))
    forged = {"type": "message", "to": csp.subject, "body": CONTENT, "from": csp.subject}
    with pytest.raises(mesh.TwinError) as refusal:
        client.call("submit_document", forged)
    assert refusal.value.status == 422
    assert queries.documents(ledger, csp, signer_of(cast.dan)) == []


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"type": "letter"}, "`type`"),
        ({"to": "twin:00000000000000000000000000"}, "`to`"),
        ({"body": {"subject": "no text"}}, "text"),
        ({"body": {**CONTENT, "extra": 1}}, "extra"),
        ({"body": {**CONTENT, "subject": ""}}, "subject"),
    ],
)
def test_a_document_that_does_not_fit_is_refused_with_the_place(
    cast: Cast, ledger: Twin, acme: Twin, csp: Twin, change: dict[str, object], where: str
) -> None:
    client = mesh.client(ledger, assert_as(client_of(acme, cast.ana), ledger.ulid))
    with pytest.raises(mesh.TwinError) as refusal:
        client.call("submit_document", {"type": "message", "to": csp.subject, "body": CONTENT, **change})
    assert refusal.value.status == 422
    assert where in refusal.value.detail
    assert queries.documents(ledger, acme, signer_of(cast.ana)) == []


def test_a_twin_that_takes_no_part_can_neither_send_nor_read(
    cast: Cast, ledger: Twin, csp: Twin, plant_twin: PlantTwin
) -> None:
    outside = plant_twin("outside", owner=cast.ben)
    with pytest.raises(mesh.TwinError) as refusal:
        services.publish(ledger, outside, signer_of(cast.ben), csp, CONTENT, once="0" * 16)
    assert refusal.value.status in (401, 403)


def test_the_pages_show_inbox_and_outbox_and_publish(cast: Cast, ledger: Twin, acme: Twin, csp: Twin) -> None:
    fields = {"sender": acme.slug, "recipient": csp.slug, **CONTENT, "once": "0" * 16}
    assert browser_of(cast.ana).post("/ledger/", fields).status_code == 302
    sent, received = _subjects(browser_of(cast.ana)), _subjects(browser_of(cast.dan))
    assert sent == ([], ["Lot 77"])
    assert received == (["Lot 77"], [])
    url = browser_of(cast.dan).get("/ledger/").context["inbox"][0]["url"]
    assert "confirm the recall" in browser_of(cast.dan).get(url).content.decode()
    assert browser_of(cast.eve).get(url).status_code == 404


def test_nobody_publishes_for_a_twin_that_is_not_theirs(
    cast: Cast, ledger: Twin, acme: Twin, csp: Twin
) -> None:
    fields = {"sender": acme.slug, "recipient": csp.slug, **CONTENT, "once": "0" * 16}
    answer = browser_of(cast.dan).post("/ledger/", fields)
    assert answer.status_code == 422


def _subjects(browser: Client) -> tuple[list[str], list[str]]:
    page = browser.get("/ledger/")
    return [row["subject"] for row in page.context["inbox"]], [
        row["subject"] for row in page.context["outbox"]
    ]
