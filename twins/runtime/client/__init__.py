"""The client of a twin: what other parts of the project may import of the runtime."""

from __future__ import annotations

from twins.runtime.client.errors import LiveClosed, TwinError, TwinUnreachable
from twins.runtime.client.http import CallResult, TwinClient, assert_as
from twins.runtime.client.live import follow
from twins.runtime.client.signer import KeySigner, TokenSigner, generate_key, public_x

__all__ = [
    "CallResult",
    "KeySigner",
    "LiveClosed",
    "TokenSigner",
    "TwinClient",
    "TwinError",
    "TwinUnreachable",
    "assert_as",
    "follow",
    "generate_key",
    "public_x",
]
