"""Claiming a twin, as the claimant sees it."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal import limits
from twins import access, mesh, queries
from twins.contexts import casefile, figure
from twins.forms import AnswerForm, ClaimForm
from twins.models import Twin
from twins.services import claims


@require_http_methods(["GET", "POST"])
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """Who keeps the twin now, what claiming changes, and the first step."""
    twin, user = access.twin_or_404(slug), access.person(request)
    if claim := queries.open_claim(user, twin):
        return redirect(claim)
    form = ClaimForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        limits.take("claim", str(user.pk), most=20, window=3600)
        try:
            return redirect(claims.start(twin, user, **form.cleaned_data))
        except claims.NotClaimable as refusal:
            form.add_error(None, str(refusal))
    return render(request, "claims/start.html", _start(twin, form), status=422 if form.is_bound else 200)


@require_safe
def page(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One claim: its five steps, the proof, the timeline; live."""
    claim = access.own_claim(request, pk)
    context = casefile.context(claim) | {"nav": "twins", "live": f"/live/claims/{claim.pk}/"}
    return render(request, "claims/page.html", context | {"answer_form": AnswerForm()})


@require_POST
def check(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Look for the proof now."""
    claim = access.own_claim(request, pk)
    limits.take("proof", str(claim.pk), most=20, window=60)
    claims.check_proof(claim)
    return redirect(claim)


@require_POST
def withdraw(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Take the claim back."""
    claim = access.own_claim(request, pk)
    claims.withdraw(claim, access.person(request))
    return redirect(claim)


@require_POST
def answer(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Answer a curator who asked for more."""
    claim = access.own_claim(request, pk)
    form = AnswerForm(request.POST)
    if form.is_valid():
        claims.answer(claim, access.person(request), form.cleaned_data["text"])
        return redirect(claim)
    return render(request, "claims/page.html", casefile.context(claim) | {"answer_form": form}, status=422)


def _start(twin: Twin, form: ClaimForm) -> dict[str, Any]:
    about = mesh.about(twin)
    return {
        "nav": "explore",
        "twin": twin,
        "crumbs": queries.crumbs(twin),
        "form": form,
        "keeper": figure.keeper(twin),
        "readers": len(about["grants"]) if about else 0,  # type: ignore[arg-type]
        "changes": casefile.CHANGES,
    }
