"""Proving what happened in a twin."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from portal.keyring import signer_for
from twins import access, mesh, queries
from twins.contexts import quarters, trail
from twins.models import Twin
from twins.runtime.client import TwinClient

PER_PAGE = 50
COLUMNS = ("seq", "time", "kind", "caller", "reducer", "args", "effects", "error", "hash")


@require_safe
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """The log, newest first, by quarter and caller; ``?verify=1`` has the twin read its chain again."""
    twin = access.own_twin(request, slug)
    client = mesh.client(twin, signer_for(request), timeout=60.0)
    verified = client.get("/v1/verify") if request.GET.get("verify") else None
    return render(request, "console/audit.html", _context(request, twin, client) | {"verified": verified})


@require_safe
def export(request: HttpRequest, slug: str, form: str) -> StreamingHttpResponse:
    """The filtered log as a file, ``csv`` or ``jsonl``, asked of the twin page by page."""
    if form not in ("csv", "jsonl"):
        raise Http404
    twin = access.own_twin(request, slug)
    client = mesh.client(twin, signer_for(request))
    records = _all(client, _filters(request))
    lines = (
        _csv(records) if form == "csv" else (json.dumps(row, ensure_ascii=False) + "\n" for row in records)
    )
    kind = "text/csv" if form == "csv" else "application/jsonl"
    answer = StreamingHttpResponse(lines, content_type=f"{kind}; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{slug}-audit.{form}"'
    return answer


def _filters(request: HttpRequest) -> dict[str, Any]:
    """The protocol's filters from the page's. Raises BadRequest for a quarter that is none."""
    found: dict[str, Any] = {}
    if caller := request.GET.get("caller", "").strip():
        found["caller"] = caller[:100]
    if quarter := request.GET.get("quarter"):
        span = quarters.span(quarter)
        if span is None:
            raise BadRequest("Expected a quarter such as 2026-Q4.")
        found["since"], found["until"] = span
    return found


def _context(request: HttpRequest, twin: Twin, client: TwinClient) -> dict[str, Any]:
    filters = _filters(request)
    start = request.GET.get("from", "")
    where = {"from": start} if start.isdigit() else {}
    log = client.get("/v1/log", {"limit": PER_PAGE, "order": "desc", **filters, **where})
    known = trail.names(client)
    query = urlencode({key: request.GET[key] for key in ("quarter", "caller") if request.GET.get(key)})
    return {
        "nav": "twins",
        "tab": "audit",
        "twin": twin,
        "crumbs": queries.crumbs(twin),
        "records": trail.rows(log["records"], known),
        "head": log["head"],
        "next": log["next"],
        "query": query,
        "quarter": request.GET.get("quarter", ""),
        "caller": request.GET.get("caller", ""),
        "callers": sorted(known.items(), key=lambda pair: pair[1]),
        "quarters": quarters.recent(twin.created),
        "export_csv_url": f"{reverse('audit-export', args=[twin.slug, 'csv'])}?{query}",
        "export_jsonl_url": f"{reverse('audit-export', args=[twin.slug, 'jsonl'])}?{query}",
    }


def _all(client: TwinClient, filters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    where: dict[str, Any] = {}
    while True:
        page = client.get("/v1/log", {"limit": 500, **filters, **where})
        yield from page["records"]
        if page["next"] is None:
            return
        where = {"from": page["next"]}


def _csv(records: Iterator[dict[str, Any]]) -> Iterator[str]:
    yield _line(list(COLUMNS))
    for record in records:
        yield _line([_cell(record.get(name)) for name in COLUMNS])


def _line(cells: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()


def _cell(value: Any) -> str:
    """Text that no spreadsheet runs as a formula."""
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(tuple("=+-@\t\r")) and not text.lstrip("-").isdigit() else text
