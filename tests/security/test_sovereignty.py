"""After a claim nobody from the platform can act in the twin; before it, nobody else can."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cast import Cast, PlantTwin, client_of, signer_of
from twins import mesh
from twins.models import Twin
from twins.runtime.client import KeySigner, TwinClient, generate_key

READS = ["/v1/log", "/v1/people", "/v1/grants", "/v1/senses", "/v1/verify", "/v1/slices/catalogue/objects"]
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("put", {"slice": "catalogue", "id": "x", "body": {}}),
    ("put_many", {"slice": "catalogue", "objects": []}),
    ("patch", {"slice": "catalogue", "id": "x", "body": {}}),
    ("delete", {"slice": "catalogue", "id": "x"}),
    ("declare_slice", {"name": "new", "title": "New", "kind": "products"}),
    ("remove_sense", {"name": "fda"}),
    ("run_sense", {"name": "fda"}),
    ("rotate_key", {}),
    ("revoke", {"grant_id": "g", "reason": "r"}),
    ("remove_person", {"user": "user:00000000000000000000000000", "role": "owner"}),
]


@pytest.fixture
def claimed(cast: Cast, plant_twin: PlantTwin) -> Twin:
    twin = plant_twin("acme")
    owner = {"owner": cast.ana.subject, "owner_name": "Ana", "owner_key": cast.ana.public_key}
    mesh.client(twin, mesh.platform_signer()).call("claim", owner, idempotency_key="claim:1")
    return twin


def credentials(twin: Twin, cast: Cast) -> dict[str, TwinClient]:
    return {"platform": mesh.client(twin, mesh.platform_signer()), "curator": client_of(twin, cast.cora)}


def status_of(act: Any) -> int:
    try:
        act()
    except mesh.TwinError as refusal:
        return refusal.status
    return 200


@pytest.mark.parametrize("who", ["platform", "curator"])
def test_before_the_claim_the_curators_side_acts_for_the_twin(
    cast: Cast, plant_twin: PlantTwin, who: str
) -> None:
    client = credentials(plant_twin("acme"), cast)[who]
    assert [status_of(lambda place=place: client.get(place)) for place in READS] == [200] * len(READS)


@pytest.mark.parametrize("who", ["platform", "curator"])
def test_after_the_claim_every_read_and_call_of_the_platform_is_403(
    cast: Cast, claimed: Twin, who: str
) -> None:
    client = credentials(claimed, cast)[who]
    reads = {place: status_of(lambda place=place: client.get(place)) for place in READS}
    calls = {name: status_of(lambda n=name, a=args: client.call(n, a)) for name, args in CALLS}
    assert set(reads.values()) == {403}, reads
    assert set(calls.values()) == {403}, calls


def test_after_the_claim_the_owner_can(cast: Cast, claimed: Twin) -> None:
    client = client_of(claimed, cast.ana)
    assert [status_of(lambda place=place: client.get(place)) for place in READS] == [200] * len(READS)


def test_the_claim_is_one_commit_and_changes_the_twins_key(cast: Cast, plant_twin: PlantTwin) -> None:
    twin = plant_twin("acme")
    before = mesh.client(twin).about()
    owner = {"owner": cast.ana.subject, "owner_name": "Ana", "owner_key": cast.ana.public_key}
    done = mesh.client(twin, mesh.platform_signer()).call("claim", owner, idempotency_key="claim:1")
    after = mesh.client(twin).about()
    assert (before["state"], after["state"]) == ("virtual", "claimed")
    assert before["kid"] != after["kid"]
    log = client_of(twin, cast.ana).get("/v1/log", {"limit": 1000})["records"]
    (record,) = [row for row in log if row["seq"] == done.seq]
    changed = [(op, table) for op, table, *_ in record["effects"]]
    assert ("del", "tuple") in changed
    assert ("put", "tuple") in changed


def test_a_claim_asked_again_after_a_lost_answer_gets_the_first_answer(cast: Cast, claimed: Twin) -> None:
    owner = {"owner": cast.ana.subject, "owner_name": "Ana", "owner_key": cast.ana.public_key}
    client = mesh.client(claimed, mesh.platform_signer())
    assert client.call("claim", owner, idempotency_key="claim:1").seq
    assert status_of(lambda: client.call("claim", owner, idempotency_key="claim:2")) == 403


def test_refused_calls_of_the_platform_are_in_the_owners_audit(cast: Cast, claimed: Twin) -> None:
    status_of(lambda: client_of(claimed, cast.cora).get("/v1/log"))
    status_of(
        lambda: client_of(claimed, cast.cora).call("put", {"slice": "catalogue", "id": "x", "body": {}})
    )
    log = client_of(claimed, cast.ana).get("/v1/log", {"limit": 1000})["records"]
    denied = [row for row in log if row["kind"] == "denied" and row["caller"] == cast.cora.subject]
    assert denied


def test_an_owner_of_one_twin_is_a_stranger_to_another(
    cast: Cast, claimed: Twin, plant_twin: PlantTwin
) -> None:
    client = client_of(plant_twin("other", owner=cast.ben), cast.ana)
    assert {status_of(lambda place=place: client.get(place)) for place in READS} <= {401, 403}


def test_a_token_for_one_twin_opens_no_other(cast: Cast, plant_twin: PlantTwin) -> None:
    one, two = plant_twin("one", owner=cast.ana), plant_twin("two", owner=cast.ana)
    from twins.runtime.client import TokenSigner

    token = TokenSigner(signer_of(cast.ana).token(one.ulid))
    assert status_of(lambda: mesh.client(two, token).get("/v1/log")) == 401


def test_a_made_up_key_in_the_owners_name_is_refused(cast: Cast, claimed: Twin) -> None:
    forged = KeySigner(cast.ana.subject, generate_key())
    assert status_of(lambda: mesh.client(claimed, forged).get("/v1/log")) == 401
