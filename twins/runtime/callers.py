"""Callers: who asks, from a token and the keys that this twin itself holds."""

from __future__ import annotations

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from twins.runtime import codec
from twins.runtime.identity import KEY as TWIN
from twins.runtime.identity import TABLE as IDENTITY
from twins.runtime.ids import ULID_PATTERN
from twins.runtime.problems import unauthorized
from twins.runtime.state import Change, State
from twins.runtime.tokens import TokenRefused, brought_x, issuer, verify

KEYS = "key"
FORMER = "former"
DECIDING = frozenset({KEYS, FORMER, IDENTITY})
LONGEST_TOKEN = 4096
MOST_KNOWN = 4096
ROLES = ("owner", "admin", "auditor")
# The `x` of a public key whose private half nobody has: the point with y = 2 is no multiple of a known one.
NOBODY = "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
_LOCAL = re.compile(r"(user|agent):[A-Za-z0-9._-]{1,64}")
_TWIN = re.compile(rf"twin:{ULID_PATTERN}")
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
        proof: the row that held the key, as it was then.
        stranger: another twin by a key that its token brought along; this twin does not hold it for theirs.
    """

    id: str
    act: str = ""
    role: str = ""
    former: bool = False
    expires: float = float("inf")
    internal: bool = False
    x: str = ""
    vouched: bool = False
    proof: bytes = field(default=b"", repr=False)
    stranger: bool = False

    @cached_property
    def is_twin(self) -> bool:
        return self.id.startswith("twin:")


SENSE = Caller("agent:sense", internal=True)
CLOCK = Caller("agent:clock", internal=True)
VAULT = Caller("agent:vault", internal=True)


def is_current(caller: Caller, state: State) -> bool:
    """Whether the key that verified the caller's token is still the key of whoever signed it."""
    if caller.internal:
        return True
    table, key = (IDENTITY, TWIN) if caller.vouched else (KEYS, caller.id)
    row = state.raw(table, key)
    if row == caller.proof:
        return True
    return row is not None and codec.decode(row)["x"] == caller.x


class Callers:
    """Who is behind a token; tokens that held are known until they end or any key changes."""

    def __init__(self, state: State, twin_id: str) -> None:
        self._state = state
        self._twin_id = twin_id
        self._known: OrderedDict[bytes, Caller] = OrderedDict()
        self.hits = 0
        self.misses = 0
        state.watch(self._observe, *DECIDING)

    def authenticate(self, header: str) -> Caller:
        """The caller whom an `Authorization` header names; it may be a stranger.

        Raises:
            Problem: 401, always the same, for every reason.
        """
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(token) <= LONGEST_TOKEN:
            raise unauthorized()
        digest = hashlib.sha256(token.encode()).digest()
        caller = self._known.get(digest)
        if caller is None or caller.expires <= time.time():
            return self._learn(digest, token.strip())
        self.hits += 1
        self._known.move_to_end(digest)
        return caller

    def _learn(self, digest: bytes, token: str) -> Caller:
        self.misses += 1
        try:
            caller = _identify(token, self._state, self._twin_id)
        except TokenRefused:
            raise unauthorized() from None
        if caller.stranger:
            return caller
        self._known[digest] = caller
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        return caller

    def _observe(self, _changes: Sequence[Change]) -> None:
        self._known.clear()


def _identify(token: str, state: State, twin_id: str) -> Caller:
    name = issuer(token)
    if name in _RESERVED:
        raise TokenRefused
    if name == f"twin:{twin_id}":
        return _vouched(token, state, twin_id)
    known = state.raw(KEYS, name)
    row = known or state.raw(FORMER, name)
    brought = brought_x(token) if _TWIN.fullmatch(name) else ""
    x = brought if row is None else codec.decode(row)["x"]
    if brought and brought != x:
        # The twin has another key by now, of which this one cannot know.
        x, row = brought, None
    if not x:
        # As much work as for a caller who is known: the time tells nobody who is.
        verify(token, NOBODY, twin_id)
        raise TokenRefused
    claims = verify(token, x, twin_id)
    act = claims.get("act", "")
    if claims["sub"] != name or not isinstance(act, str) or len(act) > 100:
        raise TokenRefused
    act = act if name.startswith("twin:") else ""
    if row is None:
        return Caller(name, act=act, expires=claims["exp"], x=x, stranger=True)
    return Caller(name, act=act, former=known is None, expires=claims["exp"], x=x, proof=row)


def _vouched(token: str, state: State, twin_id: str) -> Caller:
    """A caller for whom the twin itself signed, on the machine where its key lies."""
    row = state.raw(IDENTITY, TWIN)
    if row is None:
        raise TokenRefused
    x = codec.decode(row)["x"]
    claims = verify(token, x, twin_id)
    name, role = claims["sub"], claims.get("role", "")
    if _LOCAL.fullmatch(name) is None or name in _RESERVED or role not in ("", *ROLES):
        raise TokenRefused
    return Caller(name, role=role, expires=claims["exp"], x=x, vouched=True, proof=row)
