"""The owner's console: my twins, and one twin at a glance."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from portal.keyring import signer_for
from twins import access, mesh, queries
from twins.contexts import figure, trail
from twins.models import Claim


@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    """Twins that you own or administer, and claims under way."""
    user = access.person(request)
    own = queries.with_crumbs(list(queries.mine(user)))
    claims = user.claims.select_related("twin").filter(state__in=Claim.LIFECYCLE.open)
    return render(request, "console/mine.html", {"nav": "twins", "twins": own, "claims": claims})


@require_safe
def overview(request: HttpRequest, slug: str) -> HttpResponse:
    """Is my twin well, and what waits for me."""
    twin = access.own_twin(request, slug)
    client = mesh.client(twin, signer_for(request))
    about = client.about()
    log = client.get("/v1/log", {"limit": 10, "order": "desc"})
    grants = client.get("/v1/grants")["grants"]
    context = {
        "nav": "twins",
        "tab": "overview",
        "twin": twin,
        "crumbs": queries.crumbs(twin),
        "about": about,
        "senses": figure.senses(about),
        "grants": figure.grants(about),
        "facts": figure.facts(twin, about),
        "slices": client.get("/v1/slices")["slices"],
        "recent": trail.rows(log["records"], trail.names(client)),
        "waiting": _waiting(slug, grants, about),
    }
    return render(request, "console/overview.html", context)


def _waiting(slug: str, grants: list[dict[str, Any]], about: dict[str, Any]) -> list[dict[str, str]]:
    from grants.queries import requests_to

    rows = [
        {
            "title": "Grant request",
            "text": f"{ask.reader.name} asks for {ask.slice}",
            "url": ask.get_absolute_url(),
        }
        for ask in requests_to(slug)
    ]
    pending = sum(grant.get("review") == "pending" for grant in grants)
    if pending:
        text = f"{pending} written by a curator: keep or revoke"
        rows.append(
            {"title": "Grants to review", "text": text, "url": reverse("console-grants", args=[slug])}
        )
    for sense in about["senses"]:
        if sense.get("last_result", "ok").startswith("failed"):
            text = f"{sense['title']}: {sense['last_result']}"
            rows.append({"title": "A sense failed", "text": text, "url": reverse("senses", args=[slug])})
    return rows
