"""Tokens: JWTs signed with Ed25519 (RFC 7519, RFC 8037)."""

from __future__ import annotations

import base64
import re
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LONGEST = 3600
SKEW = 30
ALGORITHM = "EdDSA"
NOTICE = "mycelium-notice"
_X = re.compile(r"[A-Za-z0-9_-]{43}")


class TokenRefused(Exception):
    """The token does not hold; nobody is told why."""


def encode_x(raw: bytes) -> str:
    """The `x` of an Ed25519 JWK: base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_x(x: str) -> Ed25519PublicKey:
    """The public key of a JWK's `x`.

    Raises:
        ValueError: not 32 bytes of base64url.
    """
    raw = base64.b64decode(x + "=" * (-len(x) % 4), altchars=b"-_", validate=True)
    return Ed25519PublicKey.from_public_bytes(raw)


def public_jwk(x: str) -> dict[str, str]:
    """The public JWK (RFC 8037 section 2)."""
    return {"kty": "OKP", "crv": "Ed25519", "x": x}


def generate_key() -> bytes:
    """A new Ed25519 seed of 32 bytes."""
    return Ed25519PrivateKey.generate().private_bytes_raw()


def public_x(key: bytes) -> str:
    """The `x` of the public key that belongs to a seed."""
    return encode_x(Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw())


def sign(
    key: bytes, *, iss: str, sub: str, aud: str, seconds: int, with_key: bool = False, **claims: str
) -> str:
    """A token of `iss` about `sub` for the twin `aud` (a ULID), good for `seconds` (at most 3600); `with_key`
    shows the public key in the header's `jwk` (RFC 7515 section 4.1.3).
    """
    issued = int(time.time())
    payload: dict[str, Any] = {
        "iss": iss,
        "sub": sub,
        "aud": aud,
        "iat": issued,
        "exp": issued + min(seconds, LONGEST),
        **claims,
    }
    headers = {"jwk": public_jwk(public_x(key))} if with_key else None
    return jwt.encode(
        payload, Ed25519PrivateKey.from_private_bytes(key), algorithm=ALGORITHM, headers=headers
    )


def brought_x(token: str) -> str:
    """The `x` of the Ed25519 key in a token's header, or "" if there is none that can be used."""
    try:
        jwk = jwt.get_unverified_header(token).get("jwk")
    except (jwt.PyJWTError, ValueError, RecursionError):
        return ""
    if not isinstance(jwk, dict) or (jwk.get("kty"), jwk.get("crv")) != ("OKP", "Ed25519"):
        return ""
    x = jwk.get("x")
    return x if isinstance(x, str) and _X.fullmatch(x) else ""


def issuer(token: str) -> str:
    """Who claims to have signed, before anything is verified.

    Raises:
        TokenRefused: the token cannot be read.
    """
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise TokenRefused from None
    name = claims.get("iss")
    if not isinstance(name, str):
        raise TokenRefused
    return name


def verify(token: str, x: str, audience: str) -> dict[str, Any]:
    """The claims of a token that `x` signed for `audience`.

    Raises:
        TokenRefused: any reason.
    """
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            decode_x(x),
            algorithms=[ALGORITHM],
            audience=audience,
            options={"require": ["iss", "sub", "aud", "iat", "exp"], "strict_aud": True, "verify_iat": False},
        )
        issued, expires = int(claims["iat"]), claims["exp"]
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        raise TokenRefused from None
    if type(expires) is not int or expires - issued > LONGEST or issued > time.time() + SKEW:
        raise TokenRefused
    return claims


def sign_notice(key: bytes, kid: str, payload: bytes) -> str:
    """The payload as a compact JWS (RFC 7515); its `typ` keeps it apart from every token."""
    headers = {"typ": NOTICE, "kid": kid}
    private = Ed25519PrivateKey.from_private_bytes(key)
    return jwt.api_jws.encode(payload, private, algorithm=ALGORITHM, headers=headers)


def open_notice(notice: str, x: str) -> bytes:
    """The payload of a notice that `x` signed.

    Raises:
        TokenRefused: any reason.
    """
    try:
        if jwt.get_unverified_header(notice).get("typ") != NOTICE:
            raise TokenRefused
        payload: bytes = jwt.api_jws.decode(notice, decode_x(x), algorithms=[ALGORITHM])
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise TokenRefused from None
    return payload
