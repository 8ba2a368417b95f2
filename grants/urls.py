"""Addresses of grants and of received slices."""

from __future__ import annotations

from django.urls import include, path

from grants import reads, views

grant_urls = [
    path("", views.page, name="grant"),
    path("decide/", views.decide, name="grant-decide"),
    path("revoke/", views.revoke, name="grant-revoke"),
    path("confirm/", views.confirm, name="grant-confirm"),
    path("withdraw/", views.withdraw, name="grant-withdraw"),
]

urlpatterns = [
    path("t/<slug:slug>/request/", views.ask, name="grant-ask"),
    path("console/<slug:slug>/grants/", views.console, name="console-grants"),
    path("grants/", views.index, name="grants"),
    path("grants/<uuid:pk>/", include(grant_urls)),
    path("reads/<uuid:pk>/", reads.page, name="reads"),
]
