"""One request and its answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus

from twins.runtime.server.wire import Answer, Stream


@lru_cache(256)
def head_of(status: int, content_type: str) -> bytes:
    """The first lines of an answer, which nobody between may keep."""
    phrase = HTTPStatus(status).phrase
    return (
        f"HTTP/1.1 {status} {phrase}\r\nCache-Control: no-store\r\nContent-Type: {content_type}\r\n".encode()
    )


class Exchange:
    """One request and, once it was called with it, its answer."""

    __slots__ = ("_flush", "answer", "bare", "keep")

    def __init__(self, flush: Callable[[], None], keep: bool, bare: bool) -> None:
        self._flush = flush
        self.keep = keep
        self.bare = bare
        self.answer: Answer | Stream | None = None

    def __call__(self, answer: Answer | Stream) -> None:
        self.answer = answer
        self._flush()


def whole(answer: Answer, date: bytes, *, keep: bool, bare: bool) -> bytes:
    """A whole answer as it goes over the wire; a `bare` one has the length of its body and not the body."""
    head = head_of(answer.status, answer.content_type)
    more = b"" if keep else b"Connection: close\r\n"
    for name, value in answer.headers.items():
        more += f"{name}: {value}\r\n".encode("latin-1")
    body = b"" if bare else answer.body
    return b"%b%b%bContent-Length: %d\r\n\r\n%b" % (head, date, more, len(answer.body), body)
