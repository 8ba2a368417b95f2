"""What the twin knows, slice by slice, and entering an object by hand."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.keyring import signer_for
from twins import access, mesh, queries
from twins.calls import taken
from twins.contexts import sheet
from twins.forms import ObjectForm
from twins.runtime.client import TwinClient

PER_PAGE = 50


@require_safe
def slices(request: HttpRequest, slug: str) -> HttpResponse:
    """The twin's slices."""
    twin = access.own_twin(request, slug)
    found = mesh.client(twin, signer_for(request)).get("/v1/slices")["slices"]
    context = {"nav": "twins", "tab": "memory", "twin": twin, "crumbs": queries.crumbs(twin), "slices": found}
    return render(request, "console/memory.html", context)


@require_http_methods(["GET", "POST"])
def one_slice(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """The objects of a slice; one of them opened for editing with ``?edit=``."""
    twin = access.own_twin(request, slug)
    client = mesh.client(twin, signer_for(request))
    form = ObjectForm(request.POST or None, initial=_initial(client, name, request.GET.get("edit", "")))
    if request.method == "POST" and form.is_valid() and _put(client, form, name):
        messages.success(request, f"{form.cleaned_data['id']} is stored.")
        return redirect("memory-slice", slug, name)
    known = client.get("/v1/slices")["slices"]
    page = client.objects(name, limit=PER_PAGE, after=request.GET.get("after") or None)
    context: dict[str, Any] = {
        "nav": "twins",
        "tab": "memory",
        "twin": twin,
        "crumbs": queries.crumbs(twin),
        "slices": known,
        "slice": next((row for row in known if row["name"] == name), {"name": name, "title": name}),
        "next": page["next"],
        "form": form,
        "edit": request.GET.get("edit", ""),
        **sheet.table(page["objects"]),
    }
    return render(request, "console/memory.html", context, status=422 if form.is_bound else 200)


@require_POST
def remove(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """Take one object out of the slice."""
    twin = access.own_twin(request, slug)
    number = request.POST.get("id", "")
    mesh.client(twin, signer_for(request)).call("delete", {"slice": name, "id": number})
    messages.success(request, f"{number} is gone.")
    return redirect("memory-slice", slug, name)


def _put(client: TwinClient, form: ObjectForm, name: str) -> bool:
    return taken(client, form, "put", {"slice": name, **form.cleaned_data})


def _initial(client: TwinClient, name: str, wanted: str) -> dict[str, Any]:
    if not wanted:
        return {"body": {}}
    found = client.object(name, wanted)
    return {"id": found["id"], "body": found["body"]}
