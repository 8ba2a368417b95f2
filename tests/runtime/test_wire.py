"""The wire: what a peer may do to a connection, and what it gets, the same on both implementations."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from typing import Any

import pytest

from tests.runtime.served import Served, answers, on_uvloop, request, served, until

pytestmark = pytest.mark.parametrize("wire", ["fast", "aiohttp"])
GET = request("GET", "/healthz")
LAST = request("GET", "/healthz", Connection="close")


MANY: dict[str, Any] = {f"X{n}": "x" for n in range(120)}


OK = b'{"status":"ok"}'


async def one(twin: Served, sent: bytes) -> tuple[int, dict[str, str], bytes]:
    """The one answer to a request, after which the twin closes."""
    found = answers(await twin.raw(sent))
    assert len(found) == 1, found
    return found[0]


@on_uvloop
async def test_requests_sent_in_a_row_are_answered_in_their_order(wire: str) -> None:
    async with served(wire) as twin:
        token = f"Bearer {twin.token}"
        puts = [
            request(
                "POST",
                "/v1/call/put",
                json.dumps({"slice": "catalogue", "id": f"o{n}", "body": {}}).encode(),
                Authorization=token,
            )
            for n in range(20)
        ]
        sent = b"".join(part for put in puts for part in (put, GET)) + LAST
        found = answers(await twin.raw(sent))
        assert [status for status, _, _ in found] == [200] * 41
        seqs = [json.loads(body)["seq"] for _, _, body in found[:-1:2]]
        assert seqs == list(range(seqs[0], seqs[0] + 20))
        assert all(body == OK for _, _, body in found[1::2])


@on_uvloop
async def test_a_request_that_arrives_byte_by_byte_is_answered(wire: str) -> None:
    async with served(wire) as twin:
        reader, writer = await asyncio.open_unix_connection(str(twin.machine.socket))
        for byte in LAST:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        assert answers(await reader.read())[0][2] == OK
        writer.close()


@on_uvloop
async def test_answers_carry_what_a_client_needs_and_not_the_servers_make(wire: str) -> None:
    async with served(wire) as twin:
        status, headers, body = await one(twin, LAST)
        assert (status, body) == (200, OK)
        assert headers["cache-control"] == "no-store"
        assert headers["connection"] == "close"
        assert "date" in headers
        assert "server" not in headers


@on_uvloop
async def test_a_head_has_the_length_and_no_body(wire: str) -> None:
    async with served(wire) as twin:
        data = await twin.raw(request("HEAD", "/healthz", Connection="close"))
        assert data.startswith(b"HTTP/1.1 200 ")
        assert data.endswith(b"\r\n\r\n")
        assert f"content-length: {len(OK)}".encode() in data.lower()


@on_uvloop
async def test_http_1_0_is_answered_and_closed(wire: str) -> None:
    async with served(wire) as twin:
        assert (await one(twin, request("GET", "/healthz", version="1.0")))[2] == OK


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (request("GET", "/nothing", Connection="close"), {404}),
        (request("PUT", "/healthz", Connection="close"), {405}),
        (request("GET", "/v1/call/put", Connection="close"), {405}),
        (b"BREW /healthz HTTP/1.1\r\nHost: x\r\n\r\n", {400, 405}),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", {400}),
        (b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n", {400}),
        (b"GET /healthz HTTP/1.1\r\nno colon here\r\n\r\n", {400}),
        (request("POST", "/v1/call/put", b"x", Content_Length="1, 1", Connection="close"), {400}),
        (
            request("POST", "/v1/call/put", b"0\r\n\r\n", Content_Length="5", Transfer_Encoding="chunked"),
            {400},
        ),
        (request("POST", "/v1/call/put", b"zz\r\n", Transfer_Encoding="chunked"), {400}),
        (request("POST", "/v1/call/put", Content_Length="99999999"), {413}),
        (request("GET", "/healthz", Connection="close", X="x" * 40_000), {400, 431}),
        (
            request("GET", "/healthz", Connection="close", **MANY),
            {400, 431},
        ),
        (request("GET", "/" + "x" * 10_000, Connection="close"), {400, 414}),
        (request("POST", "/v1/call/put", b"{}", Expect="wonders", Connection="close"), {417}),
    ],
)
@on_uvloop
async def test_what_cannot_be_done_is_a_problem_and_the_twin_goes_on(
    wire: str, sent: bytes, statuses: set[int]
) -> None:
    async with served(wire) as twin:
        status, headers, body = await one(twin, sent)
        assert status in statuses
        assert headers["content-type"] == "application/problem+json"
        assert json.loads(body)["status"] == status
        assert status != 405 or "GET" in headers["allow"] or "POST" in headers["allow"]
        assert (await one(twin, LAST))[2] == OK


@on_uvloop
async def test_a_body_in_chunks_is_taken_up_to_the_limit(wire: str) -> None:
    async with served(wire, body_bytes=1000) as twin:
        small, large = (b"%x\r\n%b\r\n" % (size, b"x" * size) * 3 + b"0\r\n\r\n" for size in (100, 400))
        headers = {"Transfer_Encoding": "chunked", "Authorization": f"Bearer {twin.token}"}
        assert (await one(twin, request("POST", "/v1/call/put", small, Connection="close", **headers)))[
            0
        ] == 400
        assert (await one(twin, request("POST", "/v1/call/put", large, **headers)))[0] == 413


@on_uvloop
async def test_who_asks_whether_to_go_on_is_told_to(wire: str) -> None:
    async with served(wire) as twin:
        reader, writer = await asyncio.open_unix_connection(str(twin.machine.socket))
        writer.write(
            request("POST", "/v1/call/put", Content_Length="2", Expect="100-continue", Connection="close")
        )
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        assert (await reader.read()).startswith(b"HTTP/1.1 401 ")
        writer.close()


@on_uvloop
async def test_who_is_too_slow_is_sent_away(wire: str) -> None:
    async with served(wire, header_seconds=0.3, body_seconds=0.3, idle_seconds=0.6) as twin:
        nothing, head, body, idle = await asyncio.gather(
            twin.raw(b""),
            twin.raw(b"GET /healthz HT"),
            twin.raw(request("POST", "/v1/call/put", b"{", Content_Length="9")),
            twin.raw(GET),
        )
        assert nothing == b"" or nothing.startswith(b"HTTP/1.1 408 ")
        assert head.startswith(b"HTTP/1.1 408 ")
        assert body.startswith(b"HTTP/1.1 408 ")
        assert answers(idle)[0][2] == OK


@on_uvloop
async def test_a_twin_that_nobody_asked_for_long_answers_the_next(wire: str) -> None:
    async with served(wire, header_seconds=0.2, body_seconds=0.2, idle_seconds=0.2) as twin:
        for _ in range(2):
            assert (await one(twin, LAST))[2] == OK
            await asyncio.sleep(0.5)


@on_uvloop
async def test_more_connections_than_fit_are_told_to_come_back(wire: str) -> None:
    async with served(wire, connections=3) as twin:
        path = str(twin.machine.socket)
        held = [await asyncio.open_unix_connection(path) for _ in range(3)]
        for reader, writer in held:
            writer.write(GET)
            await reader.readuntil(OK)
        status, headers, _ = await one(twin, GET)
        assert (status, headers["retry-after"]) == (503, "1")
        for _, writer in held:
            writer.close()


@on_uvloop
async def test_an_answer_that_nobody_reads_ends_after_a_while(wire: str) -> None:
    async with served(wire, stall_seconds=0.3, idle_seconds=0.3) as twin:
        many = [{"id": f"o{n}", "body": {"text": "x" * 1000}} for n in range(1000)]
        await twin.call("put_many", slice="catalogue", objects=many)
        get = request("GET", "/v1/slices/catalogue/objects?limit=1000", Authorization=f"Bearer {twin.token}")
        _, writer = await asyncio.open_unix_connection(str(twin.machine.socket), limit=1000)
        writer.write(get)
        async with asyncio.timeout(20):
            while twin.wire.connections > 1:  # noqa: ASYNC110 - the wire has no event for it
                await asyncio.sleep(0.05)
        writer.close()


@on_uvloop
async def test_the_second_library_is_imported_only_when_asked_for(wire: str) -> None:
    code = "import sys, twins.runtime.serve; sys.exit('aiohttp' in sys.modules)"
    if wire == "fast":
        done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], check=False)
        assert done.returncode == 0
    else:
        async with served(wire) as twin, twin.live() as ws:
            await ws.send_json({"type": "subscribe", "id": "x", "slice": "catalogue"})
            assert (await until(ws, "applied"))[-1]["id"] == "x"


@on_uvloop
async def test_a_request_sent_again_with_another_body_is_that_other_request_however_it_is_cut(
    wire: str,
) -> None:
    async with served(wire) as twin:
        token, dice = f"Bearer {twin.token}", random.Random(4)
        tokens = [token, token, token, f"{token}x"]
        reader, writer = await asyncio.open_unix_connection(str(twin.machine.socket))
        waiting: list[tuple[int, int]] = []
        for number in range(150):
            body = json.dumps({"slice": "catalogue", "id": f"o{number:03}", "body": {}}).encode()
            chosen = dice.choice(tokens)
            if dice.random() < 0.2:
                # A body that ends as a head does, and as long as the others.
                body = b"\r\n\r\n".rjust(len(body))
            good = chosen == token and body.strip()
            sent = request("POST", "/v1/call/put", body, Authorization=chosen)
            waiting.append((number, 200 if good else 401 if chosen != token else 400))
            cut = dice.choice([0, 0, 0, 1, len(sent) - len(body), len(sent) - 3])
            for piece in (sent[:cut], sent[cut:]):
                writer.write(piece)
                await asyncio.sleep(0.0005 if cut else 0)
            if dice.random() < 0.7:
                await asyncio.sleep(0.001)
        writer.write(LAST)
        found = answers(await reader.read())
        writer.close()
        assert [status for status, _, _ in found[:-1]] == [status for _, status in waiting]
        held = set(await twin.objects())
        assert held == {f"o{number:03}" for number, status in waiting if status == 200}
