"""Callers: who asks, from a token and the keys that this twin itself holds."""

from __future__ import annotations

import re
from dataclasses import dataclass

from twins.runtime.identity import identity_of
from twins.runtime.problems import unauthorized
from twins.runtime.state import State
from twins.runtime.tokens import TokenRefused, issuer, verify

KEYS = "key"
FORMER = "former"
ROLES = ("owner", "admin")
_LOCAL = re.compile(r"(user|agent):[A-Za-z0-9._-]{1,64}")
_RESERVED = frozenset({"agent:sense", "agent:clock", "agent:vault"})


@dataclass(frozen=True)
class Caller:
    """Somebody whose token held.

    Attributes:
        id: `user:…`, `agent:…` or `twin:<ULID>`.
        act: the person for whom a reader twin acts, or "".
        role: a role that the twin's own key vouches for, or "".
        former: the twin knows the key, but its holder has lost every right.
        expires: when the token ends, seconds since 1970.
        internal: a part of the runtime itself, which no token can name.
        x: the public key that verified the token.
        vouched: the twin itself signed the token.
    """

    id: str
    act: str = ""
    role: str = ""
    former: bool = False
    expires: float = float("inf")
    internal: bool = False
    x: str = ""
    vouched: bool = False

    @property
    def is_twin(self) -> bool:
        return self.id.startswith("twin:")


SENSE = Caller("agent:sense", internal=True)
CLOCK = Caller("agent:clock", internal=True)
VAULT = Caller("agent:vault", internal=True)


def is_current(caller: Caller, state: State) -> bool:
    """Whether the key that verified the caller's token is still the key of whoever signed it."""
    if caller.internal:
        return True
    if caller.vouched:
        return identity_of(state).x == caller.x
    key = state.get(KEYS, caller.id)
    return key is not None and key["x"] == caller.x


def authenticate(header: str, state: State, twin_id: str, own_x: str) -> Caller:
    """The caller whom an `Authorization` header names.

    Raises:
        Problem: 401, always the same, for every reason.
    """
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise unauthorized()
    try:
        return _identify(token.strip(), state, twin_id, own_x)
    except TokenRefused:
        raise unauthorized() from None


def _identify(token: str, state: State, twin_id: str, own_x: str) -> Caller:
    name = issuer(token)
    if name in _RESERVED:
        raise TokenRefused
    if name == f"twin:{twin_id}":
        return _vouched(token, twin_id, own_x)
    known, former = state.get(KEYS, name), state.get(FORMER, name)
    key = known or former
    if key is None:
        raise TokenRefused
    claims = verify(token, key["x"], twin_id)
    act = claims.get("act", "")
    if claims["sub"] != name or not isinstance(act, str) or len(act) > 100:
        raise TokenRefused
    act = act if name.startswith("twin:") else ""
    return Caller(name, act=act, former=known is None, expires=claims["exp"], x=key["x"])


def _vouched(token: str, twin_id: str, own_x: str) -> Caller:
    """A caller for whom the twin itself signed, on the machine where its key lies."""
    claims = verify(token, own_x, twin_id)
    name, role = claims["sub"], claims.get("role", "")
    if _LOCAL.fullmatch(name) is None or name in _RESERVED or role not in ("", *ROLES):
        raise TokenRefused
    return Caller(name, role=role, expires=claims["exp"], x=own_x, vouched=True)
