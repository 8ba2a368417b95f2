"""Visits: one request to the stand-alone server, and how it is answered."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from twins.runtime.authz.errors import Refused, invalid
from twins.runtime.authz.faults import refuse
from twins.runtime.authz.model import Model
from twins.runtime.authz.questions import Questions
from twins.runtime.authz.requests import convert
from twins.runtime.authz.store import Store
from twins.runtime.server.wire import Answer, Request

JSON = "application/json"
T = TypeVar("T")
_encode = msgspec.json.Encoder().encode


class Visit:
    """One request as it is answered."""

    def __init__(self, known: dict[str, Store], request: Request, found: re.Match[str]) -> None:
        self.stores = known
        self.request = request
        self.store_id, self.verb, self.item = (part or "" for part in found.groups())
        self.model_id = ""

    def body(self, shape: type[T]) -> T:
        """The body, whose fields are right.

        Raises:
            Refused: they are not.
        """
        request: Any = convert(self.json(), shape)
        refuse(request.faults())
        return request  # type: ignore[no-any-return]

    def json(self) -> Any:
        """The body as values; nothing is an empty object.

        Raises:
            Refused: it is not JSON.
        """
        if not self.request.body:
            return {}
        try:
            value = msgspec.json.decode(self.request.body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise invalid(f"malformed JSON: {error}") from None
        if not isinstance(value, dict):
            raise invalid("syntax error: the body is not an object")
        return value

    @property
    def store(self) -> Store | None:
        """The store, if there is one of that id."""
        return self.stores.get(self.store_id)

    def model(self, named: str | None) -> Model:
        """The model that is named, or the store's latest.

        Raises:
            Refused: there is none.
        """
        store = self.store
        if not named:
            latest = store.latest if store is not None else None
            if latest is None:
                raise Refused(
                    "latest_authorization_model_not_found",
                    f"No authorization models found for store '{self.store_id}'",
                )
            self.model_id = latest.id
            return latest
        found = store.models.get(named) if store is not None else None
        if found is None:
            raise Refused("authorization_model_not_found", f"Authorization Model '{named}' not found")
        self.model_id = found.id
        return found

    def questions(self, named: str | None) -> Questions:
        """What can be asked of the model's tuples."""
        model = self.model(named)
        assert self.store is not None
        return Questions(model, self.store.tuples)


def answer(value: Any, status: int = 200) -> Answer:
    """A JSON answer."""
    return Answer(status, _encode(value), JSON)


def refusal(refused: Refused) -> Answer:
    """An error as the interface tells it."""
    return answer(refused.to_json(), refused.status)
