"""The OpenFGA interface, met by the SDK as any OpenFGA server would be."""

from __future__ import annotations

import asyncio
import json
import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from openfga_sdk import ReadRequestTupleKey
from openfga_sdk.client import ClientConfiguration
from openfga_sdk.client import OpenFgaClient as AsyncClient
from openfga_sdk.client.models import (
    ClientBatchCheckItem,
    ClientBatchCheckRequest,
    ClientCheckRequest,
    ClientListObjectsRequest,
    ClientTuple,
    ClientWriteRequest,
)
from openfga_sdk.credentials import CredentialConfiguration, Credentials
from openfga_sdk.exceptions import ForbiddenException, ValidationException
from openfga_sdk.sync import OpenFgaClient

from tests.runtime.conftest import Make
from tests.runtime.machine import Machine, entry, grant_args, person, raw
from twins.runtime import clock
from twins.runtime.ids import is_ulid


class Relay(socketserver.BaseRequestHandler):
    """Carries bytes between a TCP connection and the twin's socket: the SDK speaks TCP only."""

    target: Path

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as twin:
            twin.connect(str(self.target))
            peers = {self.request: twin, twin: self.request}
            while True:
                for ready in select.select(list(peers), [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    peers[ready].sendall(data)


@contextmanager
def relayed(machine: Machine) -> Iterator[int]:
    """The TCP port on which a served twin can be met too."""
    handler = type("ToThisTwin", (Relay,), {"target": machine.socket})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def configured(port: int, store: str, token: str) -> ClientConfiguration:
    credentials = Credentials(method="api_token", configuration=CredentialConfiguration(api_token=token))
    return ClientConfiguration(
        api_url=f"http://127.0.0.1:{port}", store_id=store, credentials=credentials, timeout_millisec=10_000
    )


def sdk(port: int, store: str, token: str) -> OpenFgaClient:
    return OpenFgaClient(configured(port, store, token))


@pytest.fixture
def client(twin: Machine) -> Iterator[OpenFgaClient]:
    """The owner's SDK client."""
    with relayed(twin) as port, sdk(port, twin.id, twin.owner.token(twin.id)) as client:
        yield client


READER = person("twin")
PLACE: dict[str, Any] = {"user": READER.subject, "relation": "federation_reader", "object": "slice:catalogue"}


def test_the_sdk_checks_reads_and_lists(twin: Machine, client: OpenFgaClient) -> None:
    assert client.check(ClientCheckRequest(**PLACE)).allowed is False
    twin.mine.call("grant", grant_args(READER))
    assert client.check(ClientCheckRequest(**PLACE)).allowed is True
    tuples = client.read(place(object="slice:catalogue")).tuples
    assert {one.key.relation for one in tuples} == {"federation_reader", "instance"}
    found = client.read(place(**PLACE)).tuples[0].key
    assert found.condition.name == "grant_window"
    listing = ClientListObjectsRequest(user=READER.subject, relation="can_read_federated", type="slice")
    assert client.list_objects(listing).objects == ["slice:catalogue"]
    checks = [
        ClientBatchCheckItem(**PLACE, correlation_id="a"),
        ClientBatchCheckItem(**{**PLACE, "object": "slice:margins"}, correlation_id="b"),
    ]
    answers = client.batch_check(ClientBatchCheckRequest(checks=checks)).result
    assert {one.correlation_id: one.allowed for one in answers} == {"a": True, "b": False}
    models = client.read_authorization_models().authorization_models
    assert [is_ulid(model.id) for model in models] == [True]
    assert client.read_latest_authorization_model().authorization_model.id == models[0].id


def test_the_sdk_writes_and_the_twin_logs_it(twin: Machine, client: OpenFgaClient) -> None:
    admin = ClientTuple(user=person().subject, relation="admin", object=f"instance:{twin.id}")
    client.write(ClientWriteRequest(writes=[admin]))
    assert client.check(ClientCheckRequest(admin.user, "can_configure", admin.object)).allowed
    with pytest.raises(ValidationException) as twice:
        client.write(ClientWriteRequest(writes=[admin]))
    assert twice.value.code == "write_failed_due_to_invalid_input"
    client.write(ClientWriteRequest(deletes=[admin]))
    assert not client.check(ClientCheckRequest(admin.user, "can_configure", admin.object)).allowed
    kinds = [(r["kind"], r["reducer"]) for r in twin.records() if r["reducer"] == "authz_write"]
    assert kinds == [("call", "authz_write"), ("failed", "authz_write"), ("call", "authz_write")]


def test_deleting_a_grants_tuple_ends_the_grant(twin: Machine, client: OpenFgaClient) -> None:
    twin.mine.call("grant", grant_args(READER))
    client.write(ClientWriteRequest(deletes=[ClientTuple(**PLACE)]))
    assert twin.mine.get("/v1/grants")["grants"][0]["status"] == "revoked"


def place(**parts: str) -> ReadRequestTupleKey:
    return ReadRequestTupleKey(**parts)  # type: ignore[no-untyped-call]


WINDOW = {"not_before": clock.after(-60), "expires_at": clock.after(3600)}


MANY = [{**PLACE, "object": f"slice:s{n}"} for n in range(101)]
LISTED: dict[str, Any] = {
    "object": {"type": "slice", "id": "catalogue"},
    "relation": "federation_reader",
    "user_filters": [{"type": "twin"}],
}


def written(condition: dict[str, Any] | None = None, **changes: str) -> dict[str, Any]:
    key: dict[str, Any] = {**PLACE, **changes}
    return {"writes": {"tuple_keys": [{**key, "condition": condition} if condition else key]}}


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("check", {"tuple_key": {**PLACE, "relation": "nothing"}}, "validation_error"),
        ("check", {"tuple_key": {**PLACE, "user": "ghost:1"}}, "validation_error"),
        ("check", {"tuple_key": {"user": "x"}}, "validation_error"),
        ("check", {"tuple_key": PLACE, "contextual_tuples": {"tuple_keys": [PLACE]}}, "validation_error"),
        ("check", {"tuple_key": PLACE, "context": {"x": "1"}}, "validation_error"),
        ("check", {"tuple_key": PLACE, "authorization_model_id": "0" * 26}, "authorization_model_not_found"),
        ("read", {"page_size": 101}, "page_size_invalid"),
        ("read", {"continuation_token": "abc"}, "invalid_continuation_token"),
        ("read", {"tuple_key": {"user": "user:x"}}, "validation_error"),
        ("write", {}, "invalid_write_input"),
        ("write", {"deletes": {"tuple_keys": [PLACE] * 2}}, "cannot_allow_duplicate_tuples_in_one_request"),
        ("write", {"deletes": {"tuple_keys": MANY}}, "exceeded_entity_limit"),
        ("expand", {"tuple_key": {"object": "slice:x", "relation": "nothing"}}, "validation_error"),
        ("list-users", {**LISTED, "user_filters": [{"type": "ghost"}]}, "type_not_found"),
        ("list-users", {**LISTED, "contextual_tuples": [PLACE]}, "validation_error"),
        ("list-users", {**LISTED, "context": {"x": "1"}}, "validation_error"),
        ("streamed-list-objects", {"type": "ghost", "relation": "r", "user": "user:x"}, None),
        ("write", {"deletes": {"tuple_keys": [PLACE]}}, "write_failed_due_to_invalid_input"),
        ("write", written(), "validation_error"),
        ("write", written({"name": "grant_window", "context": {}}), "validation_error"),
        (
            "write",
            written({"name": "grant_window", "context": {**WINDOW, "current_time": WINDOW["not_before"]}}),
            "validation_error",
        ),
        ("write", written({"name": "other", "context": WINDOW}), "validation_error"),
        ("write", written(user="twin:*"), "validation_error"),
        ("write", written(relation="reader", user="user:*"), "validation_error"),
        ("write", written(relation="reader", user="twin:x"), "validation_error"),
        ("write", written(relation="curator", object="custody:platform", user="user:x"), "validation_error"),
        ("list-objects", {"type": "ghost", "relation": "r", "user": "user:x"}, "type_not_found"),
        ("list-objects", {"type": "slice", "relation": "r", "user": "user:x"}, "relation_not_found"),
    ],
)
def test_what_a_store_refuses_has_openfgas_code(
    standing: Machine, path: str, body: dict[str, Any], code: str | None
) -> None:
    token = standing.owner.token(standing.id)
    status, answer = raw(standing, f"/stores/{standing.id}/{path}", token, "POST", json.dumps(body))
    assert (status, json.loads(answer).get("code")) == (400, code)


def test_a_callers_own_time_changes_nothing(twin: Machine) -> None:
    twin.mine.call("grant", grant_args(READER, not_before=clock.after(3600)))
    body = {"tuple_key": PLACE, "context": {"current_time": clock.after(7200)}}
    assert twin.mine.post(f"/stores/{twin.id}/check", body)["allowed"] is False


def test_custody_never_comes_back_once_there_is_an_owner(standing: Machine) -> None:
    key = {"user": "custody:platform", "relation": "custody", "object": f"instance:{standing.id}"}
    body = json.dumps({"writes": {"tuple_keys": [key]}})
    assert (
        raw(standing, f"/stores/{standing.id}/write", standing.owner.token(standing.id), "POST", body)[0]
        == 400
    )


def test_the_store_is_read_only_with_the_audit_right_and_no_admin_makes_admins(make: Make) -> None:
    admin, reader = person(), person("twin")
    machine = make(admins=entry(admin))
    machine.start()
    machine.mine.call("grant", grant_args(reader))
    tuple_ = ClientTuple(user=person().subject, relation="owner", object=f"instance:{machine.id}")
    with relayed(machine) as port:
        with sdk(port, machine.id, reader.token(machine.id)) as client, pytest.raises(ForbiddenException):
            client.check(ClientCheckRequest(**PLACE))
        with sdk(port, machine.id, admin.token(machine.id)) as client, pytest.raises(ForbiddenException):
            client.write(ClientWriteRequest(writes=[tuple_]))


def test_pages_of_tuples_join(standing: Machine) -> None:
    seen: list[str] = []
    token = ""
    while True:
        page = standing.mine.post(
            f"/stores/{standing.id}/read", {"page_size": 1, "continuation_token": token}
        )
        seen += [one["key"]["object"] for one in page["tuples"]]
        token = page["continuation_token"]
        if not token:
            break
    assert sorted(seen) == sorted([f"instance:{standing.id}", "slice:catalogue", "slice:margins"])


def test_the_store_lists_streams_expands_and_tells_its_changes(twin: Machine) -> None:
    twin.mine.call("grant", grant_args(READER))
    store = f"/stores/{twin.id}"
    assert [one["id"] for one in twin.mine.get("/stores")["stores"]] == [twin.id]
    assert twin.mine.post(f"{store}/list-users", LISTED)["users"] == [
        {"object": {"type": "twin", "id": READER.subject.removeprefix("twin:")}}
    ]
    tree = twin.mine.post(
        f"{store}/expand", {"tuple_key": {"object": PLACE["object"], "relation": PLACE["relation"]}}
    )
    assert tree["tree"]["root"]["leaf"]["users"]["users"] == [READER.subject]
    body = json.dumps({"type": "slice", "relation": "can_read_federated", "user": READER.subject})
    token = twin.owner.token(twin.id)
    _, streamed = raw(twin, f"{store}/streamed-list-objects", token, "POST", body)
    assert json.loads(streamed) == {"result": {"object": "slice:catalogue"}}
    changes = twin.mine.get(f"{store}/changes?type=slice")
    (grant,) = [one for one in changes["changes"] if one["tuple_key"]["user"] == READER.subject]
    assert (grant["operation"], grant["tuple_key"]["condition"]["name"]) == (
        "TUPLE_OPERATION_WRITE",
        "grant_window",
    )
    more = f"{store}/changes?type=slice&continuation_token={changes['continuation_token']}"
    assert twin.mine.get(more)["changes"] == []
    twin.mine.post(f"{store}/write", {"deletes": {"tuple_keys": [PLACE]}})
    (gone,) = twin.mine.get(more)["changes"]
    assert (gone["operation"], gone["tuple_key"]["condition"]) == ("TUPLE_OPERATION_DELETE", None)


def test_a_write_passes_over_what_is_there_or_gone_when_asked_to(twin: Machine) -> None:
    key = {"user": person().subject, "relation": "reader", "object": "slice:catalogue"}
    path = f"/stores/{twin.id}/write"
    window = {"name": "grant_window", "context": WINDOW}
    for condition, status in ((None, 200), (None, 200), (window, 409)):
        body = {"writes": {"tuple_keys": [{**key, "condition": condition}], "on_duplicate": "ignore"}}
        assert raw(twin, path, twin.owner.token(twin.id), "POST", json.dumps(body))[0] == status
    for _ in range(2):
        assert twin.mine.post(path, {"deletes": {"tuple_keys": [key], "on_missing": "ignore"}}) == {}


def test_a_decision_is_explained_by_its_tuples_or_by_what_is_missing(twin: Machine) -> None:
    def why(user: str, relation: str = "can_read", object_: str = "slice:catalogue") -> dict[str, Any]:
        query = urlencode({"user": user, "relation": relation, "object": object_})
        return twin.mine.get(f"/v1/explain?{query}")

    told = why(twin.owner.subject)
    assert (told["allowed"], told["missing"]) == (True, [])
    assert [(one["relation"], one["user"]) for one in told["path"]] == [
        ("instance", f"instance:{twin.id}"),
        ("owner", twin.owner.subject),
    ]
    reader = why(READER.subject, "can_read_federated")
    assert (reader["allowed"], [one["reason"] for one in reader["missing"]]) == (False, ["no-tuple"])
    twin.mine.call("grant", grant_args(READER, not_before=clock.after(3600)))
    (lack,) = why(READER.subject, "can_read_federated")["missing"]
    assert (lack["reason"], lack["tuple"]["condition"]["name"]) == ("condition", "grant_window")
    assert why(READER.subject)["missing"][0]["reason"] == "no-way"
    stranger, token = person("twin"), twin.owner.token(twin.id)
    assert raw(twin, "/v1/explain?user=x&relation=can_read&object=slice:catalogue", token)[0] == 400
    assert raw(twin, "/v1/explain", stranger.token(twin.id))[0] == 401


def test_the_async_sdk_meets_a_twin_too(twin: Machine) -> None:
    twin.mine.call("grant", grant_args(READER))

    async def run(port: int) -> tuple[bool, list[str]]:
        async with AsyncClient(configured(port, twin.id, twin.owner.token(twin.id))) as client:
            checked = await client.check(ClientCheckRequest(**PLACE))
            listing = ClientListObjectsRequest(
                user=READER.subject, relation="can_read_federated", type="slice"
            )
            return checked.allowed, (await client.list_objects(listing)).objects

    with relayed(twin) as port:
        assert asyncio.run(run(port)) == (True, ["slice:catalogue"])
