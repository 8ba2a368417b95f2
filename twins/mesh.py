"""How the portal reaches twins: through their sockets, by their public protocol, and by nothing else."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from django.conf import settings

from portal.kept import kept
from twins.host.client import HostClient
from twins.host.paths import socket_of
from twins.models import Twin
from twins.runtime.client import KeySigner, TwinClient, TwinError, TwinUnreachable, generate_key, public_x
from twins.runtime.client.signer import Signer
from twins.runtime.ids import new_ulid

__all__ = ["TwinError", "TwinUnreachable", "about", "client", "host", "platform_signer", "socket_path"]


def socket_path(twin: Twin) -> Path:
    """The one socket on which the twin answers."""
    return socket_of(settings.MYCELIUM_HOME, twin.slug)


def client(twin: Twin, signer: Signer | None = None, timeout: float = 10.0) -> TwinClient:
    """A client for the twin that signs as ``signer``; without one it sees what a stranger sees."""
    return TwinClient(socket_path(twin), twin.ulid, signer, timeout=timeout)


def about(twin: Twin) -> dict[str, object] | None:
    """What the twin says of itself to anyone; None when it does not answer."""
    try:
        return client(twin).about()
    except (TwinError, TwinUnreachable):
        return None


def host() -> HostClient:
    """The supervisor of this machine's twins."""
    return HostClient(settings.MYCELIUM_HOME)


@cache
def platform_signer() -> KeySigner:
    """The platform's own credential: the custodian of virtual twins, and nobody in a claimed one.

    It lies in a file that only the platform's user reads, never in the database.
    """
    path: Path = settings.MYCELIUM_HOME / "platform.key"
    stored = json.loads(
        kept(path, lambda: json.dumps({"subject": f"agent:{new_ulid()}", "key": generate_key().hex()}))
    )
    return KeySigner(stored["subject"], bytes.fromhex(stored["key"]))


def platform_custodian() -> dict[str, dict[str, str]]:
    """The platform as a genesis names it: subject to name and public key."""
    signer = platform_signer()
    return {signer.subject: {"name": "the platform", "key": public_x(signer.key)}}
