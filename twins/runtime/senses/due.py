"""The file `due`: when a twin that sleeps wants to be woken, because one of its senses looks then."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from twins.runtime import files

_FILE = "due"
_LONGEST = 20


def leave(directory: Path, at: float | None) -> None:
    """Say when (seconds since 1970), or None for never."""
    if at is None:
        (directory / _FILE).unlink(missing_ok=True)
    else:
        files.write_private(directory / _FILE, b"%d" % at)


def read(directory: Path) -> float | None:
    """When, or None for never; whatever else a twin may have put there means never."""
    try:
        descriptor = os.open(directory / _FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        text = os.read(descriptor, _LONGEST + 1) if regular else b""
    finally:
        os.close(descriptor)
    return float(text) if text.isdigit() and len(text) <= _LONGEST else None
