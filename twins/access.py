"""Who may open which page: the object, or 404 to strangers. What may be done there, the twin decides."""

from __future__ import annotations

import uuid

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404

from portal.models import User
from twins.models import Claim, Twin


def person(request: HttpRequest) -> User:
    """The signed-in person; pages without sign-in do not ask."""
    assert isinstance(request.user, User)
    return request.user


def twin_or_404(slug: str) -> Twin:
    """Any entered twin: the directory is public."""
    return get_object_or_404(Twin, slug=slug)


def own_twin(request: HttpRequest, slug: str) -> Twin:
    """A twin of the person's own, or a virtual one for a curator; else 404."""
    user = person(request)
    twin = get_object_or_404(Twin, slug=slug)
    if may_open_console(user, twin):
        return twin
    raise Http404


def may_open_console(user: User, twin: Twin) -> bool:
    """Owners and admins open their own twins' consoles, curators those of virtual twins."""
    kept = user.is_curator and twin.state == Twin.State.VIRTUAL
    return kept or twin.memberships.filter(user=user).exists()


def own_claim(request: HttpRequest, pk: uuid.UUID) -> Claim:
    """The person's own claim, or 404."""
    return get_object_or_404(
        Claim.objects.select_related("twin", "claimant", "operation"), pk=pk, claimant=person(request)
    )


def curator(request: HttpRequest) -> User:
    """The person, who must be a curator; else 403."""
    user = person(request)
    if not user.is_curator:
        raise PermissionDenied("This page is for curators.")
    return user


def operator(request: HttpRequest) -> User:
    """The person, who must be an operator; else 403."""
    user = person(request)
    if not user.is_operator:
        raise PermissionDenied("This page is for operators.")
    return user
