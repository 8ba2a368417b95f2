"""One HTTP request while it arrives, kept within its limits."""

from __future__ import annotations

import re
from functools import lru_cache

from httptools import HttpRequestParser

from twins.runtime.problems import Problem
from twins.runtime.server.wire import Limits, Request

LONGEST_TARGET = 8 * 1024
VERSIONS = ("1.0", "1.1")
METHOD = re.compile(rb"\s*[A-Z-]{1,20} /")


@lru_cache(512)
def _name(raw: bytes) -> str:
    return raw.decode("latin-1").lower()


class Message:
    """What the parser tells of one request; `problem` is why it is refused.

    Attributes:
        admitted: whether it may have a long body.
    """

    __slots__ = ("_body", "_limits", "_lines", "admitted", "headers", "problem", "size", "target")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.target = b""
        self.headers: dict[str, str] = {}
        self.admitted = False
        self._body: bytes | bytearray = b""
        self._lines = 0
        self.size = 0
        self.problem: Problem | None = None

    def add_target(self, piece: bytes) -> None:
        self.target += piece
        self.size += len(piece)
        if len(self.target) > LONGEST_TARGET:
            self.problem = Problem(
                414, "too-large", f"An address holds at most {LONGEST_TARGET:,} characters."
            )

    def add_header(self, raw: bytes, value: bytes) -> None:
        name, text = _name(raw), value.decode("latin-1")
        headers = self.headers
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
        self.add_line(raw, value)

    def add_line(self, raw: bytes, value: bytes) -> None:
        """Count a line; one of a trailer is no header (RFC 9110, section 6.5.1), but takes its room."""
        self.size += len(raw) + len(value) + 4
        self._lines += 1
        if self.size > self._limits.header_bytes or self._lines > self._limits.headers:
            self.problem = headers_too_large(self._limits)

    def check(self, version: str) -> None:
        """Look at the headers when they are complete."""
        headers = self.headers
        host = headers.get("host")
        if (version == "1.1" and host is None) or (host is not None and "," in host):
            self.problem = Problem(400, "bad-request", "A request names its `Host`, once.")
        if version not in VERSIONS:
            self.problem = Problem(505, "bad-request", "Use HTTP/1.1.")
        if headers.get("transfer-encoding", "chunked").lower() != "chunked":
            self.problem = Problem(501, "bad-request", "The only transfer coding is `chunked`.")
        if int(headers.get("content-length") or 0) > self._limits.body_bytes:
            self.problem = _body_too_large(self._limits)
        if headers.get("expect", "100-continue").lower() != "100-continue":
            self.problem = Problem(417, "bad-request", "The only expectation is `100-continue`.")

    @property
    def is_long(self) -> bool:
        """Whether it has, or announces, more of a body than a stranger may send."""
        most = self._limits.stranger_bytes
        return len(self._body) > most or int(self.headers.get("content-length") or 0) > most

    def add_body(self, piece: bytes) -> None:
        if not self._body:
            self._body = piece
            return
        if isinstance(self._body, bytes):
            self._body = bytearray(self._body)
        self._body += piece
        if len(self._body) > self._limits.body_bytes:
            self.problem = _body_too_large(self._limits)

    def request(self, parser: HttpRequestParser) -> Request:
        """The whole request, or what is there of it."""
        method: bytes = parser.get_method()
        return Request(method.decode(), self.target.decode("latin-1"), self.headers, bytes(self._body))


def headers_too_large(limits: Limits) -> Problem:
    """The refusal of a request whose headers do not end."""
    text = f"Headers hold at most {limits.header_bytes:,} bytes in {limits.headers} lines."
    return Problem(431, "too-large", text)


def unreadable() -> Problem:
    """The refusal of bytes that are no request."""
    return Problem(400, "bad-request", "This is not an HTTP request that can be read.")


def odd_method(data: bytes) -> Problem:
    """The refusal of data whose first word the parser takes for no method."""
    if METHOD.match(data) is None:
        return unreadable()
    return Problem(405, "method-not-allowed", "Use GET, HEAD or POST.", headers={"Allow": "GET, HEAD, POST"})


def _body_too_large(limits: Limits) -> Problem:
    return Problem(413, "too-large", f"A body holds at most {limits.body_bytes:,} bytes.")
