"""Identifiers: UUIDv7 (RFC 9562) and ULIDs, the same 128 bits in Crockford base32.

OpenFGA clients accept a ULID only when its first character is 0 to 7, which 128 bits always give.
"""

from __future__ import annotations

import re
import secrets
import time
from uuid import UUID

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ULID_PATTERN = "[0-7][0-9A-HJKMNP-TV-Z]{25}"
_ULID = re.compile(ULID_PATTERN)


def new_uuid7() -> UUID:
    """A new UUIDv7: 48 bits of Unix milliseconds, then randomness (RFC 9562 section 5.7)."""
    milliseconds = time.time_ns() // 1_000_000
    return UUID(
        int=milliseconds << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    )


def ulid_of(uuid: UUID) -> str:
    """The 26 characters of Crockford base32 that write the UUID's 128 bits."""
    return "".join(ALPHABET[uuid.int >> shift & 31] for shift in range(125, -1, -5))


def new_ulid() -> str:
    """A new ULID, made from a new UUIDv7."""
    return ulid_of(new_uuid7())


def ulid_from(digest: bytes) -> str:
    """A ULID from the first 16 bytes of a digest, for ids that must come out the same every time."""
    return ulid_of(UUID(bytes=digest[:16]))


def is_ulid(text: str) -> bool:
    """Whether the text is a ULID in its canonical upper-case form."""
    return _ULID.fullmatch(text) is not None
