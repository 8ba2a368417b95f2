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
    """Signs as `subject` (`user:<ULID>` or `agent:<ULID>`) with its own 32-byte seed."""

    subject: str
    key: bytes = field(repr=False)

    def token(self, audience: str, seconds: int = 300) -> str:
        return sign(self.key, iss=self.subject, sub=self.subject, aud=audience, seconds=seconds)


@dataclass(frozen=True)
class TokenSigner:
    """Hands on a token that somebody else signed."""

    value: str = field(repr=False)

    def token(self, audience: str, seconds: int = 300) -> str:
        return self.value
