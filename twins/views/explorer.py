"""Find a twin; learn the shape of the field."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from twins import access, queries

PER_PAGE = 30


@login_not_required
@require_safe
def index(request: HttpRequest, slug: str = "") -> HttpResponse:
    """Search words and facets narrow the list; every state of it is a plain link."""
    branch = access.twin_or_404(slug) if slug else None
    q = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    chosen = {
        name: request.GET[name].replace("\x00", "")[:100] for name in queries.FACETS if request.GET.get(name)
    }
    base = reverse("branch", args=[slug]) if slug else reverse("explorer")
    found = queries.search(branch, q, chosen)
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    results = queries.with_crumbs(list(page.object_list))
    context = {
        "nav": "explore",
        "branch": branch,
        "crumbs": queries.crumbs(branch) if branch else [],
        "children": queries.children(branch),
        "facets": queries.facets(branch, q, chosen, base),
        "results": results,
        "page": page,
        "q": q,
        "total": page.paginator.count,
    }
    return render(request, "explorer/index.html", context)
