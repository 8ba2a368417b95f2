"""The page of a received slice. Complete without scripts; with them it is live."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from grants import access, received
from portal.keyring import signer_for
from twins.contexts import sheet
from twins.runtime.client import TwinError, TwinUnreachable

MOST_ROWS = 200


@require_safe
def page(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The slice as the target twin gives it now; or that it was revoked, or has ended."""
    grant = access.received_grant(request, pk)
    token = received.pass_for(grant, signer_for(request))
    context: dict[str, Any] = {"nav": "grants", "grant": grant, "live": f"/live/reads/{grant.pk}/"}
    try:
        found = received.objects(grant, token, MOST_ROWS)
    except TwinError as refusal:
        if refusal.status not in (401, 403):
            raise
        status, text = received.ending(grant)
        ended = {"status": status, "ended_text": text, "ended": True, "live": None}
        return render(request, "reads/page.html", context | ended | sheet.table([]))
    except TwinUnreachable:
        return render(request, "reads/page.html", context | {"status": "asleep"} | sheet.table([]))
    return render(request, "reads/page.html", context | {"status": "live"} | sheet.table(found))
