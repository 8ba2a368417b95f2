"""Problems: what a caller is told when something is refused (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TITLES = {
    "bad-request": "The request cannot be read",
    "unauthorized": "A valid token is needed",
    "forbidden": "Not allowed",
    "grant-required": "A grant is needed",
    "grant-revoked": "The grant was revoked",
    "grant-expired": "The grant has expired",
    "grant-suspended": "The grant is suspended",
    "grant-surrendered": "The grant was given back",
    "grant-not-yet-active": "The grant has not begun",
    "verb-not-granted": "The grant does not allow this",
    "twin-locked": "The twin is locked",
    "approval-required": "More approval is needed",
    "quota-exceeded": "Too many open requests",
    "not-found": "Not found",
    "unknown-reducer": "No such reducer",
    "method-not-allowed": "This method is not offered here",
    "too-large": "The request is too large",
    "invalid-arguments": "The arguments do not fit",
    "schema": "The object does not fit its kind",
    "invalid-query": "The query cannot be understood",
    "query-too-wide": "The query would look at too much",
    "budget": "The twin is full",
    "idempotency-key-reused": "The idempotency key was used for another call",
    "conflict": "It does not fit what is there",
    "too-slow": "The request took too long",
    "too-many": "Too many requests",
    "upgrade-required": "This address speaks another protocol",
    "internal": "The twin could not do this",
    "log-damaged": "The twin's log is damaged, so it takes no writes",
    "disk-failed": "The twin's disk failed",
    "moved": "The twin is kept elsewhere",
}


class Problem(Exception):
    """A refusal with its HTTP status; `kind` is the last part of the problem's type URI.

    `headers` go with it where it is an HTTP answer; `members` are further ones of the problem itself.
    """

    def __init__(
        self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None, **members: str
    ) -> None:
        super().__init__(detail)
        self.headers = headers or {}
        self.status = status
        self.kind = kind
        self.detail = detail
        self.members = members

    @property
    def type(self) -> str:
        return f"/problems/{self.kind}"

    @property
    def title(self) -> str:
        return TITLES[self.kind]

    @property
    def denied(self) -> bool:
        """Whether the caller lacked the right, as opposed to asking for something impossible."""
        return self.status in (401, 403)

    def to_json(self) -> dict[str, Any]:
        """The members of `application/problem+json`."""
        return {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }


def unauthorized() -> Problem:
    """The one answer to every token that does not hold."""
    return Problem(401, "unauthorized", "Send a token of a caller that this twin knows.")


def forbidden() -> Problem:
    """The one answer to people and agents without the right."""
    return Problem(403, "forbidden", "You have no right to do this here.")


def grant_required() -> Problem:
    """The one answer to twins without a grant."""
    return Problem(403, "grant-required", "Ask this twin for a grant.")


def not_found(what: str) -> Problem:
    return Problem(404, "not-found", f"There is no {what} here.")


def invalid(detail: str) -> Problem:
    """Arguments that do not fit; the detail names the argument."""
    return Problem(422, "invalid-arguments", detail)


def conflict(detail: str) -> Problem:
    return Problem(409, "conflict", detail)
