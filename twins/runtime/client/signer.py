"""Signers: what signs a caller's requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from twins.runtime.tokens import generate_key, public_x, sign

__all__ = ["KeySigner", "Signer", "TokenSigner", "generate_key", "public_x"]


class Signer(Protocol):
    """Something that has a token for a twin."""

    def token(self, audience: str, seconds: int = 300) -> str:
        """A token for the twin with this ULID."""


@dataclass(frozen=True)
class KeySigner:
    """Signs as `subject` (`user:<ULID>` or `agent:<ULID>`) with its own 32-byte seed; `with_key` shows the
    public key too, as a twin does that is not known yet.
    """

    subject: str
    key: bytes = field(repr=False)
    with_key: bool = False

    def token(self, audience: str, seconds: int = 300) -> str:
        me = self.subject
        return sign(self.key, iss=me, sub=me, aud=audience, seconds=seconds, with_key=self.with_key)


@dataclass(frozen=True)
class TokenSigner:
    """Hands on a token that somebody else signed."""

    value: str = field(repr=False)

    def token(self, audience: str, seconds: int = 300) -> str:
        return self.value
