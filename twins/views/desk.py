"""The curators' desk."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from twins import access, mesh, queries
from twins.contexts import casefile, figure
from twins.forms import VerdictForm
from twins.models import Claim, DeskEntry
from twins.services import claims


@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    """The oldest waiting case, or an empty desk."""
    access.curator(request)
    first = queries.queue().filter(state=Claim.State.REVIEW).first() or queries.queue().first()
    return redirect("desk-case", first.pk) if first else render(request, "desk/claims.html", _desk(None))


@require_http_methods(["GET", "POST"])
def case(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One case: evidence, what approval changes, verdict with a reason."""
    curator = access.curator(request)
    claim = get_object_or_404(Claim.objects.select_related("twin", "claimant"), pk=pk)
    form = VerdictForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            claims.decide(claim, curator, data["verdict"], form.reason_text, data["note"])
        except claims.NotClaimable as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, f"{claim.twin.name}: {claim.get_state_display().lower()}.")
            return redirect("desk")
    return render(request, "desk/claims.html", _desk(claim, form), status=422 if form.is_bound else 200)


@require_safe
def log(request: HttpRequest) -> HttpResponse:
    """What curators did, newest first; nothing is ever taken out of it."""
    access.curator(request)
    rows = DeskEntry.objects.select_related("curator")[:200]
    entries = [
        {
            "at": row.at,
            "who": row.curator.name,
            "verb": row.verb,
            "object": row.object,
            "reason": row.reason,
            "before": row.before,
            "after": row.after,
        }
        for row in rows
    ]
    return render(request, "desk/log.html", {"nav": "desk", "entries": entries})


def _desk(claim: Claim | None, form: VerdictForm | None = None) -> dict[str, Any]:
    waiting = [
        {"claim": row, "current": claim is not None and row.pk == claim.pk, "proof_state": row.proof_state}
        for row in queries.queue()
    ]
    context: dict[str, Any] = {"nav": "desk", "queue": waiting, "claim": claim, "live": "/live/desk/"}
    if claim is None:
        return context
    rivals = claim.twin.claims.filter(state__in=Claim.LIFECYCLE.open).exclude(pk=claim.pk)
    about = mesh.about(claim.twin)
    return context | {
        "proof": casefile.proof(claim),
        "timeline": claim.notes.all(),
        "diff": _diff(claim, about),
        "conflicts": rivals.select_related("claimant"),
        "form": form,
        "decidable": claim.state == Claim.State.REVIEW,
    }


def _diff(claim: Claim, about: dict[str, object] | None) -> list[tuple[str, str, str]]:
    grants = str(len(about["grants"]) if about else 0)  # type: ignore[arg-type]
    return [
        ("Kept by", figure.keeper(claim.twin), f"{claim.claimant.name}, {claim.claimant.email}"),
        ("Key", str(about["kid"]) if about else "unknown", "a new key"),
        ("Grants written on behalf", grants, "0" if grants == "0" else "wait for the owner's review"),
    ]
