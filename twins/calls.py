"""Calls of a twin's reducers from forms."""

from __future__ import annotations

from typing import Any

from django.forms import Form

from twins.runtime.client import TwinClient, TwinError

NOT_FITTING = (400, 409, 422)


def taken(client: TwinClient, form: Form, reducer: str, arguments: dict[str, Any]) -> bool:
    """Call the reducer; when the twin says that the input does not fit, say so in the form."""
    try:
        client.call(reducer, arguments)
    except TwinError as refusal:
        if refusal.status not in NOT_FITTING:
            raise
        form.add_error(None, refusal.detail)
        return False
    return True
