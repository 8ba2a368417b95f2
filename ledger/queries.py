"""Reading the ledger as one of its participants."""

from __future__ import annotations

from typing import Any

from ledger.services import SLUG
from twins import mesh
from twins.contexts.figure import instant
from twins.models import Twin
from twins.runtime.client import assert_as
from twins.runtime.client.signer import Signer


def the_ledger() -> Twin | None:
    """The mesh's ledger, when there is one."""
    return Twin.objects.filter(slug=SLUG).first()


def documents(ledger: Twin, twin: Twin, signer: Signer) -> list[dict[str, Any]]:
    """The twin's documents, newest first: the ledger gives nobody any other."""
    client = mesh.client(ledger, assert_as(mesh.client(twin, signer), ledger.ulid))
    found, after = [], None
    while True:
        page = client.objects("documents", limit=500, after=after)
        found += [_shown(row) for row in page["objects"]]
        after = page["next"]
        if after is None:
            return sorted(found, key=lambda row: str(row["id"]), reverse=True)


def document(ledger: Twin, twin: Twin, signer: Signer, number: str) -> dict[str, Any]:
    """One of the twin's documents. Raises TwinError."""
    client = mesh.client(ledger, assert_as(mesh.client(twin, signer), ledger.ulid))
    return _shown(client.object("documents", number))


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {"id": row["id"], "seq": row["seq"], **row["body"], "at": instant(row["body"]["at"])}
