"""A file under ``/.well-known/`` of the claimed domain (RFC 8615), with a challenge in the shape of ACME's
HTTP-01 (RFC 8555, section 8.3): the token, a dot, and a digest of the claimant's key.
"""

from __future__ import annotations

import hashlib

from django.conf import settings

from twins.proofs.kind import Found, Instructions
from twins.runtime.outbound import OutboundError, fetch

LARGEST = 4096


class WellKnownFile:
    name = "wellknown"
    title = "A file on your web site"
    effort = "One small file; checked at once."

    def instructions(self, domain: str, token: str, public_key: str) -> Instructions:
        """The file's address and its whole content. Plain HTTP is for a domain with a port: a local one."""
        scheme = "http" if ":" in domain else "https"
        digest = hashlib.sha256(f"{token}.{public_key}".encode()).hexdigest()[:32]
        return Instructions(f"{scheme}://{domain}/.well-known/mycelium-claim/{token}", f"{token}.{digest}")

    def check(self, domain: str, token: str, public_key: str) -> Found:
        """Fetch the file from the claimed domain itself and compare it with what was expected."""
        wanted = self.instructions(domain, token, public_key)
        try:
            answer = fetch(wanted.url, allow=settings.OUTBOUND_ALLOW, max_bytes=LARGEST, timeout=5.0)
        except OutboundError as error:
            return Found(False, "", str(error))
        text = "".join(
            sign if sign.isprintable() else " " for sign in answer.body.decode("utf-8", "replace")
        ).strip()
        if answer.status != 200:
            return Found(
                False, f"status {answer.status}", f"The server answered {answer.status}; 200 was expected."
            )
        if text != wanted.body:
            return Found(False, text[:300], "The file is there, but it says something else.")
        return Found(True, text[:300], f"The file was found at {wanted.url}.")


kind = WellKnownFile()
