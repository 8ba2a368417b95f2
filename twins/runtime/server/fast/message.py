"""One HTTP request while it arrives, kept within its limits."""

from __future__ import annotations

from functools import lru_cache

from httptools import HttpRequestParser

from twins.runtime.problems import Problem
from twins.runtime.server.wire import Limits, Request

LONGEST_TARGET = 8 * 1024


@lru_cache(512)
def _name(raw: bytes) -> str:
    return raw.decode("latin-1").lower()


class Message:
    """What the parser tells of one request; `problem` is why it is refused."""

    __slots__ = ("_limits", "body", "headers", "problem", "size", "target")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.target = b""
        self.headers: dict[str, str] = {}
        self.body = b""
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
        self.size += len(raw) + len(value) + 4
        if self.size > self._limits.header_bytes or len(headers) > self._limits.headers:
            self.problem = headers_too_large(self._limits)

    def check(self, version: str) -> None:
        """Look at the headers when they are complete."""
        headers = self.headers
        if version == "1.1" and "host" not in headers:
            self.problem = Problem(400, "bad-request", "A request names its `Host`.")
        if int(headers.get("content-length") or 0) > self._limits.body_bytes:
            self.problem = _body_too_large(self._limits)
        if headers.get("expect", "100-continue").lower() != "100-continue":
            self.problem = Problem(417, "bad-request", "The only expectation is `100-continue`.")

    def add_body(self, piece: bytes) -> None:
        if len(self.body) + len(piece) > self._limits.body_bytes:
            self.problem = _body_too_large(self._limits)
        self.body = self.body + piece if self.body else piece

    def request(self, parser: HttpRequestParser) -> Request:
        """The whole request."""
        method: bytes = parser.get_method()
        return Request(method.decode(), self.target.decode("latin-1"), self.headers, self.body)


def headers_too_large(limits: Limits) -> Problem:
    """The refusal of a request whose headers do not end."""
    text = f"Headers hold at most {limits.header_bytes:,} bytes in {limits.headers} lines."
    return Problem(431, "too-large", text)


def unreadable() -> Problem:
    """The refusal of bytes that are no request."""
    return Problem(400, "bad-request", "This is not an HTTP request that can be read.")


def no_method() -> Problem:
    """The refusal of a method that nothing here has."""
    return Problem(405, "method-not-allowed", "Use GET, HEAD or POST.", headers={"Allow": "GET, HEAD, POST"})


def _body_too_large(limits: Limits) -> Problem:
    return Problem(413, "too-large", f"A body holds at most {limits.body_bytes:,} bytes.")
