"""What can go wrong between a client and a twin."""

from __future__ import annotations


class TwinError(Exception):
    """The twin answered with a problem (RFC 9457)."""

    def __init__(self, status: int, type: str, title: str, detail: str) -> None:  # noqa: A002 - RFC 9457's word
        super().__init__(f"{title}: {detail}")
        self.status = status
        self.type = type
        self.title = title
        self.detail = detail


class TwinUnreachable(Exception):
    """No answer came; whether a call was done is not known."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class LiveClosed(Exception):
    """The live connection ended, with the protocol's close code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason
