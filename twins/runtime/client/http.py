"""HTTP client of one twin, over its unix socket."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from twins.runtime.client.errors import TwinError, TwinUnreachable
from twins.runtime.client.signer import Signer, TokenSigner


class CallResult(NamedTuple):
    """What a reducer's call was answered."""

    seq: int
    result: Any


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("twin", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class TwinClient:
    """One connection for each request, so that an idle client keeps no twin awake.

    Args:
        socket_path: the twin's socket.
        twin_ulid: which twin is meant; tokens are signed for it.
        signer: who asks; None asks as a stranger.
        timeout: seconds for each step of a request.

    Every method raises TwinError for a refusal and TwinUnreachable when no answer came.
    """

    def __init__(
        self, socket_path: Path | str, twin_ulid: str, signer: Signer | None = None, timeout: float = 10.0
    ) -> None:
        self.socket_path = Path(socket_path)
        self.twin_ulid = twin_ulid
        self.signer = signer
        self.timeout = timeout

    def about(self) -> dict[str, Any]:
        """What the twin says of itself to anyone."""
        return self.get("/.well-known/mycelium.json")

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """GET a path of the protocol; members of the query that are None are left out."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        return self._request("GET", f"{path}?{urlencode(given)}" if given else path)

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """POST JSON to a path of the protocol."""
        return self._request("POST", path, body, headers)

    def call(self, reducer: str, args: Mapping[str, Any], idempotency_key: str | None = None) -> CallResult:
        """Call a reducer; with a key, a retry after TwinUnreachable does nothing twice."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else None
        answer = self.post(f"/v1/call/{quote(reducer, safe='')}", dict(args), headers)
        return CallResult(answer["seq"], answer["result"])

    def objects(self, slice: str, limit: int = 100, after: str | None = None) -> dict[str, Any]:  # noqa: A002
        """A page of a slice's objects."""
        return self.get(f"/v1/slices/{quote(slice, safe='')}/objects", {"limit": limit, "after": after})

    def object(self, slice: str, id: str) -> dict[str, Any]:  # noqa: A002 - the protocol's words
        """One object."""
        return self.get(f"/v1/slices/{quote(slice, safe='')}/objects/{quote(id, safe='')}")

    def _request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        sent = {"Accept": "application/json", "Connection": "close", **(headers or {})}
        if self.signer is not None:
            sent["Authorization"] = f"Bearer {self.signer.token(self.twin_ulid)}"
        data = None
        if body is not None:
            data, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        connection = _UnixConnection(self.socket_path, self.timeout)
        try:
            connection.request(method, path, data, sent)
            response = connection.getresponse()
            return _answer(response.status, response.read())
        except (OSError, http.client.HTTPException) as error:
            raise TwinUnreachable(f"The twin does not answer: {error or type(error).__name__}.") from error
        finally:
            connection.close()


def assert_as(client: TwinClient, audience_ulid: str) -> TokenSigner:
    """A signer that speaks for the client's twin at another twin, for the person who signs for the client."""
    return TokenSigner(client.post("/v1/assertions", {"audience": audience_ulid})["token"])


def _answer(status: int, body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        raise TwinUnreachable(f"Status {status} came without JSON.") from None
    if not isinstance(value, dict):
        raise TwinUnreachable(f"Status {status} came without an object.")
    if status >= 400:
        title = value.get("title") or value.get("code") or "refused"
        raise TwinError(
            status, value.get("type", "about:blank"), title, value.get("detail") or value.get("message", "")
        )
    return value
