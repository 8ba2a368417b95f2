"""Repeat: a request's head that a connection has sent before, byte for byte, and so need not be parsed again.

A client that calls many times sends the same head each time, but for the length of the body. Between two
messages a parser has no memory: the same bytes mean the same again.
"""

from __future__ import annotations

from twins.runtime.server.wire import Request

LONGEST_HEAD = 2048
_END = b"\r\n\r\n"


class Repeat:
    """A head and what it was read as; any body that follows has the same length."""

    __slots__ = ("_head", "_request", "_total")

    def __init__(self, head: bytes, request: Request) -> None:
        self._head = head
        self._request = request
        self._total = len(head) + len(request.body)

    def request(self, data: bytes) -> Request | None:
        """The request, if the data is exactly one with this head."""
        if len(data) != self._total or not data.startswith(self._head):
            return None
        first = self._request
        return Request(first.method, first.target, first.headers, data[len(self._head) :])


def learn(data: bytes, request: Request) -> Repeat | None:
    """What can be known again, of data that was one whole request and nothing else.

    Its head must end where every reader sees it end: at the first empty line, with no line that lacks a CR.
    """
    end = data.find(_END) + len(_END)
    head = data[:end]
    if (
        end + len(request.body) != len(data)
        or end > LONGEST_HEAD
        or "transfer-encoding" in request.headers
        or "expect" in request.headers
        or head.count(b"\n") != head.count(b"\r\n")
        or head[:1].isspace()
        or not head[: head.find(b"\r\n")].endswith(b" HTTP/1.1")
    ):
        return None
    return Repeat(head, request)
