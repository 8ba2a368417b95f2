"""Refusals and troubles that any view may meet, as pages: what happened, and what can be done."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from portal.keyring import KeyLocked
from portal.limits import TooMany
from portal.states import WrongState
from twins.runtime.client import TwinError, TwinUnreachable

Answer = Callable[[HttpRequest], HttpResponse]


class ProblemPages:
    """Middleware: turns the exceptions that services and twins raise into pages with the right status."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, KeyLocked):
            return _sign_in_again(request)
        if isinstance(error, TwinError):
            return _problem(request, error.status, f"The twin refused: {error.title.lower()}", error.detail)
        if isinstance(error, TwinUnreachable):
            return _problem(
                request, 503, "The twin does not answer", "Its process is being started. Try again shortly."
            )
        if isinstance(error, WrongState):
            return _problem(request, 409, "This was decided already", str(error))
        if isinstance(error, TooMany):
            answer = _problem(request, 429, "Too many attempts", str(error))
            answer["Retry-After"] = str(error.seconds)
            return answer
        return None


def _sign_in_again(request: HttpRequest) -> HttpResponse:
    messages.info(request, "Sign in again: this browser no longer carries your key.")
    after = request.get_full_path() if request.method == "GET" else "/"
    return redirect(f"{reverse('login')}?{urlencode({'next': after})}")


def _problem(request: HttpRequest, status: int, title: str, detail: str) -> HttpResponse:
    return render(request, "problem.html", {"heading": title, "detail": detail}, status=status)
