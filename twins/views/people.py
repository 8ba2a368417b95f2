"""Who acts for the twin."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from portal import limits
from portal.keyring import signer_for
from twins import access, mesh, queries
from twins.contexts import trail
from twins.forms import PersonForm
from twins.models import Twin
from twins.services import people


@require_http_methods(["GET", "POST"])
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """Owners and admins, as the twin itself names them; owners add others by their e-mail."""
    twin = access.own_twin(request, slug)
    form = PersonForm(request.POST or None)
    if request.method == "POST":
        limits.take("add-person", str(access.person(request).pk), most=30, window=3600)
        if form.is_valid():
            person, role = form.cleaned_data["email"], form.cleaned_data["role"]
            people.add(twin, signer_for(request), person, role)
            messages.success(request, f"{person.name} is {role} from now on.")
            return redirect("people", slug)
    status = 422 if form.is_bound else 200
    return render(request, "console/people.html", _context(request, twin, form), status=status)


@require_POST
def remove(request: HttpRequest, slug: str) -> HttpResponse:
    """Take a role from somebody."""
    twin = access.own_twin(request, slug)
    subject, role = request.POST.get("user", ""), request.POST.get("role", "")
    try:
        people.remove(twin, signer_for(request), subject, role)
    except mesh.TwinError as refusal:
        if refusal.status != 409:
            raise
        messages.error(request, refusal.detail)
    return redirect("people", slug)


def _context(request: HttpRequest, twin: Twin, form: PersonForm) -> dict[str, Any]:
    client = mesh.client(twin, signer_for(request))
    found, known = client.get("/v1/people")["people"], trail.names(client)
    return {
        "nav": "twins",
        "tab": "people",
        "twin": twin,
        "crumbs": queries.crumbs(twin),
        "people": [{**row, "by": known.get(row["by"], row["by"])} for row in found],
        "form": form if twin.state == Twin.State.CLAIMED else None,
    }
