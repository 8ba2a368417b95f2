"""Reading a received slice: two sovereigns, two checks.

The reader twin decides which of its people may act for it and signs for them; the target twin decides
what that reader may see. The portal only carries.
"""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from grants.models import Grant
from twins import mesh
from twins.runtime.client import TokenSigner, assert_as
from twins.runtime.client.signer import Signer


def pass_for(grant: Grant, signer: Signer) -> TokenSigner:
    """A short token of the reader twin for the target. Raises TwinError when the person may not act."""
    return assert_as(mesh.client(grant.reader, signer), grant.target.ulid)


def objects(grant: Grant, token: TokenSigner, limit: int) -> list[dict[str, Any]]:
    """The slice's first objects as the target twin gives them to this reader."""
    found: list[dict[str, Any]] = mesh.client(grant.target, token).objects(grant.slice, limit=limit)[
        "objects"
    ]
    return found


def ending(grant: Grant) -> tuple[str, str]:
    """State and sentence for a grant that the target twin no longer honours, as its record says."""
    grant.refresh_from_db(fields=["state", "reason", "expires_at", "ended_at"])  # keeps both twins at hand
    if grant.state == Grant.State.REVOKED and grant.ended_at:
        return "revoked", f"at {grant.ended_at:%H:%M:%S} UTC by the owner: {grant.reason}."
    if grant.state == Grant.State.EXPIRED or _is_over(grant):
        return (
            "expired",
            f"at {grant.expires_at:%H:%M:%S} UTC on {grant.expires_at:%-d %b %Y}.",
        )
    return "revoked", "by its owner: the twin no longer gives this slice."


def _is_over(grant: Grant) -> bool:
    return grant.expires_at is not None and grant.expires_at <= timezone.now()
