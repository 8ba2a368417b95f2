"""Desks: where OpenFGA's interface is asked, over HTTP or in this process."""

from __future__ import annotations

import http.client
import json
from typing import Any, Protocol

from twins.runtime.authz.server import Server
from twins.runtime.server.wire import Answer, Request, Stream

Json = dict[str, Any]


class Desk(Protocol):
    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The status and the body of an answer."""


class Here:
    """Our own server, without a wire."""

    def __init__(self) -> None:
        self.server = Server()

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        answers: list[Answer | Stream] = []
        self.server.handle(Request(method, path, {}, content), answers.append)
        (answer,) = answers
        assert isinstance(answer, Answer)
        return answer.status, _parsed(answer.body)


class There:
    """A server on a port of this machine."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, content, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        return response.status, _parsed(response.read())

    def close(self) -> None:
        self._connection.close()


class Store:
    """One store of a desk."""

    def __init__(self, desk: Desk, document: Json | None = None) -> None:
        self.desk = desk
        self.id = desk.call("POST", "/stores", {"name": "world"})[1]["id"]
        self.model = ""
        if document is not None:
            status, told = self.post("authorization-models", document)
            assert status == 201, told
            self.model = told["authorization_model_id"]

    def post(self, verb: str, body: Any) -> tuple[int, Any]:
        return self.desk.call("POST", f"/stores/{self.id}/{verb}", body)

    def get(self, verb: str) -> tuple[int, Any]:
        return self.desk.call("GET", f"/stores/{self.id}/{verb}")

    def write(self, *keys: Json) -> tuple[int, Any]:
        return self.post("write", {"writes": {"tuple_keys": list(keys)}})


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except ValueError:
        return content.decode()
