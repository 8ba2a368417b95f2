"""Pages of the portal itself."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@login_not_required
@require_safe
def patterns(request: HttpRequest) -> HttpResponse:
    """Every component and state of the pages, side by side."""
    return render(request, "patterns/index.html", {})
