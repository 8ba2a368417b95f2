"""What every kind of proof offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Instructions:
    """What the claimant has to make true: this text at this address."""

    url: str
    body: str


@dataclass(frozen=True)
class Found:
    """What a check saw: ``found`` is at most 300 characters of it, ``message`` one sentence for people."""

    ok: bool
    found: str
    message: str


class ProofKind(Protocol):
    """A kind of proof. ``check`` never raises for what the other side does; it says what it found."""

    name: str
    title: str
    effort: str

    def instructions(self, domain: str, token: str, public_key: str) -> Instructions: ...

    def check(self, domain: str, token: str, public_key: str) -> Found: ...
