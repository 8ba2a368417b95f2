"""Requests that ask to go on in another protocol (RFC 9110, section 7.8)."""

from __future__ import annotations

import re

from twins.runtime.problems import Problem
from twins.runtime.server.wire import Request

VERSION = "13"
# 16 bytes in base64 (RFC 6455, section 4.1).
KEY = re.compile(r"[A-Za-z0-9+/]{21}[AQgw]==")


def misfit(request: Request) -> Problem | None:
    """Why this is no handshake of a WebSocket (RFC 6455, section 4.2), or None."""
    if request.headers.get("sec-websocket-version") != VERSION:
        told = {"Sec-WebSocket-Version": VERSION}
        return Problem(426, "upgrade-required", f"Use version {VERSION} of the protocol.", headers=told)
    if not KEY.fullmatch(request.headers.get("sec-websocket-key", "").strip()):
        return Problem(400, "bad-request", "`Sec-WebSocket-Key` must be 16 bytes in base64.")
    return None


def plain_head(request: Request) -> bytes:
    """The head of the same request without the wish, to be read again: the parser passes by the body of one
    that wishes.
    """
    headers = {name: value for name, value in request.headers.items() if name != "upgrade"}
    hops = [hop.strip() for hop in headers.pop("connection", "").split(",")]
    kept = [hop for hop in hops if hop.lower() in ("close", "keep-alive")]
    headers |= {"connection": ", ".join(kept)} if kept else {}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{request.method} {request.target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")
