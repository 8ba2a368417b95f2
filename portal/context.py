"""What every page's frame needs to know."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from portal.models import User


def frame(request: HttpRequest) -> dict[str, Any]:
    """Whether the person is a curator or an operator, and how much waits at the desk."""
    user = request.user
    if not isinstance(user, User):
        return {"is_curator": False, "is_operator": False, "desk_waiting": 0}
    from twins.queries import queue

    waiting = queue().count() if user.is_curator else 0
    return {"is_curator": user.is_curator, "is_operator": user.is_operator, "desk_waiting": waiting}
