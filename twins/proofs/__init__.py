"""Ways to prove control of an entity's domain. One folder per kind: copy the folder to add one."""

from __future__ import annotations

from twins.proofs import wellknown
from twins.proofs.kind import Found, Instructions, ProofKind

__all__ = ["KINDS", "Found", "Instructions", "ProofKind"]

KINDS: dict[str, ProofKind] = {kind.name: kind for kind in (wellknown.kind,)}
