"""The stand-alone server as a program, met by `openfga-sdk`, sync and async."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import pytest
from openfga_sdk.client import ClientConfiguration
from openfga_sdk.client import OpenFgaClient as AsyncClient
from openfga_sdk.client.models import ClientCheckRequest, ClientListObjectsRequest, ClientTuple
from openfga_sdk.models.create_store_request import CreateStoreRequest
from openfga_sdk.sync import OpenFgaClient

from tests.authz.cases import MODEL
from tests.authz.desks import There

ANNA = ("user:anna", "owner", "doc:1")


def named(name: str) -> CreateStoreRequest:
    return CreateStoreRequest(name=name)  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    command = [sys.executable, "-m", "twins.runtime.authz", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline().rpartition(":")[2])
        process.terminate()
        assert process.wait(30) == 0


def test_the_sdk_makes_a_store_writes_checks_and_lists(port: int) -> None:
    desk = There(port)
    with OpenFgaClient(ClientConfiguration(api_url=f"http://127.0.0.1:{port}")) as client:
        store = client.create_store(named("sync")).id
        client.set_store_id(store)
        status, told = desk.call("POST", f"/stores/{store}/authorization-models", MODEL)
        assert status == 201, told
        client.write_tuples([ClientTuple(*ANNA)])
        assert client.check(ClientCheckRequest(*ANNA)).allowed is True
        listing = ClientListObjectsRequest(user="user:anna", relation="viewer", type="doc")
        assert client.list_objects(listing).objects == ["doc:1"]
        assert [one.object for one in client.streamed_list_objects(listing)] == ["doc:1"]
        assert (
            client.read_latest_authorization_model().authorization_model.id == told["authorization_model_id"]
        )
    desk.close()


def test_the_async_sdk_does_too(port: int) -> None:
    async def run() -> None:
        desk = There(port)
        async with AsyncClient(ClientConfiguration(api_url=f"http://127.0.0.1:{port}")) as client:
            store = (await client.create_store(named("async"))).id
            client.set_store_id(store)
            desk.call("POST", f"/stores/{store}/authorization-models", MODEL)
            await client.write_tuples([ClientTuple(*ANNA)])
            assert (await client.check(ClientCheckRequest(*ANNA))).allowed is True
            await client.delete_tuples([ClientTuple(*ANNA)])
            assert (await client.check(ClientCheckRequest(*ANNA))).allowed is False
        desk.close()

    asyncio.run(run())


def test_a_port_that_is_taken_is_told_in_one_line(port: int) -> None:
    command = [sys.executable, "-m", "twins.runtime.authz", "--port", str(port)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith(f"error: port {port} cannot be served")
