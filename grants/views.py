"""Asking for grants, deciding them, and the record that both sides see."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from grants import access, fga, queries, services
from grants.forms import AskForm, DecideForm, RevokeForm
from grants.models import Grant
from portal import limits
from portal.keyring import signer_for
from twins import mesh
from twins.access import own_twin, person, twin_or_404
from twins.contexts import sheet
from twins.queries import crumbs, mine
from twins.runtime.client import TwinClient

NEVER = [
    "Any other slice",
    "Its admins, grants and audit",
    "The sources that feed it",
    "Slices that come later",
]
SAMPLE = 5


@require_http_methods(["GET", "POST"])
def ask(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask a twin for one of its listed slices."""
    target, user = twin_or_404(slug), person(request)
    slices = mesh.client(target).about()["slices"]
    choices = [(row["name"], row["title"]) for row in slices]
    form = AskForm(request.POST or None, twins=mine(user).exclude(pk=target.pk), slices=choices)
    if request.method == "POST" and form.is_valid():
        limits.take("ask", str(user.pk), most=30, window=3600)
        data = form.cleaned_data
        try:
            return redirect(services.ask(target, data.pop("reader"), user, **data))
        except services.AlreadyOpen as refusal:
            form.add_error(None, str(refusal))
    context = {"nav": "explore", "twin": target, "crumbs": crumbs(target), "slices": slices}
    context["form"] = form if mine(user).exclude(pk=target.pk).exists() else None
    return render(request, "grants/request.html", context, status=422 if form.is_bound else 200)


@require_safe
def page(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One grant: the sentence, what would be seen, the tuple, the history."""
    grant, side = access.grant_and_side(request, pk)
    return render(request, "grants/page.html", _page(request, grant, side))


@require_http_methods(["GET", "POST"])
def decide(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The owner's side approves or declines a request."""
    grant, side = _owner_side(request, pk)
    if request.method == "GET":
        return redirect(grant)
    form = DecideForm(request.POST)
    if not form.is_valid():
        return render(request, "grants/page.html", _page(request, grant, side) | {"form": form}, status=422)
    data = form.cleaned_data
    if data["decision"] == "approve":
        services.approve(grant, person(request), signer_for(request), data["expires_at"])
        messages.success(request, f"{grant.reader.name} may read {grant.slice} from now on.")
    else:
        services.decline(grant, person(request), signer_for(request), data["reason"])
    return redirect(grant)


@require_http_methods(["GET", "POST"])
def revoke(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The owner's side ends a grant."""
    grant, side = _owner_side(request, pk)
    if request.method == "GET":
        return redirect(grant)
    form = RevokeForm(request.POST)
    if not form.is_valid():
        return render(
            request, "grants/page.html", _page(request, grant, side) | {"revoke_form": form}, status=422
        )
    services.revoke(grant, person(request), signer_for(request), form.cleaned_data["reason"])
    messages.success(
        request, f"Revoked {timezone.now():%H:%M:%S} UTC. {grant.reader.name} reads {grant.slice} no more."
    )
    return redirect(grant)


@require_POST
def confirm(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """A new owner keeps a grant that a curator wrote."""
    grant, _ = _owner_side(request, pk)
    services.confirm(grant, person(request), signer_for(request))
    messages.success(request, f"{grant.reader.name} keeps {grant.slice}.")
    return redirect("console-grants", grant.target.slug)


@require_POST
def withdraw(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The reader's side takes a request back."""
    services.withdraw(access.received_grant(request, pk), person(request))
    return redirect("grant", pk)


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Shared by me, shared with me."""
    user = person(request)
    given, received = list(queries.given(user)), list(queries.received(user))
    context = {
        "nav": "grants",
        "given": [grant for grant in given if grant.state == Grant.State.ACTIVE],
        "requests": [grant for grant in given if grant.state in queries.WAITING],
        "ended": [grant for grant in [*given, *received] if grant.state in Grant.LIFECYCLE.final],
        "received": [grant for grant in received if grant.state in Grant.LIFECYCLE.open],
    }
    return render(request, "grants/index.html", context)


@require_safe
def console(request: HttpRequest, slug: str) -> HttpResponse:
    """One twin's grants: requests, given, ended, and who can see each slice now, as the twin says."""
    twin = own_twin(request, slug)
    client = mesh.client(twin, signer_for(request))
    said = client.get("/v1/grants")["grants"]
    rows = list(queries.given_by(slug))
    pending = {row["grant_id"] for row in said if row.get("review") == "pending"}
    for grant in rows:
        grant.review = grant.grant_id in pending  # type: ignore[attr-defined]
    context = {
        "nav": "twins",
        "tab": "grants",
        "twin": twin,
        "crumbs": crumbs(twin),
        "requests": queries.requests_to(slug),
        "given": [grant for grant in rows if grant.state == Grant.State.ACTIVE],
        "ended": [grant for grant in rows if grant.state != Grant.State.ACTIVE],
        "sharing": _sharing(client, said),
    }
    return render(request, "console/grants.html", context)


def _owner_side(request: HttpRequest, pk: uuid.UUID) -> tuple[Grant, str]:
    grant, side = access.grant_and_side(request, pk)
    if side != "owner":
        raise PermissionDenied("Only the owner's side decides.")
    return grant, side


def _page(request: HttpRequest, grant: Grant, side: str) -> dict[str, Any]:
    context: dict[str, Any] = {
        "nav": "grants",
        "grant": grant,
        "side": side,
        "history": grant.notes.all(),
        "never": NEVER,
        "form": None,
        "revoke_form": None,
    }
    if side == "reader":
        return context
    signer = signer_for(request)
    context["tuple"], context["check"] = fga.evidence(grant, signer)
    context["sample"] = _sample(grant, mesh.client(grant.target, signer))
    if grant.state in queries.WAITING:
        end = timezone.now() + timedelta(days=min(grant.days, 365))
        context["form"] = DecideForm(initial={"expires_at": end})
    if grant.state == Grant.State.ACTIVE:
        context["revoke_form"] = RevokeForm()
    return context


def _sample(grant: Grant, client: TwinClient) -> dict[str, Any]:
    """The first objects exactly as the reader would get them, and how many there are."""
    slices = client.get("/v1/slices")["slices"]
    total = next((row["objects"] for row in slices if row["name"] == grant.slice), 0)
    found = client.objects(grant.slice, limit=SAMPLE)["objects"]
    return {"objects": found, "total": total, **sheet.table(found, most=None)}


def _sharing(client: TwinClient, said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    slices = client.get("/v1/slices")["slices"]
    active = [row for row in said if row["status"] == "active"]
    return [{"slice": row, "readers": [g for g in active if g["slice"] == row["name"]]} for row in slices]
