from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from portal.models import User
from portal.states import WrongState
from tests.cast import Cast, PlantTwin, browser_of
from tests.wellknown import Site, site
from twins import mesh, proofs
from twins.models import Claim, DeskEntry, Membership, Twin
from twins.operations import driver, handover
from twins.services import claims


@pytest.fixture
def domain() -> Iterator[Site]:
    with site() as server:
        yield server


@pytest.fixture
def acme(plant_twin: PlantTwin) -> Twin:
    return plant_twin("acme")


def start(twin: Twin, who: User, domain: str) -> Claim:
    return claims.start(twin, who, role="Regulatory lead", domain=domain, proof="wellknown", statement="")


def publish(claim: Claim, server: Site, body: str | None = None) -> None:
    wanted = proofs.KINDS["wellknown"].instructions(claim.domain, claim.token, claim.claimant.public_key)
    path = wanted.url.removeprefix(server.url)
    server.files[path] = body if body is not None else f"{wanted.body}\n"


def test_a_claim_says_who_keeps_the_twin_and_what_changes(cast: Cast, acme: Twin) -> None:
    page = browser_of(cast.ana).get(f"/t/{acme.slug}/claim/").content.decode()
    assert "the curator" in page
    assert "The platform is refused like any stranger" in page


def test_claiming_through_the_pages_shows_where_the_file_must_lie(
    cast: Cast, acme: Twin, domain: Site
) -> None:
    fields = {"role": "Lead", "domain": domain.domain, "proof": "wellknown", "statement": ""}
    answer = browser_of(cast.ana).post(f"/t/{acme.slug}/claim/", fields, follow=True)
    claim = Claim.objects.get()
    assert f"{domain.url}/.well-known/mycelium-claim/{claim.token}" in answer.content.decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not a domain",
        "http://",
        "-acme.example",
        "someone.github.io",
        "gmail.com",
        "a..b",
        "acme.example:99999999",
        "com",
        "169.254.169.254",
        "localhost:99999",
        "http://[",
    ],
)
def test_what_is_no_domain_of_the_entity_is_refused_beside_the_field(
    cast: Cast, acme: Twin, text: str
) -> None:
    fields = {"role": "Lead", "domain": text, "proof": "wellknown"}
    answer = browser_of(cast.ana).post(f"/t/{acme.slug}/claim/", fields)
    assert answer.status_code == 422
    assert not Claim.objects.exists()


def test_a_proof_that_is_found_puts_the_claim_before_the_curators(
    cast: Cast, acme: Twin, domain: Site
) -> None:
    claim = start(acme, cast.ana, domain.domain)
    assert claims.check_proof(claim).message == "The server answered 404; 200 was expected."
    assert claim.state == "open"
    publish(claim, domain)
    assert claims.check_proof(claim).ok
    assert claim.state == "review"


def test_a_file_that_says_something_else_is_shown_beside_what_was_expected(
    cast: Cast, acme: Twin, domain: Site
) -> None:
    claim = start(acme, cast.ana, domain.domain)
    publish(claim, domain, "another text")
    browser = browser_of(cast.ana)
    page = browser.post(f"/claims/{claim.pk}/check/", follow=True).content.decode()
    assert "another text" in page
    assert "says something else" in page


def test_a_proof_of_another_claimant_does_not_serve(cast: Cast, acme: Twin, domain: Site) -> None:
    anas, evas = start(acme, cast.ana, domain.domain), start(acme, cast.eve, domain.domain)
    publish(anas, domain)
    assert claims.check_proof(anas).ok
    assert not claims.check_proof(evas).ok


def test_a_redirect_to_another_host_proves_nothing(cast: Cast, acme: Twin, domain: Site) -> None:
    claim = start(acme, cast.ana, domain.domain)
    with site() as other:
        publish(claim, other)
        path = next(iter(other.files), f"/.well-known/mycelium-claim/{claim.token}")
        domain.redirects[path] = f"{other.url}{path}"
        assert not claims.check_proof(claim).ok
        assert other.asked == 0


@pytest.mark.parametrize("domain_", ["169.254.169.254", "10.0.0.1:80", "192.168.1.1:8080", "[::1]:80"])
def test_the_check_never_asks_inside_the_platforms_network(cast: Cast, acme: Twin, domain_: str) -> None:
    assert not claims.look(start(acme, cast.ana, domain_)).ok


def test_asking_again_keeps_the_token(cast: Cast, acme: Twin, domain: Site) -> None:
    first = start(acme, cast.ana, domain.domain)
    browser = browser_of(cast.ana)
    assert browser.get(f"/t/{acme.slug}/claim/")["Location"] == f"/claims/{first.pk}/"
    with pytest.raises(claims.NotClaimable):
        start(acme, cast.ana, domain.domain)


def test_a_claimed_twin_cannot_be_claimed(cast: Cast, plant_twin: PlantTwin) -> None:
    owned = plant_twin("owned", owner=cast.ben)
    with pytest.raises(claims.NotClaimable, match="has an owner"):
        start(owned, cast.ana, "owned.example")


def test_the_handover_puts_the_twin_into_its_owners_hands(cast: Cast, acme: Twin, domain: Site) -> None:
    claim = start(acme, cast.ana, domain.domain)
    publish(claim, domain)
    claims.check_proof(claim)
    fields = {"verdict": "approve", "reason": "control_proved", "note": ""}
    assert browser_of(cast.cora).post(f"/desk/claims/{claim.pk}/", fields).status_code == 302
    claim.refresh_from_db()
    assert claim.operation is not None
    driver.run(claim.operation.pk)
    claim.refresh_from_db()
    claim.twin.refresh_from_db()
    assert (claim.state, claim.twin.state) == ("claimed", "claimed")
    assert Membership.objects.get().user == cast.ana
    assert browser_of(cast.ana).get(f"/console/{acme.slug}/").status_code == 200
    entry = DeskEntry.objects.get()
    assert (entry.curator, entry.verb) == (cast.cora, "approve")


def test_no_verdict_without_a_reason(cast: Cast, acme: Twin, domain: Site) -> None:
    claim = start(acme, cast.ana, domain.domain)
    publish(claim, domain)
    claims.check_proof(claim)
    answer = browser_of(cast.cora).post(f"/desk/claims/{claim.pk}/", {"verdict": "approve", "reason": ""})
    assert answer.status_code == 422
    claim.refresh_from_db()
    assert claim.state == "review"


def test_curators_do_not_judge_their_own_case(cast: Cast, acme: Twin, domain: Site) -> None:
    claim = start(acme, cast.cora, domain.domain)
    publish(claim, domain)
    claims.check_proof(claim)
    with pytest.raises(claims.NotClaimable, match="another curator"):
        claims.decide(claim, cast.cora, "approve", "control proved", "")


def test_a_handover_whose_proof_is_gone_goes_back_to_the_desk(cast: Cast, acme: Twin, domain: Site) -> None:
    claim = start(acme, cast.ana, domain.domain)
    publish(claim, domain)
    claims.check_proof(claim)
    claims.decide(claim, cast.cora, "approve", "control proved", "")
    domain.files.clear()
    assert claim.operation is not None
    driver.run(claim.operation.pk)
    claim.refresh_from_db()
    assert claim.state == "review"
    assert acme.state == "virtual"


def test_a_second_claim_loses_when_the_first_is_approved(cast: Cast, acme: Twin, domain: Site) -> None:
    anas, evas = start(acme, cast.ana, domain.domain), start(acme, cast.eve, domain.domain)
    publish(anas, domain)
    claims.check_proof(anas)
    claims.decide(anas, cast.cora, "approve", "control proved", "")
    assert anas.operation is not None
    driver.run(anas.operation.pk)
    evas.refresh_from_db()
    assert evas.state == "declined"


def test_more_is_a_conversation_in_the_case(cast: Cast, acme: Twin, domain: Site) -> None:
    claim = start(acme, cast.ana, domain.domain)
    publish(claim, domain)
    claims.check_proof(claim)
    claims.decide(claim, cast.cora, "more", "unclear", "Which plant?")
    browser = browser_of(cast.ana)
    assert "Which plant?" in browser.get(f"/claims/{claim.pk}/").content.decode()
    browser.post(f"/claims/{claim.pk}/answer/", {"text": "The one in Basel."})
    claim.refresh_from_db()
    assert claim.state == "review"


def test_a_claim_ends_after_fourteen_days_without_a_proof(cast: Cast, acme: Twin) -> None:
    claim = start(acme, cast.ana, "acme.example")
    Claim.objects.update(deadline=timezone.now() - timedelta(seconds=1))
    assert claims.expire_overdue() == 1
    claim.refresh_from_db()
    assert claim.state == "expired"
    with pytest.raises(WrongState):
        claims.withdraw(claim, cast.ana)


def test_a_claim_is_seen_by_its_claimant_alone(cast: Cast, acme: Twin) -> None:
    claim = start(acme, cast.ana, "acme.example")
    assert browser_of(cast.eve).get(f"/claims/{claim.pk}/").status_code == 404
    assert browser_of(cast.eve).post(f"/claims/{claim.pk}/check/").status_code == 404


def approved(twin: Twin, cast: Cast, server: Site) -> Claim:
    claim = start(twin, cast.ana, server.domain)
    publish(claim, server)
    claims.check_proof(claim)
    return claims.decide(claim, cast.cora, "approve", "control proved", "")


def test_an_operation_that_is_tried_again_hands_no_declined_claim_over(
    cast: Cast, acme: Twin, domain: Site
) -> None:
    claim = approved(acme, cast, domain)
    operation, files = claim.operation, dict(domain.files)
    assert operation is not None
    domain.files.clear()
    driver.run(operation.pk)
    claim.refresh_from_db()
    claims.decide(claim, cast.cora, "decline", "wrong domain", "")
    domain.files.update(files)
    operation.refresh_from_db()
    driver.retry(operation)
    driver.run(operation.pk)
    operation.refresh_from_db()
    assert operation.state == "failed"
    assert mesh.client(acme).about()["state"] == "virtual"


def test_a_claim_goes_back_to_the_desk_only_while_the_twin_is_virtual(
    cast: Cast, acme: Twin, domain: Site
) -> None:
    claim = approved(acme, cast, domain)
    owner = {"owner": cast.ana.subject, "owner_name": "Ana", "owner_key": cast.ana.public_key}
    key = f"claim:{claim.pk}"
    mesh.client(acme, mesh.platform_signer()).call("claim", owner, idempotency_key=key)
    handover._failed({"claim": str(claim.pk)}, "the answer was lost")
    claim.refresh_from_db()
    assert claim.state == "handover"
    assert claim.operation is not None
    driver.run(claim.operation.pk)
    claim.refresh_from_db()
    assert claim.state == "claimed"


def test_a_verdict_takes_only_reasons_that_go_with_it(cast: Cast, acme: Twin, domain: Site) -> None:
    claim = start(acme, cast.ana, domain.domain)
    publish(claim, domain)
    claims.check_proof(claim)
    fields = {"verdict": "approve", "reason": "wrong_domain", "note": ""}
    assert browser_of(cast.cora).post(f"/desk/claims/{claim.pk}/", fields).status_code == 422
    claim.refresh_from_db()
    assert claim.state == "review"


def test_of_two_claims_only_one_is_handed_over_at_a_time(cast: Cast, acme: Twin, domain: Site) -> None:
    approved(acme, cast, domain)
    rival = start(acme, cast.eve, domain.domain)
    publish(rival, domain)
    claims.check_proof(rival)
    with pytest.raises(claims.NotClaimable, match="being handed over"):
        claims.decide(rival, cast.cora, "approve", "control proved", "")


def test_a_decided_claim_keeps_the_evidence_it_was_decided_on(cast: Cast, acme: Twin, domain: Site) -> None:
    claim = approved(acme, cast, domain)
    domain.files.clear()
    assert browser_of(cast.ana).post(f"/claims/{claim.pk}/check/").status_code == 409
    claim.refresh_from_db()
    assert claim.proof_state == "passed"


def test_each_open_claim_is_looked_at_once_a_minute(cast: Cast, acme: Twin, domain: Site) -> None:
    claim = start(acme, cast.ana, domain.domain)
    assert claims.due_for_proof() == [claim.pk]
    assert claims.due_for_proof() == []
