"""The router: ``/api/<slug>/…`` on the portal's address is the twin's own interface, passed on unchanged.

It holds no grant and no payload, adds no authority, and knows nothing but which socket belongs to which slug.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from django.conf import settings
from yarl import URL

from twins.host.paths import socket_of

Scope = dict[str, Any]
PATH = re.compile(r"/api/([a-z0-9](?:-?[a-z0-9]){0,39})(/.*)")
HOP_BY_HOP = {
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"te", b"trailer",
    b"transfer-encoding", b"upgrade", b"host", b"cookie", b"x-forwarded-for", b"x-forwarded-proto",
    b"x-forwarded-host", b"x-forwarded-prefix", b"forwarded", b"set-cookie",
}  # fmt: skip
# a twin's answer is data: on the portal's own origin no browser may run it or take it for something else
INERT = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; sandbox"),
]
HANDSHAKE = {
    b"sec-websocket-key",
    b"sec-websocket-version",
    b"sec-websocket-extensions",
    b"sec-websocket-protocol",
}
LARGEST_FRAME = 4 * 2**20
NO_TWIN, UNREACHABLE = 4404, 4502


async def gateway(scope: Scope, receive: Any, send: Any) -> None:
    """ASGI application for HTTP and WebSocket requests below ``/api/``."""
    path = _socket(scope)
    found = path is not None and path.exists()
    if scope["type"] == "websocket":
        await receive()
        if not found:
            await send({"type": "websocket.close", "code": NO_TWIN})
        else:
            await _websocket(scope, receive, send, str(path))
    elif not found:
        await _problem(send, 404, "no-such-twin", "No such twin")
    else:
        await _http_or_problem(scope, receive, send, str(path))


async def _http_or_problem(scope: Scope, receive: Any, send: Any, path: str) -> None:
    try:
        await _http(scope, receive, send, path)
    except aiohttp.ServerTimeoutError:
        await _problem(send, 504, "twin-too-slow", "The twin is too slow")
    except aiohttp.ClientError:
        await _problem(send, 502, "twin-unreachable", "The twin does not answer")


def _socket(scope: Scope) -> Path | None:
    """The socket of the twin that the path names; None for what cannot be one."""
    hit = PATH.fullmatch(_raw_path(scope))
    try:
        return socket_of(settings.MYCELIUM_HOME, hit[1]) if hit else None
    except ValueError:
        return None


def _raw_path(scope: Scope) -> str:
    """The path as it was sent, still percent-encoded: an encoded slash separates nothing."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.decode("latin-1")


def _session(path: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.UnixConnector(path),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, connect=10, sock_read=120),
        skip_auto_headers=("user-agent", "accept", "accept-encoding", "content-type"),
    )


async def _http(scope: Scope, receive: Any, send: Any, path: str) -> None:
    body = _body(receive) if _has_body(scope) else None
    async with (
        _session(path) as session,
        session.request(
            scope["method"],
            _target(scope),
            headers=_forwarded(scope, HOP_BY_HOP),
            data=body,
            allow_redirects=False,
        ) as answer,
    ):
        headers = [
            (name.lower(), value) for name, value in answer.raw_headers if name.lower() not in HOP_BY_HOP
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": [*headers, *INERT]})
        async for chunk in answer.content.iter_any():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _websocket(scope: Scope, receive: Any, send: Any, path: str) -> None:
    async with _session(path) as session:
        try:
            twin = await session.ws_connect(
                _target(scope),
                headers=_forwarded(scope, HOP_BY_HOP | HANDSHAKE),
                protocols=scope.get("subprotocols") or (),
                max_msg_size=LARGEST_FRAME,
                timeout=aiohttp.ClientWSTimeout(ws_close=2),
            )
        except aiohttp.WSServerHandshakeError as refusal:
            await send({"type": "websocket.close", "code": 4000 + refusal.status})
        except (aiohttp.ClientError, TimeoutError):
            await send({"type": "websocket.close", "code": UNREACHABLE})
        else:
            await _carry(twin, receive, send)


async def _carry(twin: aiohttp.ClientWebSocketResponse, receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept", "subprotocol": twin.protocol})
    down = asyncio.create_task(_down(twin, send))
    try:
        await _up(twin, receive)
    finally:
        down.cancel()
        await twin.close()


async def _down(twin: aiohttp.ClientWebSocketResponse, send: Any) -> None:
    async for message in twin:
        if message.type == aiohttp.WSMsgType.TEXT:
            await send({"type": "websocket.send", "text": message.data})
        elif message.type == aiohttp.WSMsgType.BINARY:
            await send({"type": "websocket.send", "bytes": message.data})
    code = twin.close_code or 1011
    relayed = code if code in (1000, 1001, 1008, 1009, 1011) or 3000 <= code < 5000 else 1011
    await send({"type": "websocket.close", "code": relayed})


async def _up(twin: aiohttp.ClientWebSocketResponse, receive: Any) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect" or twin.closed:
            return
        if message.get("text") is not None:
            await twin.send_str(message["text"])
        elif message.get("bytes") is not None:
            await twin.send_bytes(message["bytes"])


def _target(scope: Scope) -> URL:
    """The path below the twin, as it was sent."""
    tail = _raw_path(scope).split("/", 3)[3]
    query = scope["query_string"].decode("latin-1")
    return URL(f"http://twin/{tail}{'?' + query if query else ''}", encoded=True)


def _forwarded(scope: Scope, dropped: set[bytes]) -> list[tuple[str, str]]:
    """The caller's headers without what belongs to one hop, and without the portal's cookies."""
    kept = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in scope["headers"]
        if name not in dropped
    ]
    return [*kept, ("X-Forwarded-For", (scope.get("client") or ["-"])[0])]


def _has_body(scope: Scope) -> bool:
    return any(
        (name == b"content-length" and value != b"0") or name == b"transfer-encoding"
        for name, value in scope["headers"]
    )


async def _body(receive: Any) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body"):
            return


async def _problem(send: Any, status: int, kind: str, title: str) -> None:
    """An RFC 9457 problem of the router's own."""
    body = json.dumps(
        {"type": f"/problems/{kind}", "title": title, "status": status, "detail": f"{title}."}
    ).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
