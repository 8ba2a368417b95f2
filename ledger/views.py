"""Inbox and outbox of the person's twins, and writing a message."""

from __future__ import annotations

import secrets
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from ledger import queries, services
from ledger.forms import MessageForm
from portal import limits
from portal.keyring import signer_for
from twins import access, mesh
from twins.models import Twin
from twins.queries import mine


@require_http_methods(["GET", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    """What came and what went, for all twins of the person."""
    ledger, own = _ledger(), mine(access.person(request))
    others = Twin.objects.filter(state=Twin.State.CLAIMED).exclude(pk__in=own).exclude(pk=ledger.pk)
    form = MessageForm(request.POST or None, mine=own, others=others, initial={"once": secrets.token_hex(8)})
    if request.method == "POST" and form.is_valid():
        limits.take("publish", str(access.person(request).pk), most=60, window=3600)
        data = form.cleaned_data
        content = {"subject": data["subject"], "text": data["text"]}
        signer, once = signer_for(request), data["once"]
        services.publish(ledger, data["sender"], signer, data["recipient"], content, once=once)
        messages.success(request, f"Published to {data['recipient'].name}.")
        return redirect("ledger")
    rows = [row for twin in own for row in _rows(ledger, twin, request)]
    context = {
        "nav": "ledger",
        "form": form if own else None,
        "inbox": [row for row in rows if row["box"] == "in"],
        "outbox": [row for row in rows if row["box"] == "out"],
    }
    return render(request, "ledger/index.html", context, status=422 if form.is_bound else 200)


@require_safe
def document(request: HttpRequest, slug: str, number: str) -> HttpResponse:
    """One document of one of the person's twins."""
    twin = access.own_twin(request, slug)
    found = queries.document(_ledger(), twin, signer_for(request), number)
    return render(request, "ledger/document.html", {"nav": "ledger", "twin": twin, "document": found})


def _ledger() -> Twin:
    ledger = queries.the_ledger()
    if ledger is None:
        raise Http404("This mesh has no ledger.")
    return ledger


def _rows(ledger: Twin, twin: Twin, request: HttpRequest) -> list[dict[str, Any]]:
    """The twin's documents; none for a twin that takes no part."""
    try:
        found = queries.documents(ledger, twin, signer_for(request))
    except mesh.TwinError:
        return []
    return [
        {
            **row,
            "subject": row["content"]["subject"],
            "box": "out" if row["from"] == twin.subject else "in",
            "url": reverse("document", args=[twin.slug, row["id"]]),
        }
        for row in found
    ]
