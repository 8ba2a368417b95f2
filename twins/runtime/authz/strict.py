"""Strict: what a twin's own store asks of its model beyond OpenFGA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twins.runtime.authz.errors import Refused
from twins.runtime.authz.model import Model, has_wildcard
from twins.runtime.authz.validation import validate

CONDITION = "grant_window"
BOUNDS = ("not_before", "expires_at")
MOMENT = "current_time"


class ModelRefused(Exception):
    """The model cannot be a twin's."""


def model_of_twin(document: Mapping[str, Any]) -> Model:
    """A twin's own model: valid, open to nobody unnamed, and with no other condition than the grant's window.

    Raises:
        ModelRefused: it is otherwise.
    """
    try:
        model = Model(document)
        validate(model)
    except (Refused, ValueError) as error:
        raise ModelRefused(str(error)) from None
    for name, condition in model.conditions.items():
        window = condition.window
        if name != CONDITION or window is None or window.moment != MOMENT:
            raise ModelRefused(f"the only condition that a twin knows is {CONDITION}")
    relations = (relation for relations in model.types.values() for relation in relations.values())
    if any(has_wildcard(relation) for relation in relations):
        raise ModelRefused("a wildcard would open the twin to everybody")
    return model
