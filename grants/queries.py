"""Reading grants."""

from __future__ import annotations

from django.db.models import QuerySet

from grants.models import Grant
from portal.models import User

WAITING = (Grant.State.REQUESTED, Grant.State.APPROVING)
_WITH = ("target", "reader", "asked_by", "decided_by")


def requests_to(slug: str) -> QuerySet[Grant]:
    """Requests that wait for the twin's decision."""
    return Grant.objects.select_related(*_WITH).filter(target__slug=slug, state__in=WAITING)


def given_by(slug: str) -> QuerySet[Grant]:
    """Grants of the twin, in force or ended."""
    return Grant.objects.select_related(*_WITH).filter(target__slug=slug).exclude(state__in=WAITING)


def given(user: User) -> QuerySet[Grant]:
    """Everything asked of the person's twins; for curators also of the virtual ones."""
    rows = Grant.objects.select_related(*_WITH)
    own = rows.filter(target__memberships__user=user)
    return (own | rows.filter(target__state="virtual")).distinct() if user.is_curator else own.distinct()


def received(user: User) -> QuerySet[Grant]:
    """Everything that the person's twins asked for."""
    return Grant.objects.select_related(*_WITH).filter(reader__memberships__user=user).distinct()
