from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from grants import fga, received, services
from grants.models import Grant
from portal.states import WrongState
from tests.cast import Cast, PlantTwin, browser_of, client_of, signer_of
from twins import mesh
from twins.models import Twin


@pytest.fixture
def acme(cast: Cast, plant_twin: PlantTwin) -> Twin:
    twin = plant_twin("acme", owner=cast.ana)
    rows = [{"id": f"p-{number}", "body": {"name": f"Product {number}"}} for number in range(8)]
    client_of(twin, cast.ana).call("put_many", {"slice": "catalogue", "objects": rows})
    return twin


@pytest.fixture
def csp(cast: Cast, plant_twin: PlantTwin) -> Twin:
    return plant_twin("csp", owner=cast.dan)


@pytest.fixture
def asked(cast: Cast, acme: Twin, csp: Twin) -> Grant:
    return services.ask(
        acme, csp, cast.dan, slice="catalogue", purpose="Price comparison", days=90, contact=""
    )


@pytest.fixture
def given(cast: Cast, asked: Grant) -> Grant:
    services.approve(asked, cast.ana, signer_of(cast.ana), timezone.now() + timedelta(days=30))
    return asked


def read(grant: Grant, cast: Cast) -> list[dict[str, object]]:
    return received.objects(grant, received.pass_for(grant, signer_of(cast.dan)), 100)


def test_asking_lists_only_what_the_twin_offers(cast: Cast, acme: Twin, csp: Twin) -> None:
    page = browser_of(cast.dan).get(f"/t/{acme.slug}/request/").content.decode()
    assert "Catalogue" in page
    assert "argins" not in page


def test_a_slice_that_is_not_offered_cannot_be_asked_for(cast: Cast, acme: Twin, csp: Twin) -> None:
    fields = {"reader": str(csp.pk), "slice": "margins", "purpose": "x", "days": "90"}
    answer = browser_of(cast.dan).post(f"/t/{acme.slug}/request/", fields)
    assert answer.status_code == 422
    assert not Grant.objects.exists()


def test_nobody_asks_in_the_name_of_anothers_twin(cast: Cast, acme: Twin, csp: Twin) -> None:
    fields = {"reader": str(csp.pk), "slice": "catalogue", "purpose": "x", "days": "90"}
    assert browser_of(cast.eve).post(f"/t/{acme.slug}/request/", fields).status_code == 422


def test_the_owner_sees_exactly_what_would_be_seen(cast: Cast, asked: Grant) -> None:
    page = browser_of(cast.ana).get(f"/grants/{asked.pk}/")
    sample = page.context["sample"]
    services.approve(asked, cast.ana, signer_of(cast.ana), timezone.now() + timedelta(days=1))
    assert sample["objects"] == read(asked, cast)[: len(sample["objects"])]
    assert sample["total"] == 8


def test_a_request_is_decided_by_the_owners_side_alone(cast: Cast, asked: Grant) -> None:
    end = f"{timezone.now() + timedelta(days=9):%Y-%m-%dT%H:%M:%S}"
    fields = {"decision": "approve", "expires_at": end}
    assert browser_of(cast.dan).post(f"/grants/{asked.pk}/decide/", fields).status_code == 403
    assert browser_of(cast.eve).post(f"/grants/{asked.pk}/decide/", fields).status_code == 404
    assert browser_of(cast.ana).post(f"/grants/{asked.pk}/decide/", fields).status_code == 302
    asked.refresh_from_db()
    assert asked.state == "active"


@pytest.mark.parametrize("days", [-1, 400])
def test_an_end_in_the_past_or_beyond_a_year_is_refused(cast: Cast, asked: Grant, days: int) -> None:
    end = f"{timezone.now() + timedelta(days=days):%Y-%m-%dT%H:%M:%S}"
    answer = browser_of(cast.ana).post(
        f"/grants/{asked.pk}/decide/", {"decision": "approve", "expires_at": end}
    )
    assert answer.status_code == 422
    assert "at most 366 days" in answer.content.decode()


def test_a_refusal_has_a_reason_that_both_sides_see(cast: Cast, asked: Grant) -> None:
    browser = browser_of(cast.ana)
    assert browser.post(f"/grants/{asked.pk}/decide/", {"decision": "decline"}).status_code == 422
    browser.post(f"/grants/{asked.pk}/decide/", {"decision": "decline", "reason": "purpose unclear"})
    assert "purpose unclear" in browser_of(cast.dan).get(f"/grants/{asked.pk}/").content.decode()


def test_a_grant_is_one_tuple_with_a_window_in_the_targets_store(
    cast: Cast, acme: Twin, csp: Twin, given: Grant
) -> None:
    found = client_of(acme, cast.ana).get("/v1/grants")["grants"]
    assert [row["grant_id"] for row in found] == [given.grant_id]
    log = client_of(acme, cast.ana).get("/v1/log", {"limit": 1000})["records"]
    (record,) = [record for record in log if record["reducer"] == "grant"]
    written = [key for op, table, key in record["effects"] if table == "tuple"]
    assert written == [f"slice:catalogue#federation_reader@{csp.subject}"]
    assert record["args"]["not_before"] < record["args"]["expires_at"]


def test_grants_are_per_slice(cast: Cast, acme: Twin, given: Grant) -> None:
    assert len(read(given, cast)) == 8
    given.slice = "recalls"
    with pytest.raises(mesh.TwinError) as other:
        read(given, cast)
    given.slice = "margins"
    with pytest.raises(mesh.TwinError) as hidden:
        read(given, cast)
    given.slice = "nothing-of-that-name"
    with pytest.raises(mesh.TwinError) as missing:
        read(given, cast)
    assert {refusal.value.status for refusal in (other, hidden, missing)} == {403}
    assert len({str(vars(refusal.value)) for refusal in (other, hidden, missing)}) == 1


def test_revoking_ends_the_reading_and_the_log_has_it_in_order(cast: Cast, acme: Twin, given: Grant) -> None:
    read(given, cast)
    services.revoke(given, cast.ana, signer_of(cast.ana), "contract ended")
    with pytest.raises(mesh.TwinError) as refusal:
        read(given, cast)
    assert refusal.value.status == 403
    log = client_of(acme, cast.ana).get("/v1/log", {"limit": 1000})["records"]
    acts = [(record["kind"], record["reducer"]) for record in log]
    grant, revoke = acts.index(("call", "grant")), acts.index(("call", "revoke"))
    reads = [
        number
        for number, record in enumerate(log)
        if str(record["caller"]).startswith("twin:") and number > 0
    ]
    assert any(grant < number < revoke for number in reads)


def test_a_revoke_that_the_twin_has_done_already_only_updates_the_record(
    cast: Cast, acme: Twin, given: Grant
) -> None:
    client_of(acme, cast.ana).call("revoke", {"grant_id": given.grant_id, "reason": "by hand"})
    services.revoke(given, cast.ana, signer_of(cast.ana), "contract ended")
    assert given.state == "revoked"


def test_an_approval_that_broke_off_is_finished_and_not_repeated(
    cast: Cast, acme: Twin, asked: Grant
) -> None:
    end = timezone.now() + timedelta(days=30)
    services.approve(asked, cast.ana, signer_of(cast.ana), end)
    Grant.objects.update(state="requested", expires_at=None)
    asked.refresh_from_db()
    services.approve(asked, cast.ana, signer_of(cast.ana), timezone.now() + timedelta(days=60))
    assert abs(asked.expires_at - end) < timedelta(seconds=2)  # type: ignore[operator]
    assert len(client_of(acme, cast.ana).get("/v1/grants")["grants"]) == 1


def test_a_decided_request_cannot_be_decided_again(cast: Cast, asked: Grant) -> None:
    services.decline(asked, cast.ana, signer_of(cast.ana), "not needed")
    with pytest.raises(WrongState):
        services.approve(asked, cast.ana, signer_of(cast.ana), timezone.now() + timedelta(days=1))


def test_the_readers_own_twin_decides_who_may_act_for_it(cast: Cast, given: Grant) -> None:
    with pytest.raises(mesh.TwinError) as refusal:
        received.pass_for(given, signer_of(cast.eve))
    assert refusal.value.status in (401, 403)
    assert browser_of(cast.eve).get(f"/reads/{given.pk}/").status_code == 404


def test_the_page_of_a_received_slice_is_complete_without_scripts(cast: Cast, given: Grant) -> None:
    page = browser_of(cast.dan).get(f"/reads/{given.pk}/")
    assert page.context["status"] == "live"
    assert "Product 7" in page.content.decode()


def test_the_page_says_how_the_grant_ended_and_shows_no_row(cast: Cast, given: Grant) -> None:
    services.revoke(given, cast.ana, signer_of(cast.ana), "contract ended")
    page = browser_of(cast.dan).get(f"/reads/{given.pk}/").content.decode()
    assert "contract ended" in page
    assert "could" in page
    assert "Product" not in page


def test_time_labels_what_it_has_ended(cast: Cast, given: Grant, asked: Grant) -> None:
    Grant.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert services.settle() == 1
    given.refresh_from_db()
    assert given.state == "expired"
    assert services.settle() == 0


def test_without_a_twin_the_evidence_is_unknown_and_the_page_still_opens(cast: Cast, given: Grant) -> None:
    assert fga.evidence(given, signer_of(cast.ana)) == (None, None)
    assert browser_of(cast.ana).get(f"/grants/{given.pk}/").status_code == 200


def test_both_sides_see_one_record(cast: Cast, given: Grant) -> None:
    def history(browser: Client) -> list[str]:
        return [note.text for note in browser.get(f"/grants/{given.pk}/").context["history"]]

    assert history(browser_of(cast.ana)) == history(browser_of(cast.dan)) != []


def test_a_grant_that_the_curator_wrote_waits_for_the_new_owner(
    cast: Cast, csp: Twin, plant_twin: PlantTwin
) -> None:
    virtual = plant_twin("virtual")
    grant = services.ask(virtual, csp, cast.dan, slice="recalls", purpose="Alerts", days=30, contact="")
    end = f"{timezone.now() + timedelta(days=9):%Y-%m-%dT%H:%M:%S}"
    browser_of(cast.cora).post(f"/grants/{grant.pk}/decide/", {"decision": "approve", "expires_at": end})
    owner = {"owner": cast.ana.subject, "owner_name": "Ana", "owner_key": cast.ana.public_key}
    mesh.client(virtual, mesh.platform_signer()).call("claim", owner)
    Twin.objects.filter(pk=virtual.pk).update(state="claimed")
    virtual.memberships.create(user=cast.ana, role="owner")
    page = f"/console/{virtual.slug}/grants/"
    ana = browser_of(cast.ana)
    assert "A curator wrote this" in ana.get(page).content.decode()
    ana.post(f"/grants/{grant.pk}/confirm/")
    assert "A curator wrote this" not in ana.get(page).content.decode()
    assert browser_of(cast.cora).get(f"/grants/{grant.pk}/").status_code == 404


def test_while_it_is_being_approved_a_request_cannot_be_withdrawn(cast: Cast, asked: Grant) -> None:
    Grant.LIFECYCLE.move(asked, "take")
    with pytest.raises(WrongState):
        services.withdraw(asked, cast.dan)


def test_declining_an_approval_that_broke_off_revokes_what_it_wrote(
    cast: Cast, acme: Twin, asked: Grant
) -> None:
    services.approve(asked, cast.ana, signer_of(cast.ana), timezone.now() + timedelta(days=30))
    Grant.objects.update(state="approving", expires_at=None)
    asked.refresh_from_db()
    services.decline(asked, cast.ana, signer_of(cast.ana), "not needed")
    (row,) = client_of(acme, cast.ana).get("/v1/grants")["grants"]
    assert row["status"] == "revoked"


def test_an_approval_that_the_twin_refuses_leaves_the_request_open(cast: Cast, asked: Grant) -> None:
    with pytest.raises(mesh.TwinError):
        services.approve(asked, cast.eve, signer_of(cast.eve), timezone.now() + timedelta(days=30))
    asked.refresh_from_db()
    assert asked.state == "requested"
