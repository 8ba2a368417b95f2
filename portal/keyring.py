"""A person's signing key, and how the portal may use it.

The portal acts towards a twin only with the key of the person who asks. That key is random, sealed under the
person's password (scrypt, AES-256-GCM), opened at sign-in and then carried by the browser alone, in a
cookie sealed under the portal's secret. The database at rest opens nothing, and neither does a stolen cookie.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from portal.models import User
from twins.runtime.client import KeySigner, generate_key, public_x

COOKIE = "mycelium_key"
_SALT, _NONCE = 16, 12


class KeyLocked(Exception):
    """The person is signed in, but this browser does not carry the key: they must sign in again."""


def new_sealed_key(subject: str, password: str) -> tuple[str, str]:
    """A new key for the subject: its public half, and the whole of it sealed under the password."""
    seed = generate_key()
    salt = os.urandom(_SALT)
    return public_x(seed), _text(salt + _seal(_stretch(password, salt), seed, subject))


def open_sealed_key(user: User, password: str) -> bytes:
    """The person's key. Raises KeyLocked when the password does not fit."""
    blob = base64.urlsafe_b64decode(user.sealed_key)
    return _open(_stretch(password, blob[:_SALT]), blob[_SALT:], user.subject)


def remember(response: HttpResponse, user: User, seed: bytes) -> None:
    """Let the browser carry the person's key until the session ends."""
    response.set_cookie(
        COOKIE,
        _text(_seal(_cookie_key(), seed, user.subject)),
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
        blob = base64.urlsafe_b64decode(cookies[COOKIE])
    except (KeyError, ValueError):
        raise KeyLocked from None
    return KeySigner(user.subject, _open(_cookie_key(), blob, user.subject))


def signer_for(request: HttpRequest) -> KeySigner:
    """As signer_of, for a view's request of a signed-in person."""
    assert isinstance(request.user, User)
    return signer_of(request.user, request.COOKIES)


def _stretch(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        password.encode(), salt=salt, n=settings.KEYRING_SCRYPT_N, r=8, p=1, dklen=32, maxmem=2**27
    )


def _cookie_key() -> bytes:
    return HKDF(hashes.SHA256(), 32, None, b"mycelium key cookie").derive(settings.SECRET_KEY.encode())


def _seal(key: bytes, seed: bytes, subject: str) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, seed, subject.encode())


def _open(key: bytes, blob: bytes, subject: str) -> bytes:
    try:
        return AESGCM(key).decrypt(blob[:_NONCE], blob[_NONCE:], subject.encode())
    except (InvalidTag, ValueError):
        raise KeyLocked from None


def _text(blob: bytes) -> str:
    return base64.urlsafe_b64encode(blob).decode()
