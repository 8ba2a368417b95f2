"""What somebody without a token may cost a twin, and what a peer may not talk it into, on both wires."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.runtime.served import Served, answers, on_uvloop, request, served

pytestmark = pytest.mark.parametrize("wire", ["fast", "aiohttp"])
LAST = request("GET", "/healthz", Connection="close")
PUT = json.dumps({"slice": "catalogue", "id": "a", "body": {"n": 1}}).encode()
LONG = 200_000


async def one(twin: Served, sent: bytes) -> tuple[int, dict[str, str], bytes]:
    """The one answer to a request, after which the twin closes."""
    found = answers(await twin.raw(sent))
    assert len(found) == 1, found
    return found[0]


def chunked(body: bytes, size: int) -> bytes:
    """A body in chunks of `size` bytes."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize("headers", [{"Content_Length": str(LONG)}, {"Transfer_Encoding": "chunked"}])
@on_uvloop
async def test_a_strangers_long_body_is_not_waited_for(wire: str, headers: dict[str, str]) -> None:
    async with served(wire, body_seconds=60) as twin:
        part = chunked(b"x" * 70_000, 1000)[:-5] if "Transfer_Encoding" in headers else b"x"
        status, _, body = await one(twin, request("POST", "/v1/call/put", part, **headers))
        assert (status, json.loads(body)["type"]) == (401, "/problems/unauthorized")


@on_uvloop
async def test_a_body_in_tiny_chunks_costs_no_more_than_its_length(wire: str) -> None:
    async with served(wire, body_bytes=4_000_000) as twin:
        body = json.dumps({"slice": "catalogue", "id": "a", "body": {"t": "x" * LONG}}).encode()
        headers = {"Transfer_Encoding": "chunked", "Authorization": f"Bearer {twin.token}"}
        sent = request("POST", "/v1/call/put", chunked(body, 1), Connection="close", **headers)
        assert (await one(twin, sent))[0] == 200


@on_uvloop
async def test_long_bodies_beyond_a_few_are_told_to_come_back_and_give_their_place_back(wire: str) -> None:
    async with served(wire, long_bodies=2) as twin:
        path = str(twin.machine.socket)
        sent = request(
            "POST", "/v1/call/put", b"{", Content_Length=str(LONG), Authorization=f"Bearer {twin.token}"
        )
        held = [await asyncio.open_unix_connection(path) for _ in range(2)]
        for _, writer in held:
            writer.write(sent)
        await asyncio.sleep(0.1)
        status, headers, _ = await one(twin, sent)
        assert (status, headers["retry-after"]) == (503, "1")
        for _, writer in held:
            writer.close()
        await asyncio.sleep(0.1)
        whole = json.dumps({"slice": "catalogue", "id": "a", "body": {"t": "x" * LONG}}).encode()
        token = f"Bearer {twin.token}"
        again = request("POST", "/v1/call/put", whole, Connection="close", Authorization=token)
        assert [(await one(twin, again))[0] for _ in range(4)] == [200] * 4


@on_uvloop
async def test_a_token_in_a_trailer_opens_nothing(wire: str) -> None:
    async with served(wire) as twin:
        body = chunked(PUT, 1000)[:-2] + f"Authorization: Bearer {twin.token}\r\n\r\n".encode()
        headers = {"Transfer_Encoding": "chunked", "Trailer": "Authorization"}
        sent = request("POST", "/v1/call/put", body, Connection="close", **headers)
        assert (await one(twin, sent))[0] in (400, 401)


@on_uvloop
async def test_a_wish_for_http_2_is_passed_by_and_the_request_answered(wire: str) -> None:
    if wire == "aiohttp":
        pytest.skip("aiohttp takes the body of such a request for the other protocol's")
    async with served(wire) as twin:
        wish = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABk"}
        sent = request("POST", "/v1/call/put", PUT, Authorization=f"Bearer {twin.token}", **wish)
        found = answers(await twin.raw(sent + LAST))
        assert [status for status, _, _ in found] == [200, 200]
        assert json.loads(found[0][2])["seq"] > 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-WebSocket-Version": "13"}, 400),
        ({"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Version": "8", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}, 426),
        ({"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}, 426),
    ],
)
@on_uvloop
async def test_a_broken_handshake_is_told_what_is_missing(
    wire: str, headers: dict[str, Any], status: int
) -> None:
    async with served(wire) as twin:
        wish: dict[str, Any] = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Authorization": f"Bearer {twin.token}",
        }
        found, told, _ = await one(twin, request("GET", "/v1/live", **wish, **headers))
        assert found == status
        assert status != 426 or told["sec-websocket-version"] == "13"


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (request("GET", "/healthz?" + "&".join(["a=1"] * 60), Connection="close"), {200}),
        (request("GET", "/healthz", Host="other", Connection="close"), {400}),
        (request("POST", "/v1/call/put", b"0\r\n\r\n", Transfer_Encoding="gzip, chunked"), {400, 501}),
        (b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", {400, 505}),
        (b"GET /healthz\r\n\r\n", {400, 505}),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 200 + b"\r\n", {400, 431}),
    ],
)
@on_uvloop
async def test_what_http_does_not_allow_is_refused(wire: str, sent: bytes, statuses: set[int]) -> None:
    async with served(wire) as twin:
        assert (await one(twin, sent))[0] in statuses
        assert (await one(twin, LAST))[0] == 200


@on_uvloop
async def test_too_many_parameters_are_a_problem(wire: str) -> None:
    async with served(wire) as twin:
        target = "/v1/slices/catalogue/objects?" + "&".join(f"a{n}=1" for n in range(60))
        headers: dict[str, Any] = {"Authorization": f"Bearer {twin.token}"}
        status, _, body = await one(twin, request("GET", target, Connection="close", **headers))
        assert (status, "50" in json.loads(body)["detail"]) == (400, True)
