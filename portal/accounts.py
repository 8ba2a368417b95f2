"""Sign up, sign in, sign out, and the page about yourself."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_safe

from portal import keyring, limits
from portal.forms import SignIn, SignUp
from portal.models import User
from portal.push import push, session_group


@method_decorator(login_not_required, name="dispatch")
class SignInPage(LoginView):
    """Ten attempts in five minutes for one address, and for one e-mail; then a pause."""

    template_name = "accounts/login.html"
    authentication_form = SignIn

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            limits.take("sign-in", limits.address_of(request), most=30, window=300)
            limits.take("sign-in", str(request.POST.get("username", "")).strip().lower(), most=10, window=300)
        except limits.TooMany as wait:
            form = self.get_form_class()(request)
            return render(request, self.template_name, {"form": form, "refused": str(wait)}, status=429)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        before = self.request.session.session_key
        response = super().form_valid(form)
        if before:
            push(session_group(before), "session.ended")
        user = self.request.user
        assert isinstance(user, User)
        keyring.remember(response, user, keyring.open_sealed_key(user, form.cleaned_data["password"]))
        return response


@method_decorator(login_not_required, name="dispatch")
class SignOutPage(LogoutView):
    template_name = "accounts/logged_out.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        key = request.session.session_key
        response = super().post(request, *args, **kwargs)
        keyring.forget(response)
        if key:
            push(session_group(key), "session.ended")
        return response


@login_not_required
@require_http_methods(["GET", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    """Make an account and go on where the newcomer was."""
    if request.method == "POST":
        try:
            limits.take("sign-up", limits.address_of(request), most=40, window=3600)
        except limits.TooMany as wait:
            refused = {"form": SignUp(), "refused": str(wait)}
            return render(request, "accounts/signup.html", refused, status=429)
    form = SignUp(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            return _welcome(request, form)
        except IntegrityError:  # the same form came twice: the account is there
            return redirect("login")
    status = 422 if form.is_bound else 200
    return render(request, "accounts/signup.html", {"form": form, "next": _next(request)}, status=status)


@require_safe
def account(request: HttpRequest) -> HttpResponse:
    """Who you are here, and the public half of your key as twins know it."""
    return render(request, "accounts/account.html", {})


def _welcome(request: HttpRequest, form: SignUp) -> HttpResponse:
    data = form.cleaned_data
    with transaction.atomic():
        user = User.objects.create_user(data["email"], data["password"], data["name"])
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    response = redirect(_next(request) or "/")
    keyring.remember(response, user, keyring.open_sealed_key(user, data["password"]))
    return response


def _next(request: HttpRequest) -> str:
    """Where to go on: only ever a page of this portal."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if safe else ""
