"""Addresses of the ledger's pages."""

from __future__ import annotations

from django.urls import path

from ledger import views

urlpatterns = [
    path("ledger/", views.index, name="ledger"),
    path("ledger/<slug:slug>/<slug:number>/", views.document, name="document"),
]
