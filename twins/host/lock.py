"""One living host per home."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class HomeInUse(Exception):
    """Another living host serves this home."""


def lock_home(home: Path) -> int:
    """Hold the home until the returned descriptor is closed; HomeInUse when another process does."""
    descriptor = os.open(home / "host.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise HomeInUse(f"another host already serves {home}") from None
    return descriptor
