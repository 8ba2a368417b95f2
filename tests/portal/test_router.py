"""The router and the live sockets of a running portal, as strangers and partner systems meet them."""

from __future__ import annotations

import asyncio
import http.client
import json
import urllib.request
import uuid
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.portalprocess import PortalProcess

pytestmark = pytest.mark.usefixtures("running")


def ask(
    portal: PortalProcess, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, bytes, str]:
    """Status, body and content type of one request, with the path exactly as it is written."""
    connection = http.client.HTTPConnection(urlsplit(portal.url).netloc, timeout=20)
    connection.request(method, path, body or None, headers)
    answer = connection.getresponse()
    found = answer.status, answer.read(), answer.headers.get("content-type", "")
    connection.close()
    return found


def test_a_twin_answers_through_the_router_as_on_its_own_socket(running: PortalProcess) -> None:
    status, body, _ = ask(running, "GET", "/api/csp/.well-known/mycelium.json")
    assert status == 200
    assert json.loads(body)["slug"] == "csp"


def test_on_the_portals_origin_a_twins_answer_is_inert(running: PortalProcess) -> None:
    with urllib.request.urlopen(f"{running.url}/api/csp/.well-known/mycelium.json") as answer:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/nobody/healthz",
        "/api/CSP/healthz",
        "/api/../host/healthz",
        "/api/%2e%2e/healthz",
        "/api/csp%2f..%2fhost/healthz",
        "/api/csp",
        "/api//healthz",
        "/api/host/healthz",
    ],
)
def test_no_path_reaches_anything_but_a_twin(running: PortalProcess, path: str) -> None:
    status, body, kind = ask(running, "GET", path)
    assert status in (404, 502)
    assert kind.startswith("application/problem+json")
    assert json.loads(body)["status"] == status


def test_without_a_token_every_answer_is_the_same(running: PortalProcess) -> None:
    paths = ["/v1/log", "/v1/slices", "/v1/slices/margins/objects", "/v1/slices/none/objects", "/v1/people"]
    answers = {ask(running, "GET", f"/api/csp{path}")[:2] for path in paths}
    assert len(answers) == 1
    assert answers.pop()[0] == 401


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"a":' * 2000])
def test_bad_bodies_are_problems_and_no_traces(running: PortalProcess, body: bytes) -> None:
    status, answer, kind = ask(running, "POST", "/api/csp/v1/call/put", body)
    assert 400 <= status < 500
    assert kind.startswith("application/problem+json")
    assert b"Traceback" not in answer


def test_a_body_beyond_the_limit_is_refused(running: PortalProcess) -> None:
    assert ask(running, "POST", "/api/csp/v1/call/put", b"x" * (13 * 2**20))[0] == 413


@pytest.mark.parametrize(
    ("path", "origin", "code"),
    [
        (f"/live/reads/{uuid.UUID(int=1)}/", None, 4401),
        (f"/live/claims/{uuid.UUID(int=1)}/", None, 4401),
        ("/live/desk/", None, 4401),
        ("/live/desk/", "https://evil.example", 403),
        ("/live/nothing/", None, 403),
        ("/api/csp/v1/live", None, 403),
        ("/api/nobody/v1/live", None, 403),
    ],
)
def test_a_stranger_gets_nothing_over_a_socket(
    running: PortalProcess, path: str, origin: str | None, code: int
) -> None:
    assert asyncio.run(_closing(running.url, path, origin or running.url)) == code


async def _closing(url: str, path: str, origin: str) -> int:
    """The close code of a socket that a stranger opens; the status when it is not even opened."""
    async with aiohttp.ClientSession() as session:
        try:
            async with session.ws_connect(url + path, headers={"Origin": origin}) as socket:
                message = await socket.receive(timeout=10)
                assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
                return int(socket.close_code or 0)
        except aiohttp.WSServerHandshakeError as refusal:
            return refusal.status
