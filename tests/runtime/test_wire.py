"""The wire: what a peer may do to a connection, and what it gets, the same on both implementations."""

from __future__ import annotations

import asyncio
import json
import os
import random
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.runtime.served import Served, answers, on_uvloop, request, served, until

pytestmark = pytest.mark.parametrize("wire", ["fast", "aiohttp"])
GET = request("GET", "/healthz")
LAST = request("GET", "/healthz", Connection="close")
MANY: dict[str, Any] = {f"X{n}": "x" for n in range(120)}
OK = b'{"status":"ok"}'
MALFORMED = int(os.environ.get("MYCELIUM_MALFORMED", "1"))


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


async def handshake(twin: Served) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """An open WebSocket as bare bytes, with headers as a browser sends them, after the hello."""
    reader, writer = await asyncio.open_unix_connection(str(twin.machine.socket))
    writer.write(
        request(
            "GET",
            "/v1/live",
            Authorization=f"Bearer {twin.token}",
            Connection="keep-alive, Upgrade",
            Upgrade="websocket",
            Sec_WebSocket_Version="13",
            Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
        )
    )
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    assert head.startswith(b"http/1.1 101 ")
    assert b"sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=" in head
    assert (await frame_of(reader))[0] == 1
    return reader, writer


def frame(kind: int, payload: bytes, *, last: bool = True, masked: bool = True, flags: int = 0) -> bytes:
    """A WebSocket frame as a client sends it (RFC 6455 section 5.2)."""
    size = len(payload)
    length = bytes([size]) if size < 126 else struct.pack("!BH", 126, size)
    if size > 65535:
        length = struct.pack("!BQ", 127, size)
    if masked:
        length = bytes([length[0] | 0x80]) + length[1:]
    return bytes([(0x80 if last else 0) | flags | kind]) + length + (b"\0\0\0\0" if masked else b"") + payload


async def frame_of(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The kind and the payload of the next frame from the twin."""
    first, size = await reader.readexactly(2)
    if size == 126:
        (size,) = struct.unpack("!H", await reader.readexactly(2))
    elif size == 127:
        (size,) = struct.unpack("!Q", await reader.readexactly(8))
    return first & 0xF, await reader.readexactly(size)


SUBSCRIBE = b'{"type":"subscribe","id":"x","slice":"catalogue"}'


@on_uvloop
async def test_a_message_in_pieces_with_a_ping_between_is_one_message(wire: str) -> None:
    async with served(wire) as twin:
        reader, writer = await handshake(twin)
        writer.write(frame(1, SUBSCRIBE[:10], last=False) + frame(9, b"you?") + frame(0, SUBSCRIBE[10:]))
        assert await frame_of(reader) == (10, b"you?")
        assert json.loads((await frame_of(reader))[1])["type"] == "applied"
        writer.write(frame(8, struct.pack("!H", 1000)))
        assert (await frame_of(reader))[0] == 8
        assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize(
    ("sent", "codes"),
    [
        (frame(1, b"{}", masked=False), {1002, 4400}),
        (frame(1, b"{}", flags=0x40), {1002}),
        (frame(3, b""), {1002}),
        (frame(9, b"x", last=False), {1002}),
        (frame(0, b"x"), {1002}),
        (frame(1, b"x", last=False) + frame(1, b"x"), {1002}),
        (frame(2, b"{}"), {4400}),
        (frame(1, b"\xff"), {1007, 4400}),
        (frame(1, b"x" * 3000), {1009}),
        (frame(1, b"x" * 900, last=False) + frame(0, b"x" * 900), {1009}),
        (frame(1, b"["), {4400}),
    ],
)
@on_uvloop
async def test_frames_that_break_the_rules_close_with_their_code(
    wire: str, sent: bytes, codes: set[int]
) -> None:
    async with served(wire, message_bytes=1000) as twin:
        reader, writer = await handshake(twin)
        writer.write(sent)
        kind, payload = await frame_of(reader)
        assert kind == 8
        assert struct.unpack("!H", payload[:2])[0] in codes
        writer.close()


@on_uvloop
async def test_an_upgrade_without_a_token_or_elsewhere_is_refused(wire: str) -> None:
    async with served(wire) as twin:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await twin.session.ws_connect("http://twin/v1/live")
        assert refused.value.status == 401
        with pytest.raises(aiohttp.WSServerHandshakeError) as nowhere:
            await twin.session.ws_connect("http://twin/healthz", headers=twin.headers)
        assert nowhere.value.status == 404
        plain = request("GET", "/v1/live", Authorization=f"Bearer {twin.token}", Connection="close")
        assert (await one(twin, plain))[0] == 426


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def damaged(chance: random.Random, whole: bytes) -> bytes:
    """The bytes with some of them changed, cut, doubled or put elsewhere."""
    data = bytearray(whole)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data) or 1)
        match chance.randrange(4):
            case 0:
                data[at : at + 1] = chance.randbytes(1)
            case 1:
                del data[at : at + chance.randint(1, 8)]
            case 2:
                data[at:at] = chance.randbytes(chance.randint(1, 8))
            case _:
                data[at:at] = data[chance.randrange(len(data) or 1) :][: chance.randint(1, 40)]
    return bytes(data)


@on_uvloop
async def test_thousands_of_damaged_requests_and_frames_leave_nothing_behind(wire: str) -> None:
    chance = random.Random(3)
    per_wire = MALFORMED * (8600 if wire == "fast" else 1400)
    statuses: set[int] = set()

    async def http(twin: Served) -> None:
        body = json.dumps({"slice": "catalogue", "id": "a", "body": {}}).encode()
        whole = request("POST", "/v1/call/put", body, Authorization="Bearer x.y.z", Connection="close")
        reader, writer = await asyncio.open_unix_connection(str(twin.machine.socket))
        writer.write(damaged(chance, whole) * 2)
        writer.write_eof()
        got = await reader.read()
        if got:
            statuses.add(int(got.split()[1]))
        writer.close()

    async def frames(twin: Served) -> None:
        reader, writer = await handshake(twin)
        for _ in range(4):
            writer.write(damaged(chance, frame(1, SUBSCRIBE)))
        writer.write_eof()
        await reader.read()
        writer.close()

    async with served(wire, header_seconds=2.0, body_seconds=2.0) as twin:
        before = descriptors()
        for _ in range(per_wire // 40):
            await asyncio.gather(*(http(twin) for _ in range(36)), *(frames(twin) for _ in range(4)))
        assert (await one(twin, LAST))[2] == OK
        async with asyncio.timeout(20):
            while descriptors() > before:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert await twin.objects() == {}
    assert statuses <= {400, 401, 404, 405, 408, 413, 414, 417, 426, 431}
    # The second library does not answer who has said that no more will come.
    assert wire != "fast" or {400, 401} <= statuses


@on_uvloop
async def test_the_second_library_is_imported_only_when_asked_for(wire: str) -> None:
    code = "import sys, twins.runtime.serve; sys.exit('aiohttp' in sys.modules)"
    if wire == "fast":
        done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], check=False)
        assert done.returncode == 0
    else:
        async with served(wire) as twin, twin.live() as ws:
            await ws.send_str(SUBSCRIBE.decode())
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
