"""Which user a twin's process becomes: a number of its own, where the host is root's."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection

# Above people and their usual subordinate users, below the containers of systemd (its UIDS-GIDS.md).
TRIAL = 200_000
FIRST, LAST = TRIAL + 1, 524_287


def choose(name: str, wanted: int | None, taken: Collection[int | None]) -> int | None:
    """The user `wanted`, if it may be had, else a free one that follows from the twin's name or id.

    None where the host cannot give users away, because it is not root's.
    """
    if os.geteuid() != 0:
        return None
    if wanted is not None and FIRST <= wanted <= LAST and wanted not in taken:
        return wanted
    count = LAST - FIRST + 1
    start = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return next(user for step in range(count) if (user := FIRST + (start + step) % count) not in taken)
