"""Sealing a small secret under a password, or under the portal's own: AES-256-GCM, bound to a subject."""

from __future__ import annotations

import base64
import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

_SALT, _NONCE = 16, 12


class SealBroken(Exception):
    """The password, the portal's secret or the subject is another one, or the text was changed."""


def under_password(password: str, secret: bytes, subject: str) -> str:
    """The secret as text that only the password opens (scrypt, RFC 7914), and only for this subject."""
    salt = os.urandom(_SALT)
    return _text(salt + _seal(_stretch(password, salt), secret, subject))


def open_under_password(password: str, sealed: str, subject: str) -> bytes:
    """The secret. Raises SealBroken."""
    blob = _blob(sealed)
    return _open(_stretch(password, blob[:_SALT]), blob[_SALT:], subject)


def under_portal(secret: bytes, subject: str) -> str:
    """The secret as text that only this portal opens, and only for this subject."""
    return _text(_seal(_portal_key(), secret, subject))


def open_under_portal(sealed: str, subject: str) -> bytes:
    """The secret. Raises SealBroken."""
    return _open(_portal_key(), _blob(sealed), subject)


def _stretch(password: str, salt: bytes) -> bytes:
    cost = settings.KEYRING_SCRYPT_N
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=8, p=1, dklen=32, maxmem=2**27)


def _portal_key() -> bytes:
    return HKDF(hashes.SHA256(), 32, None, b"mycelium key cookie").derive(settings.SECRET_KEY.encode())


def _seal(key: bytes, secret: bytes, subject: str) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, secret, subject.encode())


def _open(key: bytes, blob: bytes, subject: str) -> bytes:
    try:
        return AESGCM(key).decrypt(blob[:_NONCE], blob[_NONCE:], subject.encode())
    except (InvalidTag, ValueError):
        raise SealBroken from None


def _text(blob: bytes) -> str:
    return base64.urlsafe_b64encode(blob).decode()


def _blob(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text)
    except ValueError:
        raise SealBroken from None
