"""Every page: who gets in, which methods it takes, which headers it sends."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.cast import Cast, browser_of

PUBLIC = {
    "/",
    "/explore/<slug:slug>/",
    "/t/<slug:slug>/",
    "/healthz",
    "/patterns/",
    "/accounts/login/",
    "/accounts/signup/",
}


def _routes(resolver: URLResolver, prefix: str = "/") -> list[str]:
    found = []
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern)
        found += _routes(entry, route) if isinstance(entry, URLResolver) else [route]
        assert isinstance(entry, URLPattern | URLResolver)
    return found


ROUTES = sorted(set(_routes(get_resolver())))


def _address(route: str) -> str:
    pk = str(uuid.UUID(int=7))
    return (
        route.replace("<uuid:pk>", pk)
        .replace("<slug:slug>", "nobody")
        .replace("<slug:name>", "nothing")
        .replace("<slug:form>", "csv")
        .replace("<slug:number>", "nothing")
    )


@pytest.mark.parametrize("route", [route for route in ROUTES if route not in PUBLIC])
def test_a_stranger_is_sent_to_sign_in(db: None, route: str) -> None:
    answer = Client().get(_address(route))
    assert answer.status_code in (302, 405)
    if answer.status_code == 302:
        assert answer["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("route", [route for route in ROUTES if "<" in route])
def test_what_is_not_there_is_a_404_for_everybody(cast: Cast, route: str) -> None:
    answer = browser_of(cast.eve).get(_address(route))
    assert answer.status_code in (403, 404, 405), route


@pytest.mark.parametrize("address", ["/desk/", "/desk/log/", "/ops/"])
def test_the_desk_and_operations_are_not_for_everybody(cast: Cast, address: str) -> None:
    assert browser_of(cast.eve).get(address).status_code == 403


def test_every_page_sends_the_strict_policy(db: None) -> None:
    policy = Client().get("/").headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "nonce" not in policy


def test_a_post_without_its_token_is_refused(cast: Cast) -> None:
    browser = Client(enforce_csrf_checks=True)
    assert browser.post("/accounts/login/", {"username": cast.ana.email}).status_code == 403
