"""A person's signing key, and how the portal may use it.

The portal acts towards a twin only with the key of the person who asks. That key is random, sealed under the
person's password, opened at sign-in and then carried by the browser alone, in a cookie sealed under the
portal's secret. The database at rest opens nothing, and neither does a stolen cookie.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from portal import sealing
from portal.models import User
from twins.runtime.client import KeySigner

COOKIE = "mycelium_key"


class KeyLocked(Exception):
    """The person is signed in, but this browser does not carry the key: they must sign in again."""


def open_sealed_key(user: User, password: str) -> bytes:
    """The person's key. Raises KeyLocked when the password does not fit."""
    try:
        return sealing.open_under_password(password, user.sealed_key, user.subject)
    except sealing.SealBroken:
        raise KeyLocked from None


def remember(response: HttpResponse, user: User, seed: bytes) -> None:
    """Let the browser carry the person's key until the session ends."""
    response.set_cookie(
        COOKIE,
        sealing.under_portal(seed, user.subject),
        max_age=settings.SESSION_COOKIE_AGE,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def forget(response: HttpResponse) -> None:
    """Take the key out of the browser."""
    response.delete_cookie(COOKIE, samesite="Lax")


def signer_of(user: User, cookies: Mapping[str, str]) -> KeySigner:
    """What signs for this person towards twins. Raises KeyLocked when the browser does not carry the key."""
    try:
        return KeySigner(user.subject, sealing.open_under_portal(cookies.get(COOKIE, ""), user.subject))
    except sealing.SealBroken:
        raise KeyLocked from None


def signer_for(request: HttpRequest) -> KeySigner:
    """As signer_of, for a view's request of a signed-in person."""
    assert isinstance(request.user, User)
    return signer_of(request.user, request.COOKIES)
