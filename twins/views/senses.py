"""Owning what feeds the twin."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from portal.keyring import signer_for
from twins import access, mesh, queries
from twins.calls import taken
from twins.contexts import figure
from twins.forms import SenseForm
from twins.models import Twin


@require_http_methods(["GET", "POST"])
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """The senses with their last look; a form adds one or replaces the one of the same name."""
    twin = access.own_twin(request, slug)
    client = mesh.client(twin, signer_for(request))
    found = [
        {**row, "last_run": figure.instant(row.get("last_run"))} for row in client.get("/v1/senses")["senses"]
    ]
    names = [(row["name"], row["title"]) for row in client.get("/v1/slices")["slices"]]
    chosen = next((row for row in found if row["name"] == request.GET.get("edit")), None)
    form = SenseForm(request.POST or None, names=names, initial=_initial(chosen))
    if request.method == "POST" and form.is_valid() and taken(client, form, "set_sense", _sense(form)):
        messages.success(request, f"{form.cleaned_data['title']} feeds {twin.name} from now on.")
        return redirect("senses", slug)
    return render(
        request, "console/senses.html", _context(twin, found, form), status=422 if form.is_bound else 200
    )


@require_POST
def run(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """Let one sense look now."""
    twin = access.own_twin(request, slug)
    mesh.client(twin, signer_for(request)).call("run_sense", {"name": name})
    messages.info(request, f"{name} looks now.")
    return redirect("senses", slug)


@require_POST
def remove(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """Take one sense away; what it brought stays."""
    twin = access.own_twin(request, slug)
    mesh.client(twin, signer_for(request)).call("remove_sense", {"name": name})
    messages.success(request, f"{name} is gone.")
    return redirect("senses", slug)


def _sense(form: SenseForm) -> dict[str, Any]:
    data = form.cleaned_data
    target = {name: name for name in data["slices"]}
    sense = {"name": data["name"], "kind": "feed", "title": data["title"], "url": data["url"]}
    return {**sense, "target": target, "every": data["every"]}


def _initial(chosen: dict[str, Any] | None) -> dict[str, Any]:
    if chosen is None:
        return {}
    return {field: chosen.get(field) for field in ("name", "title", "url", "every")} | {
        "slices": list(chosen["target"])
    }


def _context(twin: Twin, found: list[dict[str, Any]], form: SenseForm) -> dict[str, Any]:
    crumbs = queries.crumbs(twin)
    return {"nav": "twins", "tab": "senses", "twin": twin, "crumbs": crumbs, "senses": found, "form": form}
