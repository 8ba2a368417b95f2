"""All addresses of the portal, grouped by noun."""

from __future__ import annotations

from django.urls import include, path

from portal import accounts, health, views

account_urls = [
    path("login/", accounts.SignInPage.as_view(), name="login"),
    path("logout/", accounts.SignOutPage.as_view(), name="logout"),
    path("signup/", accounts.sign_up, name="signup"),
    path("", accounts.account, name="account"),
]

urlpatterns = [
    path("accounts/", include(account_urls)),
    path("healthz", health.healthz, name="healthz"),
    path("patterns/", views.patterns, name="patterns"),
    path("", include("twins.urls")),
    path("", include("grants.urls")),
    path("", include("ledger.urls")),
]
