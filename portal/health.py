"""Whether this portal serves: what a load balancer, a container or a test waits for."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe


class Health:
    """What the process still waits for. A process that nobody declares to be starting serves."""

    def __init__(self) -> None:
        self._waits_for: str | None = None

    def starting(self, what: str) -> None:
        """From now on `/healthz` answers 503 and says what is going on."""
        self._waits_for = what

    def ready(self) -> None:
        """Everything serves."""
        self._waits_for = None

    def answer(self) -> tuple[int, dict[str, str]]:
        """HTTP status and body of `/healthz`."""
        what = self._waits_for
        return (200, {"status": "ok"}) if what is None else (503, {"status": "starting", "what": what})


health = Health()


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """`GET /healthz`: 200 `{"status": "ok"}`, or 503 `{"status": "starting", "what"}`."""
    status, body = health.answer()
    return JsonResponse(body, status=status)
