"""Publishing through the ledger, in the name of a twin and by one of its people."""

from __future__ import annotations

from typing import Any

from twins import mesh
from twins.models import Twin
from twins.runtime.client import assert_as
from twins.runtime.client.signer import Signer

SLUG = "ledger"


def register(ledger: Twin, twin: Twin) -> None:
    """Let the twin take part, under the key that it has now."""
    about = mesh.client(twin).about()
    who = {"twin": twin.subject, "name": twin.name, "key": about["key"]["x"]}
    mesh.client(ledger, mesh.platform_signer()).call("register", who)


def publish(
    ledger: Twin, sender: Twin, signer: Signer, recipient: Twin, content: dict[str, Any], *, once: str
) -> str:
    """Submit a message; its id. The same ``once`` again is the same message.

    Raises TwinError when the sender's twin or the ledger refuses.
    """
    client = mesh.client(ledger, assert_as(mesh.client(sender, signer), ledger.ulid))
    document = {"type": "message", "to": recipient.subject, "body": content}
    done = client.call("submit_document", document, idempotency_key=once)
    return str(done.result["id"])
