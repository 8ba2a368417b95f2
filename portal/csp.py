"""Security headers of every page: one constant policy, so no page can ask for an exception."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

# https://www.w3.org/TR/CSP3/; no nonce and no hash: pages carry neither inline scripts nor inline styles
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()"


Answer = Callable[[HttpRequest], HttpResponse]


def security_headers(get_response: Answer) -> Answer:
    """Middleware: sets Content-Security-Policy and Permissions-Policy; Django's own adds the others."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response["Content-Security-Policy"] = POLICY
        response["Permissions-Policy"] = PERMISSIONS
        return response

    return middleware
