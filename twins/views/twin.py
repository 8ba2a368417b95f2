"""The public face of a twin."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.models import User
from twins import access, mesh, queries
from twins.contexts import figure


@login_not_required
@require_safe
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """What feeds it, what it is, who may read it."""
    twin = access.twin_or_404(slug)
    about = mesh.about(twin)
    user = request.user if isinstance(request.user, User) else None
    owns = user is not None and twin.memberships.filter(user=user).exists()
    context = {
        "nav": "explore",
        "twin": twin,
        "crumbs": queries.crumbs(twin),
        "about": about,
        "senses": figure.senses(about),
        "grants": figure.grants(about),
        "slices": about["slices"] if about else [],
        "facts": figure.facts(twin, about),
        "keeper": figure.keeper(twin),
        "claim": queries.open_claim(user, twin) if user else None,
        "may_claim": twin.is_claimable,
        "may_request": about is not None and not owns,
        "is_owner": user is not None and access.may_open_console(user, twin),
    }
    return render(request, "twin/page.html", context)
