"""Is anything on fire: processes and operations. An operator cannot read a twin's memory."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from twins import access, mesh
from twins.host.client import HostError, HostUnreachable
from twins.models import Operation, Twin
from twins.operations import driver


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """What runs on this machine, and the latest operations."""
    access.operator(request)
    latest = [{"row": row, "steps": driver.steps_of(row)} for row in Operation.objects.all()[:20]]
    context = {"nav": "ops", "twins": _processes(), "operations": latest}
    return render(request, "ops/index.html", context)


@require_POST
def retry(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Go on with a failed operation at the step that failed."""
    access.operator(request)
    operation = get_object_or_404(Operation, pk=pk)
    driver.retry(operation)
    messages.info(request, f"{operation.key} goes on.")
    return redirect("ops")


def _processes() -> list[dict[str, Any]]:
    known = {twin.slug: twin for twin in Twin.objects.all()}
    try:
        rows = mesh.host().list()
    except (HostError, HostUnreachable):
        return []
    awake_first = sorted(rows, key=lambda row: (row["state"] != "awake", row["slug"]))
    return [{**row, "twin": known[row["slug"]]} for row in awake_first if row["slug"] in known]
