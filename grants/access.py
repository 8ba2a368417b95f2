"""Who may open which grant's pages."""

from __future__ import annotations

import uuid

from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404

from grants.models import Grant
from portal.models import User
from twins.access import may_open_console, person

_WITH = ("target", "reader", "asked_by", "decided_by")


def grant_and_side(request: HttpRequest, pk: uuid.UUID) -> tuple[Grant, str]:
    """The grant, and whether the person stands on the ``owner`` or the ``reader`` side; 404 to all others."""
    grant = get_object_or_404(Grant.objects.select_related(*_WITH), pk=pk)
    user = person(request)
    if may_open_console(user, grant.target):
        return grant, "owner"
    if reads_for(user, grant):
        return grant, "reader"
    raise Http404


def received_grant(request: HttpRequest, pk: uuid.UUID) -> Grant:
    """A grant to one of the person's own twins, or 404."""
    grant = get_object_or_404(Grant.objects.select_related(*_WITH), pk=pk)
    if not reads_for(person(request), grant):
        raise Http404
    return grant


def reads_for(user: User, grant: Grant) -> bool:
    """Whether the person's twin is the reader. Whether they may act for it, that twin decides."""
    return grant.reader.memberships.filter(user=user).exists()
